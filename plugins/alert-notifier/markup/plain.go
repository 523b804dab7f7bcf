package markup

import (
	"strings"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
)

// Plain is text without any markup.
func Plain(blocks []notice.Block) string {
	var b strings.Builder
	for i, block := range blocks {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, p := range block {
			switch p.Style {
			case notice.Heading:
				b.WriteString("* " + p.Name + ": " + p.Text + "\n")
			case notice.Code:
				for line := range strings.Lines(p.Text) {
					b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
				}
			default:
				b.WriteString(p.String() + "\n")
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Short is text without any markup for those who pay by the character: a line for each alert, without its labels. What the
// title says already is left out.
func Short(title string, blocks []notice.Block) string {
	var lines []string
	for _, block := range blocks {
		for _, p := range block {
			switch {
			case p.Text == title:
			case p.Style == notice.Heading:
				lines = append(lines, p.Name+": "+p.Text)
			case p.Style == notice.Words, p.Style == notice.Remark:
				lines = append(lines, p.Text)
			}
		}
	}
	return strings.Join(lines, "\n")
}
