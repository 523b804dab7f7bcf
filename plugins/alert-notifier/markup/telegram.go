package markup

import (
	"strings"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
)

// Telegram is HTML as Telegram's bots take it: few tags, and line breaks as they are.
func Telegram(title string, blocks []notice.Block) string {
	var b strings.Builder
	b.WriteString("<b>" + telegram(title) + "</b>\n")
	for _, block := range blocks {
		b.WriteString("\n")
		for _, p := range block {
			text := telegram(p.Text)
			switch p.Style {
			case notice.Heading:
				b.WriteString("<b>" + telegram(p.Name) + "</b> " + text + "\n")
			case notice.Fact:
				b.WriteString(telegram(p.Name) + ": <code>" + text + "</code>\n")
			case notice.Code:
				b.WriteString("<pre>" + text + "</pre>\n")
			case notice.Link:
				b.WriteString("<a href=\"" + telegram(p.Address) + "\">" + text + "</a>\n")
			case notice.Remark:
				b.WriteString("<i>" + text + "</i>\n")
			default:
				b.WriteString(text + "\n")
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// telegram escapes a text. Telegram makes a mention of every @name, a command of every /name and a search of every #name.
var telegramEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func telegram(text string) string { return telegramEscapes.Replace(uncalled(text)) }

// uncalled takes the meaning from an @ that begins a word, so that it calls nobody; within a word, as in an address of
// mail, it stays.
func uncalled(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	inWord := false
	for _, r := range text {
		if r == '@' && !inWord {
			r = '＠'
		}
		inWord = r == '_' || r == '.' || r == '-' || r == '+' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
		b.WriteRune(r)
	}
	return b.String()
}
