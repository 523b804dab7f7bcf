package config

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// Diagnostics is all that is wrong with a configuration, in the order of the text.
type Diagnostics struct {
	all       hcl.Diagnostics
	files     map[string]*hcl.File
	sensitive []hcl.Range
}

func newDiagnostics(all hcl.Diagnostics, files map[string]*hcl.File, sensitive []hcl.Range) Diagnostics {
	return Diagnostics{sorted(all), files, sensitive}
}

// HasErrors reports whether the configuration can not be used.
func (d Diagnostics) HasErrors() bool { return d.all.HasErrors() }

// Errors returns the errors for a log: each on one line, with its place.
func (d Diagnostics) Errors() []string {
	var lines []string
	for _, diag := range d.all {
		if diag.Severity != hcl.DiagError {
			continue
		}
		line := diag.Summary + ": " + diag.Detail
		if diag.Subject != nil {
			line = position(*diag.Subject) + ": " + line
		}
		lines = append(lines, line)
	}
	return lines
}

// Write prints every diagnostic for a person: what, where, the text there with the place underlined, and the mend.
//
//	Error: Unsupported argument
//
//	  config.hcl:12,3
//	  12 │   urll = "https://shop.example.com/"
//	     │   ^^^^
//	  An argument named "urll" is not expected here. Did you mean "url"?
func (d Diagnostics) Write(w io.Writer) error {
	var out strings.Builder
	for i, diag := range d.all {
		if i > 0 {
			out.WriteByte('\n')
		}
		severity := "Error"
		if diag.Severity == hcl.DiagWarning {
			severity = "Warning"
		}
		fmt.Fprintf(&out, "%s: %s\n\n", severity, diag.Summary)
		if diag.Subject != nil {
			fmt.Fprintf(&out, "  %s\n", position(*diag.Subject))
			d.snippet(&out, *diag.Subject)
		}
		for line := range strings.Lines(wordwrap.WrapString(diag.Detail, 100)) {
			out.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// secretLine matches lines that seem to hold a secret: text that can not be parsed has no attributes to tell by, and a
// URL with a password may be anywhere.
var secretLine = regexp.MustCompile(`(?i)(token|passw|secret|credential|authorization|api_?key)[^=]*=|://[^/\s"]*:[^/\s"]*@`)

// snippet prints the line that the range starts in and underlines the range, unless it could show a secret.
func (d Diagnostics) snippet(out *strings.Builder, r hcl.Range) {
	file, ok := d.files[r.Filename]
	if !ok || r.Start.Line < 1 {
		return
	}
	for _, s := range d.sensitive {
		if s.Filename == r.Filename && s.Start.Line <= r.Start.Line && r.Start.Line <= s.End.Line {
			return
		}
	}
	lines := bytes.Split(file.Bytes, []byte("\n"))
	if r.Start.Line > len(lines) {
		return
	}
	text := strings.TrimRight(string(lines[r.Start.Line-1]), "\r")
	if secretLine.MatchString(text) {
		return
	}
	number := fmt.Sprint(r.Start.Line)
	fmt.Fprintf(out, "  %s │ %s\n", number, text)

	// Columns count characters. Tabs stay, so that the mark stands below its text whatever their width.
	runes := []rune(text)
	start := min(r.Start.Column-1, len(runes))
	end := len(runes)
	if r.End.Line == r.Start.Line {
		end = min(max(r.End.Column-1, start+1), len(runes)+1)
	}
	indent := strings.Map(func(c rune) rune {
		if c == '\t' {
			return '\t'
		}
		return ' '
	}, string(runes[:start]))
	fmt.Fprintf(out, "  %s │ %s%s\n", strings.Repeat(" ", len(number)), indent, strings.Repeat("^", max(1, end-start)))
}
