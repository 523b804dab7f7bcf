package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup/markuptest"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestAWebhookHasTheWholeNotice(t *testing.T) {
	p := provide(t, says(204, ""))
	n := firing()
	n.Late, n.MayRepeat, n.Omitted, n.Step, n.Attempt, n.Note = true, true, 2, 1, 3, "two\nlines"
	nan := []float64{1, nan(), 3}
	n.Alerts[0].Recent = nan
	n.Alerts[0].ResolvedAt = stamp(time.Hour)
	c := open(t, "webhook", object{"url": p.URL + "/hook", "secret": "abc"})
	if d := c.one(t, n); d.Outcome != sdk.Delivered || d.Code != "204" || d.Recipient != "webhook.test" {
		t.Errorf("it is %+v", d)
	}
	got := p.last(t)
	const want = `{"alerts":[{"bad":3,"detail":"curl https://shop.example.com/","fired_at":"2026-11-26T10:10:05+08:00","folded":0,"incident":"INC1",` +
		`"labels":{"isp":"ct","target":"shop","team":"web"},"last_sample_at":"2026-11-26T10:13:05+08:00","link":"https://chronograf.example.com/d?site=shop","name":"site_slow","of":3,` +
		`"reason":"","recent":[1,null,3],"resolved_at":"2026-11-26T11:10:05+08:00","severity":"critical","state":"firing","summary":"shop answers slowly over ct","suppression_ended":"","value":2.5}],` +
		`"attempt":3,"id":"n-1","kind":"firing","language":"en","late":true,"may_repeat":true,"omitted":2,"severity":"critical","step":1,"subject":"[FIRING:3, LATE] shop is slow",` +
		`"text":"two\nlines","thread":"t-1","time_zone":"Asia/Shanghai","title":"shop is slow","version":1}`
	if string(got.body) != want {
		t.Errorf("the body is\n%s\nand should be\n%s", got.body, want)
	}
	stamp, mac, _ := strings.Cut(got.header.Get("X-Vedette-Signature"), ",v1=")
	seconds, err := strconv.ParseInt(strings.TrimPrefix(stamp, "t="), 10, 64)
	if err != nil || len(mac) != 64 || sign("abc", got.body, time.Unix(seconds, 0)) != got.header.Get("X-Vedette-Signature") {
		t.Errorf("the signature is %q", got.header.Get("X-Vedette-Signature"))
	}
	// Computed with: printf '1700000000.{}' | openssl dgst -sha256 -hmac abc
	if got := sign("abc", []byte("{}"), time.Unix(1700000000, 0)); got != "t=1700000000,v1=dbc67ae9960503f659ed1b92a98629f8bca5b204512928da601353adba5b1f2e" {
		t.Errorf("the signature of a known body is %q", got)
	}
	for name, want := range map[string]string{"Idempotency-Key": "n-1", "X-Vedette-Notice": "n-1", "Content-Type": "application/json"} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q", name, got.header.Get(name))
		}
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}

func TestAWebhookThatIsTooLongHasFewerAlerts(t *testing.T) {
	p := provide(t, says(200, ""))
	n := firing()
	for len(n.Alerts) < 100 {
		n.Alerts = append(n.Alerts, n.Alerts[0])
	}
	d := open(t, "webhook", object{"url": p.URL, "max_bytes": 20000}).one(t, n)
	body := p.last(t)
	alerts, _ := body.json(t)["alerts"].([]any)
	if omitted, _ := body.json(t)["omitted"].(float64); !d.Truncated || len(body.body) > 20000 || len(alerts) == 0 || len(alerts)+int(omitted) != 100 {
		t.Errorf("it is %+v, with %d alerts in %d bytes", d, len(alerts), len(body.body))
	}
}

