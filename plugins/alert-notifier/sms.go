package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

type smsConfig struct {
	To      []string `hcl:"to" min:"1" doc:"Numbers that are told."`
	URL     string   `hcl:"url,optional" sensitive:"true" doc:"Address of the gateway. Placeholders may stand in its path and in its query."`
	URLFile sdk.Path `hcl:"url_file,optional" doc:"A file that holds the address instead, with its placeholders."`
	Body    string   `hcl:"body,optional" sensitive:"true" doc:"The body, with placeholders in its texts, such as {\"to\": \"{{.To}}\", \"text\": \"{{.Text}}\"}, which is the default of JSON."`
	Length  int      `hcl:"max_length" default:"300" min:"20" max:"2000" doc:"How many characters a text has at the most. 70 make one message, 67 each of several."`
	gatewayConfig
}

type sms struct {
	*gateway
	to     []string
	url    *secret
	form   *form
	length int
}

func newSMS(c smsConfig, env sdk.Env) (*channel, error) {
	g, err := newGateway(c.gatewayConfig)
	if err != nil {
		return nil, err
	}
	s := &sms{gateway: g, to: c.To, length: c.Length}
	if len(c.To) == 0 {
		return nil, at("to", errNone)
	}
	for _, to := range c.To {
		if !mobile.MatchString(to) {
			return nil, at("to", errors.New("these are numbers of telephones"))
		}
	}
	if s.url, err = needed("url", c.URL, c.URLFile); err != nil {
		return nil, err
	}
	if c.URL != "" {
		if _, err = parsePlace(c.URL); err != nil {
			return nil, at("url", err)
		}
	}
	body := c.Body
	if body == "" && c.Method != http.MethodGet {
		if !strings.Contains(c.ContentType, "json") {
			return nil, at("body", errors.New("say what the body is"))
		}
		body = `{"to": "{{.To}}", "text": "{{.Text}}"}`
	}
	if body != "" {
		if s.form, err = parseForm(c.ContentType, body); err != nil {
			return nil, at("body", err)
		}
	}
	if c.Method == http.MethodGet && c.URL != "" && !strings.Contains(c.URL, "{{") {
		return nil, at("url", errors.New("a GET says who is told what in its address, as in ?to={{.To}}&text={{.Text}}"))
	}
	return newChannel("sms", s, env), nil
}

func (s *sms) recipients() []string { return s.to }

func (s *sms) target() (*place, error) {
	text, err := s.url.value()
	if err != nil {
		return nil, err
	}
	return parsePlace(text)
}

// Check implements transport.
func (s *sms) Check(ctx context.Context) sdk.Delivery {
	p, err := s.target()
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	return s.web.reach(ctx, p.base.Scheme+"://"+p.base.Host+"/", secretsOf(p.base))
}

func (s *sms) deliver(ctx context.Context, n *notice.Notice, to []string, done func(sdk.Delivery)) map[string]string {
	text := func(blocks []notice.Block) string {
		return strings.TrimSuffix(n.Subject()+"\n"+markup.Short(n.Title, blocks), "\n")
	}
	blocks, short := n.Fit(s.length, func(b []notice.Block) int { return utf8.RuneCountInString(text(b)) })
	whole, cut := notice.Cut(text(blocks), s.length)
	for _, number := range to {
		d := s.one(ctx, n, whole, number)
		d.Recipient, d.Truncated = number, short || cut
		done(d)
	}
	return nil
}

func (s *sms) one(ctx context.Context, n *notice.Notice, text, to string) sdk.Delivery {
	p, err := s.target()
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "config", Message: err.Error()}
	}
	f := fieldsOf(n, text, to, time.Now())
	var body []byte
	if s.form != nil {
		if body, err = s.form.fill(f); err != nil {
			return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "template", Message: err.Error()}
		}
	}
	return s.send(ctx, p, f, body, headerID(n.ID)+"-"+hashOf(to), s.form.secrets())
}
