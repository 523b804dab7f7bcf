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
	// Columns count characters. Tabs stay, so that the mark stands below its text whatever their width.
	runes := []rune(printable(masked(text)))
	start := min(r.Start.Column-1, len(runes))
	end := len(runes)
	if r.End.Line == r.Start.Line {
		end = min(max(r.End.Column-1, start+1), len(runes)+1)
	}
	runes, start, end = window(runes, start, end)
	number := fmt.Sprint(r.Start.Line)
	fmt.Fprintf(out, "  %s │ %s\n", number, string(runes))

	indent := strings.Map(func(c rune) rune {
		if c == '\t' {
			return '\t'
		}
		return ' '
	}, string(runes[:start]))
	fmt.Fprintf(out, "  %s │ %s%s\n", strings.Repeat(" ", len(number)), indent, strings.Repeat("^", max(1, end-start)))
}

// maxShown is how many characters of a line are shown.
const maxShown = 200

// window cuts what is far from the start of the mark off a long line.
func window(line []rune, start, end int) (cut []rune, cutStart, cutEnd int) {
	if len(line) <= maxShown {
		return line, start, end
	}
	from := max(0, min(start-maxShown/2, len(line)-maxShown))
	to := from + maxShown
	if from > 0 {
		cut = append(cut, '…')
	}
	moved := len(cut) - from
	cut = append(cut, line[from:to]...)
	if to < len(line) {
		cut, end = append(cut, '…'), min(end, to)
	}
	return cut, start + moved, end + moved
}
