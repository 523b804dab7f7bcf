package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/bed"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// exim is a real mail server.
type exim struct{ *bed.Exim }

const mailPassword = key

func startExim(t *testing.T) exim { return exim{bed.StartExim(t, mailPassword)} }

// config is a channel that logs in over STARTTLS.
func (e exim) config(to ...string) object {
	return object{"smtp": e.Address, "tls": "starttls", "ca_file": e.CA, "username": "alert", "password": mailPassword, "from": "监控 <alert@example.com>", "to": to}
}

func TestAMailArrivesAsItWasMeant(t *testing.T) {
	e := startExim(t)
	const subject = "电信线路：shop.example.com 的首页在过去十五分钟里连续三次响应超过两秒 👨‍👩‍👧 ⚠️ (bj-ct-1)"
	if len(subject) < 76 {
		t.Fatal("this subject fits a line")
	}
	n := firing()
	n.Title, n.Note, n.Language = subject, "第一行\n. 以点开头的行\n最后一行", "zh"
	n.Alerts[0].Detail = "curl -H 'Host: x' https://shop.example.com/ <b>&amp; \"x\"\n.\n.."
	for what, change := range map[string]object{
		"starttls": {}, "implicit": {"smtp": e.TLSAddress, "tls": "implicit"}, "login": {"auth": "login"}, "cram-md5": {"auth": "cram-md5"},
		"plain": {"auth": "plain"}, "implicit and login": {"smtp": e.TLSAddress, "tls": "implicit", "auth": "login"},
	} {
		config := e.config("王小明 <ops@example.com>")
		for name, value := range change {
			config[name] = value
		}
		c := open(t, "email", config)
		if d := c.Check(within(t, patience)); d.Outcome != sdk.Delivered {
			t.Errorf("%s: the check is %+v", what, d)
		}
		d := c.one(t, n)
		if d.Outcome != sdk.Delivered || d.Recipient != "ops@example.com" || !strings.Contains(d.ProviderID, "id=") {
			t.Errorf("%s: it is %+v", what, d)
		}
		c.tellsNothing(t, d)
	}
	for _, text := range e.Mailbox(t, "ops", 6) {
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		decoder := &mime.WordDecoder{}
		got, err := decoder.DecodeHeader(m.Header.Get("Subject"))
		if want := "[告警] " + subject; err != nil || got != want {
			t.Errorf("the subject is %q, %v, want %q", got, err, want)
		}
		head, _, _ := strings.Cut(text, "\n\n")
		for line := range strings.Lines(head) {
			if len(line) > 200 {
				t.Errorf("a line of the head has %d bytes", len(line))
			}
		}
		for word := range strings.FieldsSeq(m.Header.Get("Subject")) {
			if !strings.HasPrefix(strings.ToLower(word), "=?utf-8?b?") || len(word) > 75 {
				t.Errorf("a word of the subject is %q", word)
			}
		}
		for field, want := range map[string]mail.Address{"From": {Name: "监控", Address: "alert@example.com"}, "To": {Name: "王小明", Address: "ops@example.com"}} {
			list, err := m.Header.AddressList(field)
			if err != nil || len(list) != 1 || *list[0] != want {
				t.Errorf("%s is %v, %v", field, list, err)
			}
		}
		for field, want := range map[string]string{"Message-ID": "<vedette.n-1@example.com>", "Auto-Submitted": "auto-generated", "X-Vedette-Notice": "n-1", "Importance": "high"} {
			if got := m.Header.Get(field); got != want {
				t.Errorf("%s is %q, want %q", field, got, want)
			}
		}
		parts := partsOf(t, m)
		plain := strings.ReplaceAll(parts["text/plain"], "\r\n", "\n")
		for _, want := range []string{n.Note, "* 告警 严重: shop answers slowly over ct", "    curl -H 'Host: x' https://shop.example.com/ <b>&amp; \"x\"\n    .\n    ..", "开始: 2026-11-26 10:10:05 CST", "最近值: ▁▁███ 2.5"} {
			if !strings.Contains(plain, want) {
				t.Errorf("the text has no %q:\n%s", want, plain)
			}
		}
		page := textOf(t, parts["text/html"])
		for _, want := range []string{subject, "以点开头的行", "<b>&amp; \"x\"\n.\n..", "https://chronograf.example.com/d?site=shop"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page has no %q:\n%s", want, page)
			}
		}
	}
}

// partsOf are the parts of a mail by their types, decoded.
func partsOf(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		typ, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || !strings.EqualFold(params["charset"], "utf-8") {
			t.Errorf("a part is %s, %v, %v", typ, params, err)
		}
		content, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil {
			t.Fatal(err)
		}
		parts[typ] = string(content)
	}
}

