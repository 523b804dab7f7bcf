package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup/markuptest"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// dig is what is at a path of an object: names and indices.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func textAt(v any, path ...any) string {
	text, _ := dig(v, path...).(string)
	return text
}

func TestRequestsAreSignedAsTheRobotWantsIt(t *testing.T) {
	now := time.Now()
	p := provide(t, says(200, `{"errcode":0}`))
	open(t, "dingtalk", robots["dingtalk"].config(p.URL)).one(t, firing())
	q, err := url.ParseQuery(p.last(t).query)
	if err != nil {
		t.Fatal(err)
	}
	at, err := strconv.ParseInt(q.Get("timestamp"), 10, 64)
	if err != nil || time.UnixMilli(at).Sub(now).Abs() > time.Minute || q.Get("access_token") != key {
		t.Errorf("the query is %v", q)
	}
	if want := signature("SEC"+key, q.Get("timestamp")+"\nSEC"+key); q.Get("sign") != want {
		t.Errorf("the signature is %q, want %q", q.Get("sign"), want)
	}
	p = provide(t, says(200, `{"code":0}`))
	open(t, "feishu", robots["feishu"].config(p.URL)).one(t, firing())
	body := p.last(t).json(t)
	stamp := textAt(body, "timestamp")
	if want := signature(stamp+"\n"+key, ""); textAt(body, "sign") != want || len(stamp) != 10 {
		t.Errorf("the body has %v and %v", body["timestamp"], body["sign"])
	}
	// The vectors were computed with openssl dgst -sha256 -hmac.
	for _, v := range [][3]string{
		{"SECabc", "1700000000000\nSECabc", "jcUpW0QmtKduN03n4JqQ0PBosVjqnM8gU7fIIvsDmCM="},
		{"1700000000\nabc", "", "VIS10b0EBvzzSdFnuk4tznEmK5wHaruvf/WnViv2yR4="},
	} {
		if got := signature(v[0], v[1]); got != v[2] {
			t.Errorf("the signature of %q is %q, want %q", v[1], got, v[2])
		}
	}
}

func TestPeopleAreCalledByNameWhenSomethingFiresAndOnlyThen(t *testing.T) {
	for name, tc := range map[string]struct {
		mention []string
		called  func(body object) bool
	}{
		"dingtalk": {[]string{"13800000000"}, func(b object) bool {
			return strings.HasSuffix(textAt(b, "markdown", "text"), "\n@13800000000") && textAt(b, "at", "atMobiles", 0) == "13800000000"
		}},
		"wecom":  {[]string{"wang"}, func(b object) bool { return strings.HasSuffix(textAt(b, "markdown", "content"), "\n<@wang>") }},
		"feishu": {[]string{"ou_1"}, func(b object) bool { return strings.Contains(fmt.Sprint(b), "map[tag:at user_id:ou_1]") }},
		"slack": {[]string{"U123", "S456", "here"}, func(b object) bool {
			return strings.HasSuffix(textAt(b, "blocks", 0, "text", "text"), "* <@U123> <!subteam^S456> <!here>")
		}},
	} {
		p := provide(t, says(200, robots[name].yes))
		config := robots[name].config(p.URL)
		config["mention"] = tc.mention
		c := open(t, name, config)
		for kind, want := range map[wire.Kind]bool{wire.Kind_KIND_FIRING: true, wire.Kind_KIND_ESCALATION: true, wire.Kind_KIND_RESOLVED: false, wire.Kind_KIND_REPEAT: false, wire.Kind_KIND_TEST: false} {
			n := firing()
			n.Kind = kind
			if d := c.one(t, n); d.Outcome != sdk.Delivered {
				t.Errorf("%s: it is %+v", name, d)
			}
			if got := tc.called(p.last(t).json(t)); got != want {
				t.Errorf("%s: at %v people are called: %v\n%s", name, kind, got, p.last(t).body)
			}
		}
		config["mention"] = []string{"all> <@evil", "@all"}
		if _, err := tryOpen(name, config); err == nil {
			t.Errorf("%s: what is no name was taken", name)
		}
	}
}

func TestNoticesOfAThreadStayTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		path []any
		want any
	}{
		"slack bot": {[]any{"thread_ts"}, "1700000000.000100"},
		"telegram":  {[]any{"reply_parameters", "message_id"}, float64(7)},
	} {
		p := provide(t, says(200, robots[name].yes))
		c := open(t, typeOf(name), robots[name].config(p.URL))
		first := c.Notify(within(t, patience), firing())
		if dig(p.last(t).json(t), tc.path...) != nil || first.Deliveries[0].ProviderID == "" {
			t.Errorf("%s: the first is %s, %+v", name, p.last(t).body, first)
		}
		next := firing()
		next.Id, next.ThreadState = "n-2", first.Thread
		second := c.Notify(within(t, patience), next)
		if got := dig(p.last(t).json(t), tc.path...); got != tc.want {
			t.Errorf("%s: the second belongs to %v, want %v", name, got, tc.want)
		}
		if fmt.Sprint(second.Thread) != fmt.Sprint(first.Thread) {
			t.Errorf("%s: the thread was %v and is %v", name, first.Thread, second.Thread)
		}
	}
}

func TestTelegramIsToldInPlainTextWhatItTakesForBadMarkup(t *testing.T) {
	p := provide(t, func(w http.ResponseWriter, r *http.Request) {})
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m object
		_ = json.NewDecoder(r.Body).Decode(&m)
		if m["parse_mode"] != nil {
			says(400, `{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: x"}`)(w, r)
			return
		}
		if text := textAt(m, "text"); !strings.HasPrefix(text, "[FIRING] shop is slow\n") || strings.Contains(text, "<b>") {
			says(400, `{"ok":false,"error_code":400,"description":"Bad Request"}`)(w, r)
			return
		}
		says(200, `{"ok":true,"result":{"message_id":8}}`)(w, r)
	})
	if d := open(t, "telegram", robots["telegram"].config(p.URL)).one(t, firing()); d.Outcome != sdk.Delivered || d.ProviderID != "8" {
		t.Errorf("it is %+v", d)
	}
}

func TestATopicOfAForumIsTold(t *testing.T) {
	p := provide(t, says(200, robots["telegram"].yes))
	config := robots["telegram"].config(p.URL)
	config["chats"], config["silent"] = []string{"-100123:45"}, true
	d := open(t, "telegram", config).one(t, firing())
	body := p.last(t).json(t)
	if d.Recipient != "-100123:45" || textAt(body, "chat_id") != "-100123" || body["message_thread_id"] != float64(45) || body["disable_notification"] != true {
		t.Errorf("it is %+v, and the request %v", d, body)
	}
}

