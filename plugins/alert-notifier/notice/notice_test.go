package notice

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var night = time.Date(2026, 11, 26, 2, 10, 5, 0, time.UTC)

func stamp(after time.Duration) *timestamppb.Timestamp { return timestamppb.New(night.Add(after)) }

func TestEveryKindIsRecognisedByItsSubject(t *testing.T) {
	two := []*sdk.Alert{{Name: "a", Summary: "one"}, {Name: "b", Summary: "two"}}
	for _, tc := range []struct {
		n      *sdk.Notice
		en, zh string
	}{
		{&sdk.Notice{Kind: wire.Kind_KIND_FIRING, Title: "shop is down", Alerts: two}, "[FIRING:2] shop is down", "[告警:2] shop is down"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FIRING, Title: "x", Alerts: two, Omitted: 5}, "[FIRING:7] x", "[告警:7] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_RESOLVED, Title: "x", Alerts: two[:1]}, "[RESOLVED] x", "[恢复] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_REPEAT, Title: "x"}, "[STILL FIRING] x", "[持续告警] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_ESCALATION, Title: "x"}, "[ESCALATED] x", "[升级] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FLAPPING, Title: "x"}, "[FLAPPING] x", "[抖动] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FLAPPING_ENDED, Title: "x"}, "[FLAPPING ENDED] x", "[抖动结束] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_EVENT, Title: "x"}, "[EVENT] x", "[事件] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_DIGEST, Title: "x"}, "[DIGEST] x", "[汇总] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_TEST, Title: "x"}, "[TEST] x", "[TEST] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_TEST, Title: "[TEST] x"}, "[TEST] x", "[TEST] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_RESOLVED, Title: "x", Late: true}, "[RESOLVED, LATE] x", "[恢复, 迟到] x"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FIRING, Alerts: two}, "[FIRING:2] a, b", "[告警:2] a, b"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FIRING, Alerts: two[:1]}, "[FIRING] one", "[告警] one"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FIRING}, "[FIRING] Vedette", "[告警] Vedette"},
		{&sdk.Notice{Kind: wire.Kind_KIND_FIRING, Title: "a\r\nBcc: x\x00y\u202ez"}, "[FIRING] a Bcc: x\uFFFDy\uFFFDz", "[告警] a Bcc: x\uFFFDy\uFFFDz"},
	} {
		for language, want := range map[string]string{"en": tc.en, "": tc.en, "zh": tc.zh, "fr": tc.en} {
			tc.n.Language = language
			if got := New(tc.n).Subject(); got != want {
				t.Errorf("%s: the subject is %q, want %q", language, got, want)
			}
		}
	}
}

