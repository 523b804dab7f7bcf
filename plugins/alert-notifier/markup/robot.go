package markup

import (
	"strings"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
)

// Robot is the Markdown of a robot, which differs from that of others in what it knows, and has no escapes that can be relied
// on. So characters that mean something are shown by their full-width likenesses; each provider knows these.
type Robot struct {
	// Break ends a line.
	Break string
	// Fenced says that a block of code is known. Otherwise its lines are quoted.
	Fenced bool
}

// The robots.
var (
	DingTalk = Robot{Break: "  \n", Fenced: true}
	WeCom    = Robot{Break: "\n"}
)

// Text writes a title and blocks.
func (m Robot) Text(title string, blocks []notice.Block) string {
	var b strings.Builder
	b.WriteString("### " + Likeness(title) + "\n\n")
	for i, block := range blocks {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, p := range block {
			text := Likeness(p.Text)
			switch p.Style {
			case notice.Heading:
				b.WriteString("**" + Likeness(p.Name) + "** " + text + m.Break)
			case notice.Fact:
				b.WriteString(Likeness(p.Name) + ": " + text + m.Break)
			case notice.Code:
				if m.Fenced {
					// Within a fence nothing means anything but its own end.
					b.WriteString("\n```\n" + strings.ReplaceAll(uncalled(p.Text), "`", "｀") + "\n```\n\n")
					continue
				}
				for line := range strings.Lines(text) {
					b.WriteString("> " + strings.TrimRight(line, "\n") + m.Break)
				}
			case notice.Link:
				b.WriteString("[" + text + "](" + p.Address + ")" + m.Break)
			default:
				for line := range strings.Lines(text) {
					b.WriteString(strings.TrimRight(line, "\n") + m.Break)
				}
			}
		}
	}
	return strings.TrimRight(b.String(), "\n ")
}

// likenesses are what stands for characters that mean something wherever they are.
var likenesses = strings.NewReplacer("[", "［", "]", "］", "<", "＜", ">", "＞", "`", "｀", "*", "＊", "~~", "～～", "\\", "＼", "|", "｜", "&", "＆", "$", "＄")

// Likeness is a text in which nothing means anything: neither within its lines nor at their beginnings.
func Likeness(text string) string {
	text = likenesses.Replace(text)
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(begins(line))
	}
	return uncalled(underscores(b.String()))
}

// begins takes the meaning from the beginning of a line: headings, lists and rules.
func begins(line string) string {
	trimmed := strings.TrimLeft(line, " ")
	if trimmed == "" {
		return ""
	}
	if wide, ok := map[byte]string{'#': "＃", '=': "＝", '-': "－", '+': "＋", '_': "＿"}[trimmed[0]]; ok {
		return wide + trimmed[1:]
	}
	digits := len(trimmed) - len(strings.TrimLeft(trimmed, "0123456789"))
	if digits > 0 && digits < len(trimmed) && (trimmed[digits] == '.' || trimmed[digits] == ')') && strings.HasPrefix(trimmed[digits+1:]+" ", " ") {
		return trimmed[:digits] + "．" + trimmed[digits+1:]
	}
	return trimmed
}

// underscores takes the meaning from those that are not within a word, as in _this_.
func underscores(text string) string {
	if !strings.Contains(text, "_") {
		return text
	}
	runes := []rune(text)
	for i, r := range runes {
		if r == '_' && !(i > 0 && i+1 < len(runes) && isWord(runes[i-1]) && isWord(runes[i+1])) {
			runes[i] = '＿'
		}
	}
	return string(runes)
}

func isWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
}
