package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/bed"
)

// told is something that a provider has taken.
type told struct {
	at          time.Time
	title, text string
}

// scripted is a server that stands for a provider. It refuses what the provider would.
type scripted struct {
	*httptest.Server
	mu     sync.Mutex
	taken  []told
	faults []string
}

// provide starts a provider. take judges a request, and says what was told or what is wrong with it; answer is what the provider says then.
func provide(t *testing.T, take func(r *http.Request, body []byte) (told, error), answer func(error) string) *scripted {
	t.Helper()
	p := &scripted{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead || r.Method == http.MethodGet {
			return // somebody looks whether it is there
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		var one told
		if err == nil {
			one, err = take(r, body)
		}
		one.at = time.Now()
		p.mu.Lock()
		if err != nil {
			p.faults = append(p.faults, err.Error())
		} else {
			p.taken = append(p.taken, one)
		}
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer(err)) // under HTTP 200, as they do
	}))
	t.Cleanup(func() {
		p.Close()
		for _, fault := range p.faults {
			t.Errorf("a provider has refused a request: %s", fault)
		}
	})
	return p
}

func (p *scripted) told() []told {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]told(nil), p.taken...)
}

// The secrets of the providers.
const (
	robotToken   = "robot0token0secret"
	robotSecret  = "SECrobot0signing0secret"
	gatewayToken = "gateway0bearer0secret"
	mailPassword = "mail0password0secret"
)

// dingtalk is a robot of a group chat, with a signature, as DingTalk documents it.
func dingtalk(t *testing.T) *scripted {
	t.Helper()
	return provide(t, func(r *http.Request, body []byte) (one told, err error) {
		q := r.URL.Query()
		stamp := q.Get("timestamp")
		mac := hmac.New(sha256.New, []byte(robotSecret))
		mac.Write([]byte(stamp + "\n" + robotSecret))
		ms, _ := strconv.ParseInt(stamp, 10, 64)
		var m struct {
			MsgType  string `json:"msgtype"`
			Markdown struct{ Title, Text string }
		}
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/robot/send" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
			err = fmt.Errorf("%s %s of %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		case q.Get("access_token") != robotToken:
			err = fmt.Errorf("the token is %q", q.Get("access_token"))
		case math.Abs(time.Since(time.UnixMilli(ms)).Hours()) > 1 || q.Get("sign") != base64.StdEncoding.EncodeToString(mac.Sum(nil)):
			err = fmt.Errorf("the signature is %q at %q", q.Get("sign"), stamp)
		case len(body) > 20000:
			err = fmt.Errorf("the message has %d bytes", len(body))
		default:
			err = json.Unmarshal(body, &m)
		}
		if err == nil && (m.MsgType != "markdown" || m.Markdown.Title == "" || m.Markdown.Text == "") {
			err = fmt.Errorf("the message is %s", body)
		}
		return told{title: m.Markdown.Title, text: m.Markdown.Text}, err
	}, func(err error) string {
		if err != nil {
			return `{"errcode":310000,"errmsg":"sign not match"}`
		}
		return `{"errcode":0,"errmsg":"ok"}`
	})
}

// smsGateway sends text messages, as providers of them do.
func smsGateway(t *testing.T) *scripted {
	t.Helper()
	return provide(t, func(r *http.Request, body []byte) (one told, err error) {
		var m struct{ To, Text string }
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/send":
			err = fmt.Errorf("%s %s", r.Method, r.URL.Path)
		case r.Header.Get("Authorization") != "Bearer "+gatewayToken:
			err = fmt.Errorf("the authorization is %q", r.Header.Get("Authorization"))
		case r.Header.Get("Idempotency-Key") == "":
			err = fmt.Errorf("a repetition could not be told")
		default:
			err = json.Unmarshal(body, &m)
		}
		if n := utf8.RuneCountInString(m.Text); err == nil && (m.To != "13800000000" || n == 0 || n > 300) {
			err = fmt.Errorf("the message is %s", body)
		}
		return told{title: m.To, text: m.Text}, err
	}, func(err error) string {
		if err != nil {
			return `{"code":"BAD_REQUEST"}`
		}
		return `{"code":"OK","id":"1"}`
	})
}

// channels are all through which a story is told: a real mail server, and a robot and a gateway that are scripted.
type channels struct {
	t              *testing.T
	mail           *bed.Exim
	robot, gateway *scripted
}

func newChannels(t *testing.T) *channels {
	t.Helper()
	return &channels{t, bed.StartExim(t, mailPassword), dingtalk(t), smsGateway(t)}
}

// configure gives the channels to a site, and returns their blocks: notifier.email.ops, notifier.dingtalk.web and notifier.sms.duty.
func (c *channels) configure(s *site) string {
	c.t.Helper()
	s.secrets = append(s.secrets, robotToken, robotSecret, url.QueryEscape(robotSecret), gatewayToken, mailPassword)
	for name, text := range map[string]string{
		"mail-password": mailPassword, "robot-url": c.robot.URL + "/robot/send?access_token=" + robotToken + "\n", "robot-secret": robotSecret + "\n",
		"gateway-token": gatewayToken,
	} {
		writeFile(c.t, s.path(name), []byte(text))
	}
	return fmt.Sprintf(`
plugin "alert-notifier" {
  env = { GORACE = "atexit_sleep_ms=0" }
}
notifier "email" "ops" {
  smtp          = %[1]q
  ca_file       = %[2]q
  username      = "alert"
  password_file = "mail-password"
  from          = "监控 <alert@example.com>"
  to            = ["王小明 <ops@example.com>"]
}
notifier "dingtalk" "web" {
  url_file    = "robot-url"
  secret_file = "robot-secret"
}
notifier "sms" "duty" {
  url               = "%[3]s/send"
  bearer_token_file = "gateway-token"
  to                = ["13800000000"]
  limit             = "60/1m"
  answer {
    path = "$.code"
    good = ["OK"]
  }
}
`, c.mail.Address, c.mail.CA, c.gateway.URL)
}

// mails are what the mailbox has.
func (c *channels) mails() []told {
	c.t.Helper()
	var all []told
	for _, raw := range c.mail.Mails(c.t, "ops") {
		m, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			c.t.Fatal(err)
		}
		var one told
		if one.title, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
			c.t.Error(err)
		}
		_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if err != nil {
			c.t.Fatal(err)
		}
		part, err := multipart.NewReader(m.Body, params["boundary"]).NextPart()
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
		if err != nil {
			c.t.Fatal(err)
		}
		one.text = strings.ReplaceAll(string(text), "\r\n", "\n")
		all = append(all, one)
	}
	return all
}
