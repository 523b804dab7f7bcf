package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanShowsWhatSteersOrHides(t *testing.T) {
	for _, tt := range []struct{ raw, clean string }{
		{"", ""},
		{"ls -l /tmp", "ls -l /tmp"},
		{"grep 购物车 e\u0301tudes", "grep 购物车 e\u0301tudes"},
		{`echo a\ b`, `echo a\\ b`},
		{`printf '\n'`, `printf '\\n'`},
		{"a\nb\r\tc", `a\nb\r\tc`},
		{"\x00\x07\x1b[2J\x7f", `\x00\x07\x1b[2J\x7f`},
		{"\u0085\u009b31m", `\u0085\u009b31m`},
		{"\x9b31m\xff\xc3", `\x9b31m\xff\xc3`},
		{"\xed\xa0\x80", `\xed\xa0\x80`}, // a surrogate
		{"rm \u202egpj.exe", `rm \u202egpj.exe`},
		{"a\u200b\u200d\u2060\ufeff\u00ad", `a\u200b\u200d\u2060\ufeff\u00ad`},
		{"a\u2028b\u2029", `a\u2028b\u2029`},
		{"rm\u00a0-rf\u3000/", `rm\u00a0-rf\u3000/`},
		{"\ue0b0\U000f0001", `\ue0b0\U000f0001`},
		{"❤\ufe0f\U000e0101", `❤\ufe0f\U000e0101`},
		{"\U000e0041\u034f\u3164\u115f\u2800", `\U000e0041\u034f\u3164\u115f\u2800`},
		{"\ufffe\U0010ffff\u0378", `\ufffe\U0010ffff\u0378`},
		{"\ufffd", "\ufffd"},
	} {
		clean := Clean(tt.raw)
		if clean != tt.clean {
			t.Errorf("%q became %q, want %q", tt.raw, clean, tt.clean)
		}
		if raw, err := Restore(clean); raw != tt.raw || err != nil {
			t.Errorf("%q was restored as %q, %v", tt.raw, raw, err)
		}
	}
}

func TestRestoreRefusesWhatCleanDoesNotWrite(t *testing.T) {
	for _, s := range []string{`\`, `a\q`, `\x`, `\x1`, `\xg0`, `\u12`, `\ud800`, `\U00110000`, `\U1`, `\x+1`} {
		if got, err := Restore(s); err == nil {
			t.Errorf("%q was restored as %q", s, got)
		}
	}
}

func TestCutEndsBetweenCharacters(t *testing.T) {
	s := `a\\物\n\x1b\u202e\U000e0041z`
	ends := []int{0, 1, 3, 6, 8, 12, 18, 28, 29}
	for n := range len(s) + 5 {
		want := 0
		for _, end := range ends {
			if end <= n {
				want = end
			}
		}
		if got := Cut(s, n); got != s[:want] {
			t.Errorf("cut at %d: %q", n, got)
		}
	}
}

func FuzzCleanIsSafeAndReversible(f *testing.F) {
	f.Add("a\nb\\n\x1b]0;x\x07\u202e\xff")
	f.Add("\xf3\xa0\x81\x81\xe2\x80")
	f.Fuzz(func(t *testing.T, raw string) {
		clean := Clean(raw)
		for _, r := range clean {
			if unicode.IsControl(r) || !unicode.IsGraphic(r) || r == '\u2028' || unicode.In(r, unicode.Cf, unicode.Co, unicode.Variation_Selector) {
				t.Fatalf("%q holds %U", clean, r)
			}
		}
		if !utf8.ValidString(clean) {
			t.Fatalf("%q is no UTF-8", clean)
		}
		if got, err := Restore(clean); got != raw || err != nil {
			t.Fatalf("%q became %q became %q, %v", raw, clean, got, err)
		}
		n := len(clean) / 2
		head := Cut(clean, n)
		got, err := Restore(head)
		if len(head) > n || !strings.HasPrefix(clean, head) || err != nil || !strings.HasPrefix(raw, got) {
			t.Fatalf("%q cut at %d is %q, %v", clean, n, head, err)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	for name, s := range map[string]string{
		"typical": "kubectl -n shop get pods -o wide | grep -v Running",
		"escapes": strings.Repeat("\x1b\u202e\\", 16),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Clean(s)
			}
		})
	}
}