func TestAnEventIsMadeOfEachAlert(t *testing.T) {
	var events []object
	p := provide(t, says(202, robots["pagerduty"].yes))
	c := open(t, "pagerduty", robots["pagerduty"].config(p.URL))
	n := firing()
	n.Alerts = append(n.Alerts, &sdk.Alert{Incident: "INC2", Name: "b", Severity: "odd", State: wire.Kind_KIND_RESOLVED, Summary: "over"},
		&sdk.Alert{Incident: "INC3", Severity: "info", State: wire.Kind_KIND_FIRING, Labels: map[string]string{"host": "web-1"}})
	n.Omitted = 4
	if d := c.one(t, n); d.Outcome != sdk.Delivered || d.ProviderID == "" {
		t.Errorf("it is %+v", d)
	}
	for _, a := range p.asked() {
		events = append(events, a.json(t))
	}
	// They are under way together.
	slices.SortFunc(events, func(a, b object) int { return strings.Compare(textAt(a, "dedup_key")+"~", textAt(b, "dedup_key")+"~") })
	var got []string
	for _, e := range events {
		if e["routing_key"] != key {
			t.Errorf("an event has the key %v", e["routing_key"])
		}
		got = append(got, fmt.Sprintf("%v %.12v %v %v %v", e["event_action"], e["dedup_key"], textAt(e, "payload", "severity"), textAt(e, "payload", "source"), textAt(e, "payload", "summary")))
	}
	want := []string{
		"trigger INC1 critical shop [FIRING] shop answers slowly over ct", "resolve INC2   ", "trigger INC3 info web-1 [FIRING] shop is slow",
		"trigger n-1 critical vedette [FIRING:7] shop is slow",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the events are\n%s\nand should be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if textAt(events[0], "payload", "timestamp") != "2026-11-26T02:10:05Z" || textAt(events[0], "links", 0, "href") != "https://chronograf.example.com/d?site=shop" ||
		!strings.Contains(textAt(events[0], "payload", "custom_details", "text"), "▁▁███") {
		t.Errorf("the first is %v", events[0])
	}
	// One that is not taken makes the whole not delivered, and all are sent again.
	var count atomic.Int32
	p = provide(t, func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) == 2 {
			says(429, "")(w, r)
			return
		}
		says(202, robots["pagerduty"].yes)(w, r)
	})
	if d := open(t, "pagerduty", robots["pagerduty"].config(p.URL)).one(t, n); d.Outcome != sdk.Temporary || d.Code != "429" {
		t.Errorf("with one that is not taken it is %+v", d)
	}
	if len(p.asked()) != 4 {
		t.Errorf("%d events were sent", len(p.asked()))
	}
	// No more are sent than PagerDuty takes; the last one tells of the rest.
	n = firing()
	for i := range 99 {
		n.Alerts = append(n.Alerts, &sdk.Alert{Incident: fmt.Sprintf("INC-%d", i), State: wire.Kind_KIND_FIRING, Summary: "x"})
	}
	p = provide(t, says(202, robots["pagerduty"].yes))
	if d := open(t, "pagerduty", robots["pagerduty"].config(p.URL)).one(t, n); d.Outcome != sdk.Delivered || !d.Truncated {
		t.Errorf("of many it is %+v", d)
	}
	if last := p.last(t).json(t); len(p.asked()) != maxPagerTriggers+1 || !strings.Contains(textAt(last, "payload", "custom_details", "text"), "+ 40 more") {
		t.Errorf("of many %d were sent, the last of them %v", len(p.asked()), last)
	}
}

// chatText is what people read of a request, and how long it is by the provider's count.
var chatText = map[string]func(t *testing.T, a asked) (text string, size, most int){
	"dingtalk": func(t *testing.T, a asked) (string, int, int) {
		return textAt(a.json(t), "markdown", "text"), len(a.body), 20000
	},
	"wecom": func(t *testing.T, a asked) (string, int, int) {
		text := textAt(a.json(t), "markdown", "content")
		return text, len(text), 4096
	},
	"feishu": func(t *testing.T, a asked) (string, int, int) {
		post, _ := dig(a.json(t), "content", "post", "zh_cn").(map[string]any)
		text := textAt(post, "title") + "\n"
		lines, _ := dig(post, "content").([]any)
		for _, l := range lines {
			elements, _ := l.([]any)
			for _, e := range elements {
				text += textAt(e, "text") + " "
			}
			text += "\n"
		}
		return text, len(a.body), 20000
	},
	"slack": slackText, "slack bot": slackText,
	"telegram": func(t *testing.T, a asked) (string, int, int) {
		text := textAt(a.json(t), "text")
		return text, markup.UTF16(text), 4096
	},
	"sms": func(t *testing.T, a asked) (string, int, int) {
		text := textAt(a.json(t), "text")
		return text, len([]rune(text)), 300
	},
}

func slackText(t *testing.T, a asked) (string, int, int) {
	blocks, _ := dig(a.json(t), "blocks").([]any)
	text := ""
	size := len(blocks) * 60 // a message may have 50 blocks, each of 3000
	for _, b := range blocks {
		section := textAt(b, "text", "text")
		if len(section) > 3000 || dig(b, "text", "verbatim") != true {
			t.Errorf("a section has %d bytes: %v", len(section), b)
		}
		text += section + "\n"
	}
	return text, size, 3000
}

