package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

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
	if d.unparsed && secretName.MatchString(text) {
		return
	}
	text = printable(masked(text))
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