func TestABodyOfOnesOwnCanNotBeChangedByWhatItIsFilledWith(t *testing.T) {
	const template = `{"msg": "{{.Subject}} / {{.Labels.host}}", "n": 3, "list": ["{{.Detail}}", {"deep": "{{.Link}}", "count": "{{.Count}}"}], "none": "{{.Labels.nothing}}", "yes": true}`
	for _, text := range markuptest.Corpus {
		n := firing()
		n.Title = text
		n.Alerts[0].Detail, n.Alerts[0].Labels["host"] = text, text
		clean := notice.New(n)
		want := map[string]string{"subject": clean.Subject(), "host": clean.Alerts[0].Labels[0].Value, "detail": clean.Alerts[0].Detail}
		if clean.Alerts[0].Labels[0].Name != "host" {
			want["host"] = ""
		}

		p := provide(t, says(200, ""))
		if d := open(t, "webhook", object{"url": p.URL, "body": template, "method": "PUT"}).one(t, n); d.Outcome != sdk.Delivered {
			t.Fatalf("%.30q: it is %+v", text, d)
		}
		got := p.last(t).json(t)
		if textAt(got, "msg") != want["subject"]+" / "+want["host"] || textAt(got, "list", 0) != want["detail"] || textAt(got, "list", 1, "deep") != n.Alerts[0].Link ||
			textAt(got, "list", 1, "count") != "1" || got["n"] != float64(3) || got["yes"] != true || got["none"] != "" || len(got) != 5 || p.last(t).method != "PUT" {
			t.Errorf("%.30q: the body is %.500s", text, p.last(t).body)
		}

		p = provide(t, says(200, ""))
		open(t, "webhook", object{"url": p.URL, "body": "a={{.Detail}}&b=fixed%20value&{{.Labels.host}}=c", "content_type": "application/x-www-form-urlencoded"}).one(t, n)
		form, err := url.ParseQuery(string(p.last(t).body))
		if err != nil || form.Get("a") != want["detail"] || form.Get("b") != "fixed value" || form.Get(want["host"]) != "c" || len(form) != 3 {
			t.Errorf("%.30q: the form is %.300s, %v", text, p.last(t).body, err)
		}

		p = provide(t, says(200, ""))
		open(t, "webhook", object{"url": p.URL, "body": "<m><t a=\"{{.Labels.host}}\">{{.Detail}}</t></m>", "content_type": "text/xml"}).one(t, n)
		var m struct {
			T struct {
				A    string `xml:"a,attr"`
				Text string `xml:",chardata"`
			} `xml:"t"`
		}
		if err := xml.Unmarshal(p.last(t).body, &m); err != nil || m.T.Text != want["detail"] || m.T.A != want["host"] {
			t.Errorf("%.30q: the XML is %.300s, %v", text, p.last(t).body, err)
		}

		p = provide(t, says(200, ""))
		n.Alerts[0].Name = text
		name := notice.New(n).Alerts[0].Name
		open(t, "webhook", object{"url": p.URL + "/x/{{.Alert}}/y?fixed=a%20b&alert={{.Alert}}"}).one(t, n)
		got2 := p.last(t)
		query, err := url.ParseQuery(got2.query)
		segments := strings.Split(got2.path, "/")
		if err != nil || query.Get("alert") != name || query.Get("fixed") != "a b" || len(query) != 2 || len(segments) != 4 {
			t.Errorf("%.30q: the address is %.200s?%.300s, %v", text, got2.path, got2.query, err)
		} else if segment, err := url.PathUnescape(segments[2]); err != nil || segment != name {
			t.Errorf("%.30q: the segment is %.200q, %v", text, segment, err)
		}
	}
}

func FuzzForm(f *testing.F) {
	for _, text := range markuptest.Corpus {
		if len(text) < 100 {
			f.Add(text)
		}
	}
	form, err := parseForm("application/json", `{"a": "{{.Title}}", "b": ["{{printf \"%.5s\" .Title}}"]}`)
	if err != nil {
		f.Fatal(err)
	}
	at, err := parsePlace("http://gateway.example.com/{{.Title}}/x?q={{.Title}}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fields := sample()
		fields.Title = notice.Line(text)
		body, err := form.fill(fields)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			A string
			B []string
		}
		if err := json.Unmarshal(body, &got); err != nil || got.A != fields.Title || len(got.B) != 1 {
			t.Errorf("of %q comes %s, %v", text, body, err)
		}
		u, err := at.fill(fields)
		if err != nil || u.Host != "gateway.example.com" || strings.Count(u.EscapedPath(), "/") != 2 || u.Query().Get("q") != got.A {
			t.Errorf("of %q comes %v, %v", text, u, err)
		}
	})
}

