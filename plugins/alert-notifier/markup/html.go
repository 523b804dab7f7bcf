package markup

import (
	"html"
	"strings"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
)

// HTML is a page for a mail, with a title. It loads nothing from anywhere, and its only links are those of the alerts.
func HTML(title string, blocks []notice.Block, good bool) string {
	colour := "#b3261e"
	if good {
		colour = "#1b7f3b"
	}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\n" +
		"<body style=\"font-family:sans-serif;font-size:14px;line-height:1.5;color:#1f1f1f;background:#ffffff\">\n" +
		"<h2 style=\"font-size:18px;margin:0 0 12px;color:" + colour + "\">" + html.EscapeString(title) + "</h2>\n")
	for _, block := range blocks {
		b.WriteString("<div style=\"margin:0 0 16px;padding:0 0 0 12px;border-left:3px solid #d0d0d0\">\n")
		for _, p := range block {
			text := html.EscapeString(p.Text)
			switch p.Style {
			case notice.Heading:
				b.WriteString("<div><strong>" + html.EscapeString(p.Name) + "</strong> " + text + "</div>\n")
			case notice.Fact:
				b.WriteString("<div><span style=\"color:#5f5f5f\">" + html.EscapeString(p.Name) + "</span> " + text + "</div>\n")
			case notice.Code:
				b.WriteString("<pre style=\"margin:4px 0;padding:8px;background:#f4f4f4;white-space:pre-wrap;word-break:break-all\">" + text + "</pre>\n")
			case notice.Link:
				b.WriteString("<div><a href=\"" + html.EscapeString(p.Address) + "\">" + text + "</a></div>\n")
			case notice.Remark:
				b.WriteString("<div><em>" + text + "</em></div>\n")
			default:
				b.WriteString("<div>" + strings.ReplaceAll(text, "\n", "<br>\n") + "</div>\n")
			}
		}
		b.WriteString("</div>\n")
	}
	b.WriteString("</body></html>\n")
	return b.String()
}