// textOf is what a page says, and where its links lead.
func textOf(t *testing.T, page string) string {
	t.Helper()
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(strings.ReplaceAll(page, "\r\n", "\n")))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.Write(z.Text())
		case html.StartTagToken:
			for _, a := range z.Token().Attr {
				if a.Key == "href" {
					b.WriteString(a.Val)
				}
			}
		}
	}
}

func TestEximsAnswersHaveTheirOutcomes(t *testing.T) {
	e := startExim(t)
	// A mailbox whose quota is used up.
	full := filepath.Join(e.Dir, "spool", "mail", "full")
	for _, sub := range []string{"", "new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(full, sub), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(full, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(full, "cur", "old"), make([]byte, 100<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	config := e.config("ops@example.com", "full@example.com", "nobody@example.com", "ann@example.com")
	config["username"], config["password"] = "", ""
	config["to"] = append(config["to"].([]string), "who@elsewhere.example.net")
	report := open(t, "email", config).Notify(within(t, patience), firing())
	var got []string
	for _, d := range report.Deliveries {
		got = append(got, fmt.Sprintf("%s %s %.3s", d.Recipient, outcomeName(d.Outcome), d.Code))
	}
	want := "ops@example.com delivered 250, full@example.com temporary 452, nobody@example.com permanent_recipient 550, ann@example.com delivered 250, who@elsewhere.example.net permanent_recipient 550"
	if strings.Join(got, ", ") != want {
		t.Errorf("the deliveries are\n%s\nand should be\n%s\n%+v", strings.Join(got, ", "), want, report.Deliveries)
	}
	e.Mailbox(t, "ops", 1)
	e.Mailbox(t, "ann", 1)

	wrong := e.config("ops@example.com")
	wrong["password"] = "wrong" + key
	if d := open(t, "email", wrong).one(t, firing()); d.Outcome != sdk.PermanentConfig || !strings.HasPrefix(d.Code, "535") {
		t.Errorf("with a wrong password it is %+v", d)
	}
	for what, change := range map[string]object{
		"not trusted":              {"ca_file": e.Other},
		"another name":             {"server_name": "smtp.example.com"},
		"not trusted, implicit":    {"ca_file": e.Other, "smtp": e.TLSAddress, "tls": "implicit"},
		"implicit at another port": {"tls": "implicit"},
	} {
		config := e.config("ops@example.com")
		for name, value := range change {
			config[name] = value
		}
		if d := open(t, "email", config).one(t, firing()); d.Outcome != sdk.PermanentConfig || d.Code != "certificate" {
			t.Errorf("%s: it is %+v", what, d)
		}
	}
	config = e.config("ops@example.com")
	config["server_name"] = "mail.example.com"
	if d := open(t, "email", config).one(t, firing()); d.Outcome != sdk.Delivered {
		t.Errorf("with the certificate's other name it is %+v", d)
	}
	// Exim lets nobody log in in clear.
	config = e.config("ops@example.com")
	delete(config, "ca_file")
	config["tls"] = "none"
	if d := open(t, "email", config).one(t, firing()); d.Outcome != sdk.PermanentConfig {
		t.Errorf("in clear it is %+v", d)
	}
	large := firing()
	large.Alerts = nil
	for i := range 400 {
		large.Alerts = append(large.Alerts, &sdk.Alert{Name: fmt.Sprintf("alert %d", i), State: wire.Kind_KIND_FIRING, Summary: strings.Repeat("长", 160), Detail: strings.Repeat("x", 500)})
	}
	// Exim says how much it takes.
	if d := open(t, "email", e.config("ops@example.com")).one(t, large); d.Outcome != sdk.Delivered || d.Bytes > 200<<10 || d.Bytes < 50<<10 || !d.Truncated {
		t.Errorf("one that is too large is %+v", d)
	}
	e.Mailbox(t, "ops", 3)
}

func TestAGreylistedMailArrivesOnceWhenItComesAgain(t *testing.T) {
	e := startExim(t)
	c := open(t, "email", e.config("grey@example.com"))
	first := c.one(t, firing())
	if first.Outcome != sdk.Temporary || first.Code != "451 4.7.1" {
		t.Errorf("the first attempt is %+v", first)
	}
	again := firing()
	again.Attempt, again.Recipients = 2, []string{"grey@example.com"}
	if d := c.one(t, again); d.Outcome != sdk.Delivered {
		t.Errorf("the second attempt is %+v", d)
	}
	if m := e.Mailbox(t, "grey", 1)[0]; !strings.Contains(m, "Message-ID: <vedette.n-1@example.com>") {
		t.Errorf("what arrived is\n%s", m)
	}
}