// The forms of gateways of short messages that are in use.
func TestAnyProviderOfShortMessagesFits(t *testing.T) {
	for what, tc := range map[string]struct {
		config object
		answer string
		check  func(a asked) bool
	}{
		"JSON": {
			object{"body": `{"mobile": "{{.To}}", "content": "【监控】{{.Text}}", "apikey": "` + key + `"}`, "answer": object{"path": "$.code", "good": []string{"0"}, "id": "$.sid"}},
			`{"code": 0, "sid": 3310228982}`,
			func(a asked) bool {
				var b struct{ Mobile, Content, Apikey string }
				return json.Unmarshal(a.body, &b) == nil && b.Mobile == "13800000000" && strings.HasPrefix(b.Content, "【监控】[告警] 网站变慢\n") && b.Apikey == key
			},
		},
		"form": {
			object{"content_type": "application/x-www-form-urlencoded; charset=utf-8", "body": "Body={{.Text}}&To=%2B86{{.To}}&From=%2B15005550006", "username": "AC1", "password": key},
			`{"sid": "SM1"}`,
			func(a asked) bool {
				q, err := url.ParseQuery(string(a.body))
				r := http.Request{Header: a.header}
				user, password, ok := r.BasicAuth()
				return err == nil && strings.HasPrefix(q.Get("Body"), "[告警]") && q.Get("From") == "+15005550006" && ok && user == "AC1" && password == key
			},
		},
		"GET": {
			object{"method": "GET", "url": "/sms/send?account=a&pswd=" + key + "&mobile={{.To}}&msg={{.Text}}", "answer": object{"contains": "success"}},
			"20261126,0\nsuccess",
			func(a asked) bool {
				q, err := url.ParseQuery(a.query)
				return err == nil && a.method == "GET" && len(a.body) == 0 && q.Get("mobile") == "13800000000" && strings.HasPrefix(q.Get("msg"), "[告警] 网站变慢\n")
			},
		},
		"XML": {
			object{"content_type": "text/xml", "body": "<sms><to>{{.To}}</to><text>{{.Text}}</text></sms>", "headers": object{"X-Key": key}},
			"<ok/>",
			func(a asked) bool {
				var b struct {
					To   string `xml:"to"`
					Text string `xml:"text"`
				}
				return xml.Unmarshal(a.body, &b) == nil && b.To == "13800000000" && strings.HasPrefix(b.Text, "[告警]") && a.header.Get("X-Key") == key
			},
		},
		"default": {object{}, "", func(a asked) bool {
			var b struct{ To, Text string }
			return json.Unmarshal(a.body, &b) == nil && b.To == "13800000000" && strings.HasPrefix(b.Text, "[告警]")
		}},
	} {
		p := provide(t, says(200, tc.answer))
		config := object{"to": []string{"13800000000"}, "url": "/send"}
		for name, value := range tc.config {
			config[name] = value
		}
		config["url"] = p.URL + config["url"].(string)
		n := firing()
		n.Title, n.Language = "网站变慢", "zh"
		c := open(t, "sms", config)
		d := c.one(t, n)
		if d.Outcome != sdk.Delivered || d.Recipient != "13800000000" || what == "JSON" && d.ProviderID != "3310228982" {
			t.Errorf("%s: it is %+v", what, d)
		}
		if a := p.last(t); !tc.check(a) || a.header.Get("Idempotency-Key") != "n-1-"+hashOf("13800000000") {
			t.Errorf("%s: it was asked %s %s?%s %s %v", what, a.method, a.path, a.query, a.body, a.header)
		}
		c.tellsNothing(t, d)
	}
}

func TestAKeyWithinABodyThatComesBackIsNotTold(t *testing.T) {
	for contentType, body := range map[string]string{
		"application/json": `{"account": {"keys": ["` + key + `"]}, "text": "{{.Text}}"}`, "application/x-www-form-urlencoded": "apikey=" + key + "&text={{.Text}}",
	} {
		p := provide(t, func(w http.ResponseWriter, r *http.Request) {
			says(403, "wrong key: "+key)(w, r)
		})
		c := open(t, "sms", object{"to": []string{"13800000000"}, "url": p.URL, "content_type": contentType, "body": body})
		d := c.one(t, firing())
		if d.Outcome != sdk.PermanentConfig || !strings.Contains(d.Message, "wrong key: …") {
			t.Errorf("it is %+v", d)
		}
		c.tellsNothing(t, d)
	}
}

