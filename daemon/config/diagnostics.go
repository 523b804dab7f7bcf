package config

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// Diagnostics is all that is wrong with a configuration, in the order of the text.
type Diagnostics struct {
	all       hcl.Diagnostics
	files     map[string]*hcl.File
	sensitive []hcl.Range
	// unparsed says that no schema was held against the text, so that nothing but its names tells what is a secret.
	unparsed bool
}

// Diagnostic is one of them, for programs.
type Diagnostic struct {
	// File is empty if the mistake is in none; lines and columns count from 1, and columns are characters.
	File     string    `json:"file,omitempty"`
	Line     int       `json:"line,omitempty"`
	Column   int       `json:"column,omitempty"`
	End      *Position `json:"end,omitempty"`
	Severity string    `json:"severity"`
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail"`
}

// Position is the place behind the last character of a mistake.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

func newDiagnostics(all hcl.Diagnostics, files map[string]*hcl.File, sensitive []hcl.Range, unparsed bool) Diagnostics {
	var kept hcl.Diagnostics
	seen := map[string]bool{}
	for _, diag := range sorted(all) {
		reword(diag)
		// What stands in a dynamic block is read once for each block that is made of it.
		key := diag.Summary + "\x00" + diag.Detail
		if diag.Subject != nil {
			key += "\x00" + diag.Subject.String()
		}
		if !seen[key] {
			seen[key] = true
			kept = append(kept, diag)
		}
	}
	return Diagnostics{kept, files, sensitive, unparsed}
}

// NewDiagnostics are those of files that are no configuration but have its language, such as tests of alerts.
func NewDiagnostics(all hcl.Diagnostics, files map[string]*hcl.File) Diagnostics {
	return newDiagnostics(all, files, nil, false)
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

// List returns every diagnostic.
func (d Diagnostics) List() []Diagnostic {
	list := []Diagnostic{}
	for _, diag := range d.all {
		one := Diagnostic{Severity: severity(diag), Summary: diag.Summary, Detail: diag.Detail}
		if at := diag.Subject; at != nil {
			one.File, one.Line, one.Column = at.Filename, at.Start.Line, at.Start.Column
			one.End = &Position{at.End.Line, at.End.Column}
		}
		list = append(list, one)
	}
	return list
}

func severity(diag *hcl.Diagnostic) string {
	if diag.Severity == hcl.DiagWarning {
		return "warning"
	}
	return "error"
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
		fmt.Fprintf(&out, "%s: %s\n\n", capital(severity(diag)), diag.Summary)
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

// sorted orders diagnostics by file and place; those without a place come first.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		switch {
		case a.Subject == nil && b.Subject == nil:
			return strings.Compare(a.Detail, b.Detail)
		case a.Subject == nil:
			return -1
		case b.Subject == nil:
			return 1
		case a.Subject.Filename != b.Subject.Filename:
			return strings.Compare(a.Subject.Filename, b.Subject.Filename)
		case a.Subject.Start.Byte != b.Subject.Start.Byte:
			return a.Subject.Start.Byte - b.Subject.Start.Byte
		}
		return strings.Compare(a.Summary+a.Detail, b.Summary+b.Detail)
	})
	return diags
}
