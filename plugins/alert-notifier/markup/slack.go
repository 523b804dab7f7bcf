package markup

import (
	"strings"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
)

// Slack is a block in Slack's mrkdwn. It is to be sent as verbatim: then nothing is made a link by itself.
func Slack(block notice.Block) string {
	var b strings.Builder
	for _, p := range block {
		switch p.Style {
		case notice.Heading:
			b.WriteString("*" + SlackText(p.Name) + "* " + SlackText(p.Text) + "\n")
		case notice.Fact:
			b.WriteString(SlackText(p.Name) + ": " + SlackText(p.Text) + "\n")
		case notice.Code:
			b.WriteString("```" + strings.ReplaceAll(slackEscapes.Replace(p.Text), "`", "ˋ") + "```\n")
		case notice.Link:
			b.WriteString("<" + slackEscapes.Replace(p.Address) + "|" + SlackText(p.Text) + ">\n")
		case notice.Remark:
			b.WriteString("_" + SlackText(p.Text) + "_\n")
		default:
			b.WriteString(SlackText(p.Text) + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackLikenesses stand for what has no escape in mrkdwn.
var slackLikenesses = strings.NewReplacer("*", "∗", "`", "ˋ", "~", "∼")

// SlackText escapes a text. What Slack knows are &, < and >; the rest of its marks are shown by their likenesses.
func SlackText(text string) string {
	return slackEscapes.Replace(uncalled(underscores(slackLikenesses.Replace(text))))
}

// UTF16 is the length of a text as Telegram and Slack's clients count it.
func UTF16(text string) int {
	n := utf8.RuneCountInString(text)
	for _, r := range text {
		if r > 0xffff {
			n++
		}
	}
	return n
}
