// Package markuptest reads what package markup writes as strictly as its readers would, and says what hostile texts have
// managed to become there. It is for tests.
package markuptest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// Corpus are texts such as those have in mind who choose a host name or a command line for whom it will be shown to.
var Corpus = []string{
	"a\r\nBcc: evil@example.com", "a\nX-Injected: 1\n\nbody", "%0d%0aBcc: evil@example.com", "txt.exe\u202e gpj", "\u2066hidden\u2069", "zero\u200bwidth\ufeff",
	"nul\x00byte", "\x1b[2J\x1b]0;title\x07", "\xff\xfe\xc0\xaf invalid", "]]>", "</pre></code></b><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
	"<a href=\"https://evil.example.com\">click</a>", "[click](https://evil.example.com)", "![x](https://evil.example.com/x.png)", "<https://evil.example.com|click>",
	"<!channel>", "<!here>", "<@U12345>", "@all", "@everyone @channel", "你好@all", "<@all>", "<at user_id=\"all\">所有人</at>", "<at id=all></at>", "<font color=\"warning\">x</font>",
	"`reboot`", "```", "```\n# heading\n```", "*bold* _it_ ~~gone~~ __x__", "# heading", "> quote", "- list", "1. list", "---", "===", "| a | b |", "\\", "\\n\\u0000",
	"\"}], \"evil\": true, \"x\": [{\"", "{{.ID}}", "${HOME} $(reboot) `reboot` ; reboot | reboot && reboot", "'; DROP TABLE alerts; --", "&lt;b&gt; &amp; &#60;b&#62;",
	"\"] [evil@32473 x=\"y\"", "<13>1 - - - - - - forged", "\u2028\u2029", "👨‍👩‍👧 emoji 🇨🇳", "电信线路异常", "a=b&c=d?e#f/../..", strings.Repeat("A", 10_000), strings.Repeat("<", 5000),
	strings.Repeat("电", 5000), strings.Repeat("&", 3000), "z" + strings.Repeat("\u0301", 2000),
}

// Clean says what of a text must not be shown at all.
func Clean(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("it is not UTF-8")
	}
	for _, r := range text {
		if unicode.Is(unicode.Cc, r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return fmt.Errorf("it has %U", r)
		}
	}
	return nil
}

// HTML says what is in a page or a message that is none of these elements, or leads anywhere else than to link.
func HTML(text, link string, elements ...string) error {
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := z.Next()
		t := z.Token()
		switch kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				return z.Err()
			}
			if len(open) > 0 {
				return fmt.Errorf("%s are not closed", open)
			}
			return Clean(text)
		case html.StartTagToken, html.SelfClosingTagToken:
			if !slices.Contains(elements, t.Data) {
				return fmt.Errorf("there is an element %s", t.Data)
			}
			for _, a := range t.Attr {
				if a.Key != "style" && a.Key != "charset" && (a.Key != "href" || a.Val != link) {
					return fmt.Errorf("%s has %s=%q", t.Data, a.Key, a.Val)
				}
			}
			if t.Data != "meta" && t.Data != "br" {
				open = append(open, t.Data)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != t.Data {
				return fmt.Errorf("%s is closed, and %s are open", t.Data, open)
			}
			open = open[:len(open)-1]
		case html.CommentToken:
			return errors.New("there is a comment")
		}
	}
}

var (
	entity     = regexp.MustCompile(`&(amp|lt|gt);`)
	slackLink  = regexp.MustCompile(`<([^<>|]*)\|[^<>|]*>`)
	slackFence = regexp.MustCompile("```[^`]*```")
	call       = regexp.MustCompile(`(^|[^0-9A-Za-z_.+\-])@`)
	ownLink    = regexp.MustCompile(`\[[^][()]*\]\(([^()]*)\)`)
	fence      = regexp.MustCompile("(?s)(?:^|\n)```\n([^`]*)\n```(?:\n|$)")
	bold       = regexp.MustCompile(`^\*\*[^*]*\*\*`)
)

// Slack says what means something in Slack's markup that none of its own parts is.
func Slack(text, link string) error {
	if err := Clean(text); err != nil {
		return err
	}
	for _, m := range slackLink.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(m[1], "&amp;", "&") != link {
			return fmt.Errorf("there is a link to %q", m[1])
		}
	}
	text = slackFence.ReplaceAllString(slackLink.ReplaceAllString(text, ""), "")
	if strings.ContainsAny(entity.ReplaceAllString(text, ""), "<>&`~") {
		return errors.New("there is what Slack would read as markup")
	}
	if call.MatchString(text) {
		return errors.New("somebody is called")
	}
	for line := range strings.SplitSeq(text, "\n") {
		if n := strings.Count(line, "*"); n != 0 && n != 2 {
			return fmt.Errorf("there are %d * in %q", n, line)
		}
	}
	return nil
}

// Robot says what means something in the Markdown of a robot that none of its own parts is.
func Robot(text, link string) error {
	if err := Clean(text); err != nil {
		return err
	}
	for fence.MatchString(text) {
		text = fence.ReplaceAllString(text, "\n")
	}
	for _, m := range ownLink.FindAllStringSubmatch(text, -1) {
		if m[1] != link {
			return fmt.Errorf("there is a link to %q", m[1])
		}
	}
	if strings.Contains(text, "![") {
		return errors.New("there is a picture")
	}
	text = ownLink.ReplaceAllString(text, "")
	if call.MatchString(text) {
		return errors.New("somebody is called")
	}
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			line = strings.TrimPrefix(line, "### ")
		}
		line = strings.TrimPrefix(line, "> ")
		line = bold.ReplaceAllString(line, "")
		if strings.ContainsAny(line, "[]<>`*|\\&$") || strings.Contains(line, "~~") {
			return fmt.Errorf("there is markup in %q", line)
		}
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "-") || strings.HasPrefix(line, "=") {
			return fmt.Errorf("there is a heading, a list or a rule in %q", line)
		}
	}
	return nil
}