func TestWhatDoesNotFitAProviderIsLeftOutByWholeAlerts(t *testing.T) {
	for name, read := range chatText {
		for _, count := range []int{1, 2, 7, 40, 300} {
			for _, detail := range []string{"", "short", strings.Repeat("长命令 & <b> 👨‍👩‍👧 `x` ", 40), strings.Repeat("电", 2000)} {
				if count > 40 && len(detail) > 4000 {
					continue // it says nothing that 40 do not
				}
				p := provide(t, says(200, robots[name].yes))
				n := firing()
				n.Alerts = nil
				for i := range count {
					n.Alerts = append(n.Alerts, &sdk.Alert{Name: fmt.Sprintf("alert-%03d", i), Severity: "warning", State: wire.Kind_KIND_FIRING, Summary: fmt.Sprintf("SUMMARY-%03d 电信线路", i), Detail: detail})
				}
				d := open(t, typeOf(name), robots[name].config(p.URL)).one(t, n)
				text, size, most := read(t, p.last(t))
				text = strings.ReplaceAll(text, "＋ ", "+ ")
				if d.Outcome != sdk.Delivered || size > most {
					t.Errorf("%s with %d alerts: %d of %d, %+v", name, count, size, most, d)
				}
				shown := strings.Count(text, "SUMMARY-")
				missing := 0
				if i := strings.LastIndex(text, "+ "); i >= 0 {
					_, _ = fmt.Sscanf(text[i:], "+ %d more", &missing)
				}
				if shown+missing != count || missing > 0 != d.Truncated && count > 1 {
					t.Errorf("%s with %d alerts: %d are shown and %d said to be missing, truncated %v:\n%s", name, count, shown, missing, d.Truncated, text[max(0, len(text)-200):])
				}
				if strings.Contains(text, "\uFFFD") || strings.Contains(text, "\u200d…") || strings.Contains(text, "&am…") {
					t.Errorf("%s with %d alerts: a character was cut", name, count)
				}
			}
		}
	}
}

func TestHostileTextMeansNothingToAnyProvider(t *testing.T) {
	const link = "https://chronograf.example.com/d?site=shop"
	checks := map[string]func(text string) error{
		"dingtalk": func(text string) error { return markuptest.Robot(text, link) }, "wecom": func(text string) error { return markuptest.Robot(text, link) },
		"slack": func(text string) error { return markuptest.Slack(text, link) }, "slack bot": func(text string) error { return markuptest.Slack(text, link) },
		"telegram": func(text string) error { return markuptest.HTML(text, link, "b", "i", "code", "pre", "a") },
		"feishu": func(text string) error {
			if strings.Contains(text, "<at") || strings.Contains(text, "@_all") {
				return fmt.Errorf("somebody is called")
			}
			return markuptest.Clean(text)
		},
		"sms": markuptest.Clean,
	}
	for name, r := range robots {
		p := provide(t, says(200, r.yes))
		c := open(t, typeOf(name), r.config(p.URL))
		plain := len(p.asked())
		c.one(t, firing())
		harmless := p.asked()[plain]
		for _, text := range markuptest.Corpus {
			n := firing()
			n.Id, n.Thread, n.Title, n.Text, n.Note = text, text, text, text, text
			a := n.Alerts[0]
			a.Incident, a.Name, a.Severity, a.Summary, a.Detail, a.Reason, a.SuppressionEnded = text, text, text, text, text, text, text
			a.Labels = map[string]string{text: text, "host": text}
			if d := c.one(t, n); d.Outcome != sdk.Delivered {
				t.Errorf("%s: with %.40q it is %+v", name, text, d)
			}
			got := p.last(t)
			if got.method != harmless.method || got.path != harmless.path || name != "dingtalk" && got.query != harmless.query {
				t.Errorf("%s: with %.40q it asked %s %s?%s", name, text, got.method, got.path, got.query)
			}
			for header := range got.header {
				if _, ok := harmless.header[header]; !ok {
					t.Errorf("%s: with %.40q there is a header %s", name, text, header)
				}
			}
			if !json.Valid(got.body) || markuptest.Clean(string(got.body)) != nil {
				t.Errorf("%s: with %.40q the body is %.300q", name, text, got.body)
			}
			if check := checks[name]; check != nil {
				shown, _, _ := chatText[name](t, got)
				if err := check(shown); err != nil {
					t.Errorf("%s: of %.60q: %v in\n%.500s", name, text, err, shown)
				}
			}
		}
	}
}