func TestHostileTextIsCleaned(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                            "plain",
		"  a \t b  ":                       "a b",
		"a\r\nb\rc\nd":                     "a b c d",
		"a\x00b\x1b[2Jc\x7fd\u0085e":       "a\uFFFDb\uFFFD[2Jc\uFFFDd e",
		"abc\u202etxt.exe":                 "abc\uFFFDtxt.exe",
		"a\u2066b\u2069\u200e":             "a\uFFFDb\uFFFD\uFFFD",
		"pass\u200bword\ufeff\u00ad":       "password",
		"\xff\xfebad":                      "\uFFFDbad",
		"a\u2028b\u2029c":                  "a b c",
		"👨‍👩‍👧 ok 👩🏽‍💻":                    "👨‍👩‍👧 ok 👩🏽‍💻",
		"a\u200db":                         "ab",
		"😀\u200dx":                         "😀x",
		"x\u3164y\u115fz":                  "x y z",
		"tag\U000E0041\U000E007F":          "tag",
		"中文　全角":                            "中文 全角",
		"z" + strings.Repeat("\u0301", 50): "z" + strings.Repeat("\u0301", maxMarks),
	} {
		if got := Line(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := Lines("\n a\r\n  b\u2028c\n\n"); got != "a\n  b\nc" {
		t.Errorf("lines become %q", got)
	}
}

func TestOnlyAddressesOfPagesBecomeLinks(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.example.com/d?x=1&y=2#z":      "https://a.example.com/d?x=1&y=2#z",
		"http://a/|>)\"'`[]":                     "http://a/%7C%3E%29%22%27%60%5B%5D",
		"https://a/中":                            "https://a/%E4%B8%AD",
		"javascript:alert(1)":                    "",
		"data:text/html,x":                       "",
		"//evil.example.com":                     "",
		"https://":                               "",
		"https://user:pw@a/":                     "",
		"https://a/\r\nBcc: x":                   "",
		"https://a b/":                           "",
		"https://a/" + strings.Repeat("x", 3000): "",
	} {
		if got := Address(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestATextIsCutBetweenCharacters(t *testing.T) {
	for _, tc := range []struct {
		text string
		most int
		want string
	}{
		{"hello", 5, "hello"}, {"hello", 4, "hel…"}, {"hello", 1, "…"}, {"hello", 0, ""},
		{"电信线路异常", 6, "电信线路异常"}, {"电信线路异常", 4, "电信线…"},
		{"👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 2, "👨‍👩‍👧…"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"🇨🇳🇨🇳🇨🇳", 2, "🇨🇳…"},
	} {
		got, short := Cut(tc.text, tc.most)
		if got != tc.want || short != (got != tc.text) {
			t.Errorf("%q cut to %d is %q, %v, want %q", tc.text, tc.most, got, short, tc.want)
		}
	}
	if got, _ := CutBytes("电信线路", 10); got != "电信…" {
		t.Errorf("cut to 10 bytes it is %q", got)
	}
	// One character that is as long as a book.
	if got, short := CutBytes(strings.Repeat("ᄀ", 10000), 100); !short || len(got) > 100 || len(got) < 90 {
		t.Errorf("a long character becomes %d bytes, %v", len(got), short)
	}
}

func FuzzCut(f *testing.F) {
	f.Add("电信👨‍👩‍👧線路", 3)
	f.Fuzz(func(t *testing.T, text string, most int) {
		text = Lines(text)
		most %= 1000
		for _, got := range []func() (string, bool){func() (string, bool) { return Cut(text, most) }, func() (string, bool) { return CutBytes(text, most) }} {
			short, missing := got()
			if !utf8.ValidString(short) || utf8.RuneCountInString(short) > max(0, most)*maxCluster || missing == (short == text) && text != "" {
				t.Errorf("%q cut to %d is %q, %v", text, most, short, missing)
			}
		}
		if b, _ := CutBytes(text, most); len(b) > max(0, most) {
			t.Errorf("%q cut to %d bytes has %d", text, most, len(b))
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\u202e\x00\r\n\u200b")
	f.Fuzz(func(t *testing.T, text string) {
		for _, got := range []string{Line(text), Lines(text)} {
			if !utf8.ValidString(got) {
				t.Errorf("%q becomes %q, which is not UTF-8", text, got)
			}
			for _, r := range got {
				if unicode.Is(unicode.Cc, r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) && r != '\u200d' {
					t.Errorf("%q becomes %q, with %U", text, got, r)
				}
			}
			if Lines(got) != got {
				t.Errorf("%q becomes %q, and that %q", text, got, Lines(got))
			}
		}
		if strings.Contains(Line(text), "\n") {
			t.Errorf("%q becomes the lines %q", text, Line(text))
		}
	})
}

func TestASparklineShowsTheShape(t *testing.T) {
	for want, values := range map[string][]float64{
		"":         nil,
		"▄":        {3},
		"▁█":       {1, 2},
		"▁▂▃▄▅▆▇█": {0, 1, 2, 3, 4, 5, 6, 7},
		"▁·█·":     {0, math.NaN(), 9, math.Inf(1)},
		"█▁":       {math.MaxFloat64, -math.MaxFloat64},
	} {
		if got := Spark(values); got != want {
			t.Errorf("%v is %q, want %q", values, got, want)
		}
	}
	if got := Spark(make([]float64, 1000)); utf8.RuneCountInString(got) != maxSpark {
		t.Errorf("of 1000 values there are %d bars", utf8.RuneCountInString(got))
	}
	if got := Spark([]float64{math.NaN()}); got != "" {
		t.Errorf("of no number it is %q", got)
	}
}

// text is blocks as text.
func text(blocks []Block) string {
	var lines []string
	for _, b := range blocks {
		for _, p := range b {
			lines = append(lines, strings.TrimSpace(p.Name+" "+p.String()))
		}
	}
	return strings.Join(lines, "\n")
}

func TestAnAlertSaysAllThatIsKnown(t *testing.T) {
	value := 2.5
	n := &sdk.Notice{
		Kind: wire.Kind_KIND_FIRING, TimeZone: "Asia/Shanghai", Title: "t", Note: "lead", MayRepeat: true, Omitted: 3,
		Alerts: []*sdk.Alert{{
			Name: "site_slow", Severity: "critical", State: wire.Kind_KIND_FIRING, Labels: map[string]string{"team": "web"}, Tags: map[string]string{"isp": "ct", "team": "x"},
			Summary: "slow", Detail: "rm -rf /\nls", Link: "https://a/", FiredAt: stamp(0), LastSampleAt: stamp(3 * time.Minute), Value: &value,
			Recent: []float64{0.4, 2.5}, Bad: 3, Of: 5, Folded: 17, Reason: "threshold", SuppressionEnded: "silence 7F by 王",
		}, {Name: "gone", State: wire.Kind_KIND_RESOLVED, FiredAt: stamp(0), ResolvedAt: stamp(26*time.Hour + 5*time.Minute)}},
	}
	blocks, short := New(n).Fit(0, nil)
	want := `lead
FIRING critical slow
rm -rf /
ls
Labels Labels: alert=site_slow isp=ct team=web
Since Since: 2026-11-26 10:10:05 CST
Last sample Last sample: 2026-11-26 10:13:05 CST (+3 min)
Bad samples Bad samples: 3 / 5
Events Events: 17
Values Values: ▁█ 2.5
Reason Reason: threshold
Not told before Not told before: silence 7F by 王
Open: https://a/
RESOLVED gone
Since Since: 2026-11-26 10:10:05 CST
Over Over: 2026-11-27 12:15:05 CST (Lasted 1 d 2 h)
+ 3 more
An earlier attempt may have reached you already.`
	if got := text(blocks); got != want || short {
		t.Errorf("it says\n%s\nand should\n%s", got, want)
	}
	n.Language = "zh"
	blocks, _ = New(n).Fit(0, nil)
	for _, want := range []string{"告警 严重 slow", "开始: 2026-11-26 10:10:05 CST", "持续 1 天 2 小时", "+ 另有 3 条", "此前未通知: silence 7F by 王", "之前的一次发送可能已经送达。"} {
		if got := text(blocks); !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	for zone, want := range map[string]string{"America/New_York": "2026-11-25 21:10:05 EST", "Asia/Kathmandu": "2026-11-26 07:55:05 UTC+05:45", "no/zone": "2026-11-26 02:10:05 UTC", "": "2026-11-26 02:10:05 UTC"} {
		n.TimeZone = zone
		if got := New(n).Time(night); got != want {
			t.Errorf("in %q it is %q, want %q", zone, got, want)
		}
	}
}

// many is a notice of so many alerts.
func many(count int, detail string) *sdk.Notice {
	n := &sdk.Notice{Kind: wire.Kind_KIND_FIRING, Title: "many"}
	for range count {
		n.Alerts = append(n.Alerts, &sdk.Alert{Name: "a", Severity: "warning", State: wire.Kind_KIND_FIRING, Summary: "电信线路 is slow", Detail: detail})
	}
	return n
}

func TestWhatDoesNotFitIsLeftOutByWholeAlerts(t *testing.T) {
	size := func(b []Block) int { return len(text(b)) }
	for limit := 60; limit < 1500; limit += 7 {
		n := New(many(20, "some detail"))
		blocks, short := n.Fit(limit, size)
		if size(blocks) > limit {
			t.Fatalf("with %d there are %d bytes", limit, size(blocks))
		}
		shown := 0
		for _, b := range blocks {
			if b[0].Style == Heading {
				shown++
				if got := text([]Block{b}); limit > 150 && got != text([]Block{n.alert(n.Alerts[0])}) {
					t.Errorf("with %d an alert is cut: %q", limit, got)
				}
			}
		}
		if missing := 20 - shown; missing > 0 != short || missing > 0 && !strings.HasSuffix(text(blocks), "+ "+itoa(missing)+" more") {
			t.Errorf("with %d there are %d alerts, short %v, and it ends with %q", limit, shown, short, text(blocks)[max(0, len(text(blocks))-20):])
		}
	}
}

func itoa(n int) string { return strings.TrimSpace(strings.Split(time.Duration(n).String(), "ns")[0]) }

func TestASingleAlertThatIsTooLongIsShortenedBetweenCharacters(t *testing.T) {
	size := func(b []Block) int { return len(text(b)) }
	n := New(many(1, strings.Repeat("长命令 👨‍👩‍👧 ", 400)))
	whole := size([]Block{n.alert(n.Alerts[0])})
	for limit := 60; limit < whole; limit += 13 {
		blocks, short := n.Fit(limit, size)
		got := text(blocks)
		if !short || len(got) > limit || !utf8.ValidString(got) || strings.Contains(got, "\u200d…") || !strings.Contains(got, "…") {
			t.Fatalf("with %d it is %d bytes, %v: %q", limit, len(got), short, got)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("title", "summary", "detail", "text", uint8(3), uint16(300))
	f.Fuzz(func(t *testing.T, title, summary, detail, lead string, count uint8, limit uint16) {
		n := many(int(count%30), detail)
		n.Title, n.Note = title, lead
		for _, a := range n.Alerts {
			a.Summary = summary
		}
		size := func(b []Block) int { return len(text(b)) }
		blocks, short := New(n).Fit(int(limit)+1, size)
		if size(blocks) > int(limit)+1 {
			t.Errorf("there are %d bytes, and room for %d", size(blocks), int(limit)+1)
		}
		if all, _ := New(n).Fit(0, nil); short != (text(all) != text(blocks)) {
			t.Errorf("short is %v", short)
		}
	})
}

func TestWhatCanBeTakenHasItsNumber(t *testing.T) {
	for kind, want := range map[wire.Kind]bool{
		wire.Kind_KIND_FIRING: true, wire.Kind_KIND_REPEAT: true, wire.Kind_KIND_ESCALATION: true, wire.Kind_KIND_FLAPPING: true, wire.Kind_KIND_RESOLVED: false, wire.Kind_KIND_EVENT: false,
	} {
		n := New(&sdk.Notice{Kind: kind, Alerts: []*wire.Alert{{Incident: "i7x", Name: "down", Summary: "s", State: kind}}})
		blocks, _ := n.Fit(1<<20, func([]Block) int { return 0 })
		var text strings.Builder
		for _, b := range blocks {
			for _, p := range b {
				text.WriteString(p.String() + "\n")
			}
		}
		if got := strings.Contains(text.String(), "Incident: i7x"); got != want {
			t.Errorf("%s: the number is there: %v\n%s", kind, got, text.String())
		}
	}
}