func TestAnAddressInAFileMayHavePlaceholders(t *testing.T) {
	p := provide(t, says(200, ""))
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(p.URL+"/send?key="+key+"&to={{.To}}&text={{.Text}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, "sms", object{"to": []string{"13800000000"}, "method": "GET", "url_file": file}).one(t, firing())
	if q, err := url.ParseQuery(p.last(t).query); err != nil || d.Outcome != sdk.Delivered || q.Get("to") != "13800000000" || q.Get("key") != key {
		t.Errorf("it is %+v, with %v", d, q)
	}
}

func TestAShortMessageIsShort(t *testing.T) {
	p := provide(t, says(200, ""))
	for kind, want := range map[wire.Kind]string{
		wire.Kind_KIND_FIRING: "[FIRING] shop is slow\nFIRING critical: shop answers slowly over ct", wire.Kind_KIND_TEST: "[TEST] shop is slow\nTEST critical: shop answers slowly over ct",
	} {
		n := firing()
		n.Kind, n.Alerts[0].State = kind, wire.Kind_KIND_UNSPECIFIED
		open(t, "sms", object{"to": []string{"13800000000"}, "url": p.URL}).one(t, n)
		if got := textAt(p.last(t).json(t), "text"); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	n := firing()
	n.Title = n.Alerts[0].Summary
	open(t, "sms", object{"to": []string{"13800000000"}, "url": p.URL}).one(t, n)
	if got := textAt(p.last(t).json(t), "text"); got != "[FIRING] shop answers slowly over ct" {
		t.Errorf("it says twice what its title says: %q", got)
	}
	d := open(t, "sms", object{"to": []string{"13800000000"}, "url": p.URL, "max_length": 20}).one(t, n)
	if got := textAt(p.last(t).json(t), "text"); got != "[FIRING] shop answe…" || !d.Truncated {
		t.Errorf("cut to 20 it says %q, %+v", got, d)
	}
}

func TestAnAnswerIsJudgedAsItIsConfigured(t *testing.T) {
	for _, tc := range []struct {
		answer object
		status int
		body   string
		want   sdk.Outcome
	}{
		{object{}, 200, "anything", sdk.Delivered}, {object{}, 204, "", sdk.Delivered}, {object{}, 500, "", sdk.Temporary},
		{object{"status": []int{202}}, 202, "", sdk.Delivered}, {object{"status": []int{202}}, 200, "", sdk.Temporary}, {object{"status": []int{409}}, 409, "", sdk.Delivered},
		{object{"contains": "OK"}, 200, "OK: 1", sdk.Delivered}, {object{"contains": "OK"}, 200, "ERROR", sdk.Temporary},
		{object{"path": "$.result.code", "good": []string{"0", "1"}}, 200, `{"result":{"code":1}}`, sdk.Delivered},
		{object{"path": "$.ok", "good": []string{"true"}}, 200, `{"ok":true}`, sdk.Delivered}, {object{"path": "$.ok", "good": []string{"true"}}, 200, `{"ok":false}`, sdk.Temporary},
		{object{"path": "$.list[0].code", "good": []string{"0"}}, 200, `{"list":[{"code":"0"}]}`, sdk.Delivered},
		{object{"path": "$.code", "good": []string{"0"}}, 200, `{"code":{}}`, sdk.Unknown}, {object{"path": "$.code", "good": []string{"0"}}, 200, `null`, sdk.Unknown},
		{object{"path": "$.code", "good": []string{"0"}}, 500, `{"code":"0"}`, sdk.Temporary},
		{object{"path": "$.code", "good": []string{"0"}, "contains": "sure"}, 200, `{"code":"0"}`, sdk.Temporary},
	} {
		p := provide(t, says(tc.status, tc.body))
		if d := open(t, "webhook", object{"url": p.URL, "answer": tc.answer}).one(t, firing()); d.Outcome != tc.want {
			t.Errorf("%v: %d %s is %+v, want %v", tc.answer, tc.status, tc.body, d, tc.want)
		}
	}
}

func TestAChannelOverHTTPThatCanNotWorkIsRefused(t *testing.T) {
	for _, tc := range []struct {
		typ    string
		config object
		path   string
	}{
		{"webhook", object{}, "url"}, {"webhook", object{"url": "ftp://a/"}, "url"}, {"webhook", object{"url": "http://a/", "url_file": "/b"}, "url"},
		{"webhook", object{"url": "http://{{.Title}}.example.com/"}, "url"}, {"webhook", object{"url": "http://a/{{.Nothing}}"}, "url"}, {"webhook", object{"url": "http://a/?x={{"}, "url"},
		{"webhook", object{"url": "http://a/", "body": "{"}, "body"}, {"webhook", object{"url": "http://a/", "body": "{} {}"}, "body"}, {"webhook", object{"url": "http://a/", "body": `{"a": "{{.Nothing}}"}`}, "body"},
		{"webhook", object{"url": "http://a/", "body": `{"a": {"b": ["{{range $i := .Subject}}"]}}`}, "body"},
		{"webhook", object{"url": "http://a/", "headers": object{"a b": "c"}}, "headers.a b"}, {"webhook", object{"url": "http://a/", "headers": object{"a": "c\r\nd: e"}}, "headers.a"},
		{"webhook", object{"url": "http://a/", "content_type": "a\r\nb"}, "content_type"}, {"webhook", object{"url": "http://a/", "ca_file": "/no/such"}, "ca_file"},
		{"webhook", object{"url": "http://a/", "proxy": "proxy:3128"}, "proxy"}, {"webhook", object{"url": "http://a/", "username": "x", "bearer_token": "y"}, "bearer_token"},
		{"webhook", object{"url": "http://a/", "answer": object{"path": "$.["}}, "answer.path"}, {"webhook", object{"url": "http://a/", "answer": object{"path": "$.a"}}, "answer.good"},
		{"webhook", object{"url": "http://a/", "answer": object{"good": []string{"a"}}}, "answer.path"},
		{"sms", object{"url": "http://a/", "to": []string{}}, "to"}, {"sms", object{"url": "http://a/", "to": []string{"boss"}}, "to"}, {"sms", object{"to": []string{"13800000000"}}, "url"},
		{"sms", object{"url": "http://a/", "to": []string{"13800000000"}, "method": "GET"}, "url"}, {"sms", object{"url": "http://a/", "to": []string{"13800000000"}, "content_type": "text/plain"}, "body"},
		{"dingtalk", object{}, "url"}, {"dingtalk", object{"url": "http://a/", "secret": "a", "secret_file": "b"}, "secret"},
		{"slack", object{"token": "x"}, "channels"}, {"slack", object{"url": "http://a/", "channels": []string{"c"}}, "channels"}, {"slack", object{"url": "http://a/", "token": "x"}, "token"},
		{"telegram", object{"chats": []string{"1"}}, "token"}, {"telegram", object{"token": "1:a", "chats": []string{}}, "chats"}, {"telegram", object{"token": "1:a", "chats": []string{"a b"}}, "chats"},
		{"pagerduty", object{}, "routing_key"}, {"pagerduty", object{"routing_key": "x", "url": "a"}, "url"},
		{"alertmanager", object{"urls": []string{}}, "urls"}, {"alertmanager", object{"urls": []string{"a:9093"}}, "urls"},
		{"syslog", object{"address": "a"}, "address"}, {"syslog", object{"address": "a:514", "ca_file": "/x"}, "protocol"}, {"syslog", object{"address": "a:514", "protocol": "tls", "cert_file": "/x"}, "cert_file"},
	} {
		_, err := tryOpen(tc.typ, tc.config)
		if err == nil || !strings.HasPrefix(placed(err).Error(), tc.path+": ") {
			t.Errorf("%s %v: it is %v, want a problem at %s", tc.typ, tc.config, fmt.Sprint(err), tc.path)
		}
	}
}
