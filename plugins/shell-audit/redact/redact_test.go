package redact

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func corpus(t testing.TB, name string) (lines []string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if line := sc.Text(); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	if len(lines) < 50 {
		t.Fatalf("%s has %d lines", name, len(lines))
	}
	return lines
}

func builtin(t testing.TB, site ...string) *Rules {
	t.Helper()
	r, err := New(site)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unmark returns a line of the positives as it is typed, as it is to become, and the number of its secrets.
func unmark(line string) (typed, want string, count int) {
	typed = strings.NewReplacer("«", "", "»", "").Replace(line)
	for rest := line; ; count++ {
		before, after, ok := strings.Cut(rest, "«")
		want += before
		if !ok {
			return typed, want, count
		}
		_, rest, _ = strings.Cut(after, "»")
		want += Mark
	}
}

func TestSecretsOfTheCorpusAreTakenOutAndNothingElse(t *testing.T) {
	r := builtin(t)
	for _, line := range corpus(t, "positives.txt") {
		typed, want, count := unmark(line)
		if got, n := r.Redact(typed); got != want || n != count {
			t.Errorf("%s\n became %s (%d)\n   want %s (%d)", typed, got, n, want, count)
		}
	}
}

func TestLinesWithoutSecretsStayAsTheyAre(t *testing.T) {
	r := builtin(t)
	for _, line := range corpus(t, "negatives.txt") {
		if got, n := r.Redact(line); got != line || n != 0 {
			t.Errorf("%s\n became %s (%d)", line, got, n)
		}
	}
}

// The secrets are put together here, so that nobody's scanner takes this file for a leak.
func TestSecretsAreKnownByTheirLook(t *testing.T) {
	r := builtin(t)
	long := strings.Repeat("aB3dE6gH9", 8)
	for _, secret := range []string{
		"AKIA" + "ABCDEFGH12345678", "ASIA" + "ABCDEFGH12345678", "AIza" + long[:35], "ghp_" + long[:36], "gho_" + long[:36],
		"github_pat_" + long[:22] + "_" + long[:59], "glpat-" + long[:20], "xoxb-" + "123456789012-" + long[:24],
		"eyJ" + long[:20] + ".eyJ" + long[:30] + "." + long[:43], "sk_live_" + long[:24], "sk-" + long[:48],
		"sk-proj-" + long[:48], "npm_" + long[:36], "hvs." + long[:24], "dckr_pat_" + long[:27], "dop_v1_" + long[:64],
		"SG." + long[:22] + "." + long[:43], "pypi-AgEI" + long, "hooks.slack.com/services/" + "T0/B0/" + long[:24],
	} {
		for _, around := range []string{"echo S", "echo 'S' x", "x=S", "x:S,y", "/S/", `a\nS\nb`, `\x1bS`, "git clone -c S"} {
			want := strings.Replace(around, "S", Mark, 1)
			if strings.HasPrefix(secret, "hooks.") && around == "/S/" {
				want = "/" + Mark
			}
			if got, n := r.Redact(strings.Replace(around, "S", secret, 1)); got != want || n != 1 {
				t.Errorf("%s in %s became %s (%d)", secret, around, got, n)
			}
		}
		for _, no := range []string{"echo z" + secret, "echo " + secret[:9]} {
			if got, n := r.Redact(no); n != 0 && !strings.HasPrefix(no, "echo zeyJ") {
				t.Errorf("%s became %s", no, got)
			}
		}
	}
}

func TestSecretsFarToTheRightAreFoundToo(t *testing.T) {
	r := builtin(t, `\bpin [0-9]+`)
	for _, filler := range []string{"ls -l /tmp; ", "x ", "token ", `\n`, "'", "a=b&"} {
		left := strings.Repeat(filler, (16<<10)/len(filler))
		if filler == "'" {
			left = left[:len(left)&^1] // else what follows is quoted
		}
		got, _ := r.Redact(left + " ; mysql -phunter2; PASSWORD=hunter2 ls; curl https://a:hunter2@x/; pin 1234")
		if strings.Contains(got, "hunter2") || strings.Contains(got, "1234") {
			t.Errorf("behind %q...: %s", filler, got[len(got)-120:])
		}
	}
}

func TestASitesRulesReplaceTheirGroups(t *testing.T) {
	r := builtin(t, `(?i)badge=\S+`, `--pin (\d+) --card (\d+)`, "x1b")
	for _, tt := range []struct {
		in, want string
		n        int
	}{
		{"run BADGE=1 --pin 12 --card 34", "run [redacted] --pin [redacted] --card [redacted]", 3},
		{"badge=a badge=b", "[redacted] [redacted]", 2},
		{"password=badge=1", "password=[redacted]", 1},
		{`a\x1bz`, `a[redacted]z`, 1}, // a match within an escape takes all of it
		{"badge", "badge", 0},
	} {
		if got, n := r.Redact(tt.in); got != tt.want || n != tt.n {
			t.Errorf("%s became %s (%d), want %s (%d)", tt.in, got, n, tt.want, tt.n)
		}
	}
}

func TestABadRuleIsNamed(t *testing.T) {
	many := make([]string, 100)
	for i := range many {
		many[i] = "badge=[a-z]{20}"
	}
	for want, rules := range map[string][]string{
		`redact rule 2, "(a": `:              {"a", "(a"},
		`redact rule 1, "a*": it matches no`: {"a*"},
		`redact rule 1, "(a{100}){10}`:       {"(a{100}){10}(b{100}){10}(c{100}){10}"},
		`redact rule 7`:                      many,
	} {
		if _, err := New(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", rules, err, want)
		}
	}
}

func TestWhatTheSitesRulesCanNotSeeInTimeIsWithheld(t *testing.T) {
	r := builtin(t, "badge=[a-z]{500}[0-9]{500}")
	if r.seen < 4<<10 || r.seen >= 16<<10 {
		t.Fatalf("%d bytes are looked at", r.seen)
	}
	line := strings.Repeat("a", 16<<10)
	got, n := r.Redact(line)
	if want := line[:r.seen] + Withheld; got != want || n != 1 {
		t.Errorf("%d bytes, of them %d seen, became %d: %s", len(line), r.seen, len(got), got[len(got)-30:])
	}
	if got, n := r.Redact(line[:r.seen]); got != line[:r.seen] || n != 0 {
		t.Errorf("%d bytes became %d", r.seen, len(got))
	}
}

func TestEqualCommandsHaveEqualMACsUnderOneKeyAlone(t *testing.T) {
	a, b := []byte("one host"), []byte("another host")
	if again := MAC(a, "ls"); again != MAC([]byte("one host"), "ls") || again == MAC(a, "ls ") || again == MAC(b, "ls") {
		t.Error("the MACs tell nothing, or too much")
	}
}
