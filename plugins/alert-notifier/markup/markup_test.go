package markup_test

import (
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup/markuptest"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

const link = "https://chronograf.example.com/d?a=1&b=2"

// hostile is a notice of which every text says the same.
func hostile(text string) *notice.Notice {
	return notice.New(&sdk.Notice{
		Kind: wire.Kind_KIND_FIRING, Title: text, Text: text + "\n" + text, Omitted: 2,
		Alerts: []*sdk.Alert{
			{Name: text, Severity: text, Summary: text, Detail: text, Labels: map[string]string{text: text, "host": text}, Reason: text, SuppressionEnded: text, Link: link},
			{Name: "a", Summary: "s", Detail: text + "\n" + text, Link: "javascript:" + text},
		},
	})
}

// forms are all markups, each with what reads it.
var forms = map[string]func(n *notice.Notice) error{
	"plain": func(n *notice.Notice) error { return markuptest.Clean(markup.Plain(fit(n))) },
	"short": func(n *notice.Notice) error { return markuptest.Clean(markup.Short(n.Title, fit(n))) },
	"html": func(n *notice.Notice) error {
		return markuptest.HTML(markup.HTML(n.Subject(), fit(n), false), link, "html", "head", "meta", "body", "h2", "div", "strong", "span", "pre", "a", "em", "br")
	},
	"telegram": func(n *notice.Notice) error {
		return markuptest.HTML(markup.Telegram(n.Subject(), fit(n)), link, "b", "i", "code", "pre", "a")
	},
	"dingtalk": func(n *notice.Notice) error { return markuptest.Robot(markup.DingTalk.Text(n.Subject(), fit(n)), link) },
	"wecom":    func(n *notice.Notice) error { return markuptest.Robot(markup.WeCom.Text(n.Subject(), fit(n)), link) },
	"slack": func(n *notice.Notice) error {
		for _, b := range fit(n) {
			if err := markuptest.Slack(markup.Slack(b), link); err != nil {
				return err
			}
		}
		return markuptest.Slack(markup.SlackText(n.Subject()), link)
	},
}

func fit(n *notice.Notice) []notice.Block {
	blocks, _ := n.Fit(0, nil)
	return blocks
}

func TestNoTextMeansAnythingInAMarkup(t *testing.T) {
	for name, check := range forms {
		for _, text := range markuptest.Corpus {
			if err := check(hostile(text)); err != nil {
				t.Errorf("%s: of %.60q: %v", name, text, err)
			}
		}
	}
}

func fuzz(f *testing.F, form string) {
	for _, text := range markuptest.Corpus {
		if len(text) < 200 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := forms[form](hostile(text)); err != nil {
			t.Errorf("of %q: %v", text, err)
		}
	})
}

func FuzzHTML(f *testing.F)     { fuzz(f, "html") }
func FuzzTelegram(f *testing.F) { fuzz(f, "telegram") }
func FuzzDingTalk(f *testing.F) { fuzz(f, "dingtalk") }
func FuzzWeCom(f *testing.F)    { fuzz(f, "wecom") }
func FuzzSlack(f *testing.F)    { fuzz(f, "slack") }
func FuzzPlain(f *testing.F)    { fuzz(f, "plain") }

func TestOrdinaryTextStaysAsItIs(t *testing.T) {
	const text = "http_quality of ops@example.com is 2.5 s (limit: 2 s), 电信线路 100%, rm -rf /tmp/x-1_2"
	for name, got := range map[string]string{"likeness": markup.Likeness(text), "slack": markup.SlackText(text)} {
		if got != text {
			t.Errorf("%s makes of it %q", name, got)
		}
	}
	n := notice.New(&sdk.Notice{Title: "t", Alerts: []*sdk.Alert{{Summary: text, Detail: text}}})
	for name, got := range map[string]string{
		"plain": markup.Plain(fit(n)), "html": markup.HTML("t", fit(n), true), "telegram": markup.Telegram("t", fit(n)),
		"dingtalk": markup.DingTalk.Text("t", fit(n)), "wecom": markup.WeCom.Text("t", fit(n)), "slack": markup.Slack(fit(n)[0]),
	} {
		if strings.Count(got, text) != 2 {
			t.Errorf("%s makes of it %q", name, got)
		}
	}
}

func TestCommandLinesAreInBlocksOfCode(t *testing.T) {
	n := notice.New(&sdk.Notice{Title: "t", Alerts: []*sdk.Alert{{Summary: "s", Detail: "rm -rf /\nreboot"}}})
	for name, want := range map[string][2]string{
		"plain":    {markup.Plain(fit(n)), "    rm -rf /\n    reboot"},
		"html":     {markup.HTML("t", fit(n), true), ">rm -rf /\nreboot</pre>"},
		"telegram": {markup.Telegram("t", fit(n)), "<pre>rm -rf /\nreboot</pre>"},
		"dingtalk": {markup.DingTalk.Text("t", fit(n)), "\n```\nrm -rf /\nreboot\n```\n"},
		"wecom":    {markup.WeCom.Text("t", fit(n)), "> rm -rf /\n> reboot"},
		"slack":    {markup.Slack(fit(n)[0]), "```rm -rf /\nreboot```"},
	} {
		if !strings.Contains(want[0]+"\n", want[1]) {
			t.Errorf("%s has no %q:\n%s", name, want[1], want[0])
		}
	}
}

func TestTextIsCountedAsTelegramCountsIt(t *testing.T) {
	for text, want := range map[string]int{"abc": 3, "电信": 2, "😀": 2, "👨‍👩‍👧": 8} {
		if got := markup.UTF16(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

func TestTheReadersFindWhatGotThrough(t *testing.T) {
	page := func(text string) error { return markuptest.HTML(text, link, "b", "a") }
	slack := func(text string) error { return markuptest.Slack(text, link) }
	robot := func(text string) error { return markuptest.Robot(text, link) }
	for _, tc := range []struct {
		read func(string) error
		text string
	}{
		{markuptest.Clean, "\x00"}, {markuptest.Clean, "\u202e"}, {markuptest.Clean, "\xff"},
		{page, "<script>"}, {page, "<b>"}, {page, "</b>"}, {page, `<b onclick="x">a</b>`}, {page, `<a href="https://evil/">x</a>`}, {page, "<!-- x -->"},
		{slack, "<!channel>"}, {slack, "<https://evil/|x>"}, {slack, "a & b"}, {slack, "`x`"}, {slack, "*"}, {slack, "hi @all"},
		{robot, "[x](https://evil/)"}, {robot, "![x](" + link + ")"}, {robot, "a\n# b"}, {robot, "a\n- b"}, {robot, "<@all>"}, {robot, "@all"}, {robot, "a `b`"}, {robot, "a *b*"},
	} {
		if tc.read(tc.text) == nil {
			t.Errorf("nothing is found in %q", tc.text)
		}
	}
}
