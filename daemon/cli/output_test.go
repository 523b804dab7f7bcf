package cli

import (
	"strings"
	"testing"
)

func TestATableAlignsTextOfAnyWidth(t *testing.T) {
	var out strings.Builder
	err := printTable(&out, []string{"name", "应用", "up"}, [][]string{
		{"shop", "网上商城", "1"},
		{"网关", "x", "0"},
		{"a-longer-name", "", "100%d"},
	})
	if err != nil {
		t.Fatal(err)
	}
	// A Chinese character takes two columns of a terminal.
	want := "" +
		"name           应用      up\n" +
		"shop           网上商城  1\n" +
		"网关           x         0\n" +
		"a-longer-name            100%d\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestATableShowsNothingThatATerminalObeys(t *testing.T) {
	for name, text := range map[string]string{
		"escapes":              "\x1b[31mred\x1b]0;title\a",
		"control characters":   "a\x00b\x07c\x08d\x7f",
		"lines":                "a\r\nb\vc\fd\u2028e\u2029f\u0085",
		"tabs":                 "a\tb",
		"8-bit controls":       "\u009b31m\u009d0;title\u009c",
		"no UTF-8":             "\xff\x9b31m\xc3",
		"direction overrides":  "\u202eabc\u2066d\u200f",
		"characters of no ink": "a\u200bb\ufeffc",
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := printTable(&out, []string{text, "next"}, [][]string{{"x", text}, {text, "y"}}); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(out.String(), "\n"); n != 3 {
				t.Errorf("a header and two rows became %d lines", n)
			}
			if got := strings.ReplaceAll(out.String(), "\n", ""); got != printable(got) {
				t.Errorf("printed %q", out.String())
			}
			if !strings.Contains(out.String(), "\ufffd") {
				t.Errorf("nothing shows where something was: %q", out.String())
			}
		})
	}
}

func TestATableOfNoRowsIsItsHeader(t *testing.T) {
	var out strings.Builder
	if err := printTable(&out, []string{"a", "b"}, nil); err != nil {
		t.Fatal(err)
	}
	if out.String() != "a  b\n" {
		t.Errorf("printed %q", out.String())
	}
}

func TestOnlyKnownFormatsAreTaken(t *testing.T) {
	for _, text := range []string{"table", "json", "csv"} {
		var f format
		if err := f.Set(text); err != nil || f.String() != text {
			t.Errorf("%s: %v", text, err)
		}
	}
	f := asCSV
	if err := f.Set("yaml"); err == nil || !strings.Contains(err.Error(), `"yaml"`) || f != asCSV {
		t.Errorf("yaml: %v, format %s", err, f)
	}
}
