package redact

import (
	"fmt"
	"strings"
	"testing"
)

// mostWork is how often a byte of a line may be looked at, on average, by the built-in rules.
const mostWork = 150

// hostile are what the built-in rules look back and forth for.
var hostile = []string{
	"token=", "token='", `token="`, `token=\\"`, "token: ", "token=$(", "token=./", "token=$token", "a&", "://", "://:x/", "://a:b",
	"-----BEGIN RSA PRIVATE KEY-----", `\n`, `\\`, `\\"`, "'", `"`, `"' `, "$", "${", "eyJ", "ghp_", "xoxb-", "sk-", "mysql -p ",
	"sh -c '\"", "| sudo -S ", "<<<", "echo a|", "-p", "=", ":", "a", " ", "((", "`", "Cookie: ", "Authorization: a ", "[", "物", "\xff",
}

func workOf(s string) int {
	f := finder{s: s}
	f.names()
	f.commands(0, len(s), 0)
	return f.work
}

func TestNoLineMakesTheBuiltInRulesSlow(t *testing.T) {
	worst, of := 0.0, ""
	for _, a := range hostile {
		for _, b := range append([]string{""}, hostile...) {
			line := strings.Repeat(a+b, (16<<10)/len(a+b))
			if per := float64(workOf(line)) / float64(len(line)); per > worst {
				worst, of = per, a+b
			}
		}
	}
	t.Logf("at most %.1f looks at a byte, for %q again and again", worst, of)
	if worst > mostWork {
		t.Errorf("%.1f looks at a byte, for %q again and again", worst, of)
	}
}

func FuzzRedact(f *testing.F) {
	for _, line := range corpus(f, "positives.txt") {
		typed, _, _ := unmark(line)
		f.Add(typed, uint16(1))
	}
	for _, part := range hostile {
		f.Add(part, uint16(500))
	}
	r := builtin(f, `(?i)badge=\S+`)
	f.Fuzz(func(t *testing.T, part string, repeat uint16) {
		if part == "" {
			return
		}
		s := strings.Repeat(part, min(int(repeat)%2000+1, max(1, (16<<10)/len(part))))
		if work := workOf(s); work > mostWork*(len(s)+300) {
			t.Fatalf("%d looks at %d bytes", work, len(s))
		}
		got, n := r.Redact(s)
		if n == 0 && got != s || n > 0 && strings.Count(got, Mark) < n {
			t.Fatalf("%d values are said to be replaced in %q", n, got)
		}
		if _, again := r.Redact(s); again != n {
			t.Fatal("the same line was redacted in two ways")
		}
		// What stays is what was there, in its order.
		rest := s
		for i, kept := range strings.Split(got, Mark) {
			at := strings.Index(rest, kept)
			if at < 0 || i == 0 && at > 0 {
				t.Fatalf("%q became %q", s, got)
			}
			rest = rest[at+len(kept):]
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	r := builtin(b)
	site := builtin(b, `(?i)badge=\S+`, `pin (\d+)`)
	for _, bb := range []struct {
		name, line string
		rules      *Rules
	}{
		{"nothing", "kubectl -n shop get pods -o wide | grep -v Running", r},
		{"nothing, rules of a site", "kubectl -n shop get pods -o wide | grep -v Running", site},
		{"the gate opens", "curl -sS https://example.com/index.html | less", r},
		{"a secret", "mysql -u root -phunter2 shop", r},
		{"16 KiB of secrets", strings.Repeat("token=abc ", 1638), r},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bb.rules.Redact(bb.line)
			}
		})
	}
	worst := ""
	for _, part := range hostile {
		if line := strings.Repeat(part, (16<<10)/len(part)); workOf(line) > workOf(worst) {
			worst = line
		}
	}
	b.Run(fmt.Sprintf("worst 16 KiB, %.14s", worst), func(b *testing.B) {
		for b.Loop() {
			r.Redact(worst)
		}
	})
}
