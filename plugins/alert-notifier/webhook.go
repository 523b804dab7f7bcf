package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// gatewayConfig is what channels have that make requests of whatever form.
type gatewayConfig struct {
	Method          string            `hcl:"method" default:"POST" one_of:"GET,POST,PUT,PATCH" doc:"Request method."`
	Headers         map[string]string `hcl:"headers,optional" sensitive:"true" doc:"Further headers."`
	ContentType     string            `hcl:"content_type" default:"application/json" doc:"What the body is. Values are escaped as it wants: JSON, a form (application/x-www-form-urlencoded), XML; in others they stand as they are."`
	Username        string            `hcl:"username,optional" doc:"User of basic authorization."`
	Password        string            `hcl:"password,optional" sensitive:"true" doc:"The user's password."`
	PasswordFile    sdk.Path          `hcl:"password_file,optional" doc:"A file that holds the password instead."`
	BearerToken     string            `hcl:"bearer_token,optional" sensitive:"true" doc:"A token that is sent as authorization."`
	BearerTokenFile sdk.Path          `hcl:"bearer_token_file,optional" doc:"A file that holds the token instead."`
	Secret          string            `hcl:"secret,optional" sensitive:"true" doc:"Key with which requests are signed: X-Vedette-Signature is t=SECONDS,v1=HEX, the HMAC with SHA-256 of SECONDS, a dot, and the body."`
	SecretFile      sdk.Path          `hcl:"secret_file,optional" doc:"A file that holds the key instead."`
	Answer          *answerConfig     `hcl:"answer,block" doc:"How an answer tells that the notice was taken; by default its status does."`
	webConfig
}

// gateway makes requests of a form that is configured.
type gateway struct {
	web                     *web
	method, contentType     string
	header                  http.Header
	username                string
	password, token, secret *secret
	judge                   *judge
}

func newGateway(c gatewayConfig) (*gateway, error) {
	g := &gateway{method: c.Method, contentType: c.ContentType, username: c.Username}
	var err error
	if g.header, err = headersOf(c.Headers); err != nil {
		return nil, err
	}
	if _, err := headersOf(map[string]string{"Content-Type": c.ContentType}); err != nil {
		return nil, at("content_type", errors.New("this can be no content type"))
	}
	if g.password, err = newSecret("password", c.Password, c.PasswordFile); err != nil {
		return nil, err
	}
	if g.token, err = newSecret("bearer_token", c.BearerToken, c.BearerTokenFile); err != nil {
		return nil, err
	}
	if g.secret, err = newSecret("secret", c.Secret, c.SecretFile); err != nil {
		return nil, err
	}
	if g.username != "" && g.token.isSet() {
		return nil, at("bearer_token", errors.New("username and bearer_token are both set; one is enough"))
	}
	if g.judge, err = newJudge(c.Answer); err != nil {
		return nil, err
	}
	g.web, err = newWeb(c.webConfig)
	return g, err
}

// send makes the request for a notice. id is what tells a repeat from a new one; further are secrets that may come back.
func (g *gateway) send(ctx context.Context, p *place, f *fields, body []byte, id string, further hidden) sdk.Delivery {
	config := func(err error) sdk.Delivery {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "config", Message: err.Error()}
	}
	u, err := p.fill(f)
	if err != nil {
		return config(err)
	}
	secrets := append(secretsOf(u), further...)
	header := g.header.Clone()
	if g.method != http.MethodGet {
		header.Set("Content-Type", g.contentType)
	}
	if g.username != "" {
		password, err := g.password.value()
		if err != nil {
			return config(err)
		}
		secrets = append(secrets, basic(g.username, password)...)
		r := http.Request{Header: header}
		r.SetBasicAuth(g.username, password)
	}
	if g.token.isSet() {
		token, err := g.token.value()
		if err != nil {
			return config(err)
		}
		secrets = append(secrets, hide(token)...)
		header.Set("Authorization", "Bearer "+token)
	}
	for _, values := range g.header {
		secrets = append(secrets, hide(values...)...)
	}
	header.Set("Idempotency-Key", id)
	header.Set("X-Vedette-Notice", id)
	if g.secret.isSet() {
		key, err := g.secret.value()
		if err != nil {
			return config(err)
		}
		header.Set("X-Vedette-Signature", sign(key, body, time.Now()))
		secrets = append(secrets, hide(key)...)
	}
	if _, err := headersOf(flat(header)); err != nil {
		return config(errors.New("a secret from a file can be no header"))
	}
	if g.method == http.MethodGet {
		body = nil
	}
	a, failed := g.web.do(ctx, call{method: g.method, url: u.String(), header: header, body: body, secrets: secrets, accepts: g.judge.accepts()})
	if failed != nil {
		return *failed
	}
	d := g.judge.of(a, secrets)
	d.Bytes = len(body)
	return d
}

func flat(h http.Header) map[string]string {
	m := map[string]string{}
	for name := range h {
		m[name] = h.Get(name)
	}
	return m
}

// sign is the signature of a body at a time.
func sign(key string, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// headerID is an id as a header may have it.
func headerID(id string) string {
	if id != "" && len(id) <= 200 && isToken(id) {
		return id
	}
	return "sha256-" + hashOf(id)
}

// isToken reports whether a text consists of letters, digits and - _ . alone.
func isToken(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return text != ""
}

type webhookConfig struct {
	URL      string   `hcl:"url,optional" sensitive:"true" doc:"Address that requests go to. Placeholders may stand in its path and in its query."`
	URLFile  sdk.Path `hcl:"url_file,optional" doc:"A file that holds the address instead; without placeholders."`
	Body     string   `hcl:"body,optional" sensitive:"true" doc:"The body, with placeholders in its texts; by default the whole notice as JSON."`
	MaxBytes sdk.Size `hcl:"max_bytes" default:"1MiB" min:"1KiB" doc:"The longest body. Of a longer one alerts are left out from the end."`
	gatewayConfig
}

type webhook struct {
	*gateway
	name  string
	place *place
	url   *secret
	form  *form
	limit int
}

func newWebhook(c webhookConfig, env sdk.Env) (*channel, error) {
	g, err := newGateway(c.gatewayConfig)
	if err != nil {
		return nil, err
	}
	w := &webhook{gateway: g, name: env.Channel, limit: int(c.MaxBytes)}
	if w.url, err = needed("url", c.URL, c.URLFile); err != nil {
		return nil, err
	}
	if c.URL != "" {
		if w.place, err = parsePlace(c.URL); err != nil {
			return nil, at("url", err)
		}
	}
	if c.Body != "" {
		if w.form, err = parseForm(c.ContentType, c.Body); err != nil {
			return nil, at("body", err)
		}
	}
	return newChannel("webhook", w, env), nil
}

func (w *webhook) recipients() []string { return []string{w.name} }

// target is where requests go now.
func (w *webhook) target() (*place, error) {
	if w.place != nil {
		return w.place, nil
	}
	text, err := w.url.value()
	if err != nil {
		return nil, err
	}
	u, err := address(text)
	return &place{fixed: u, base: u}, err
}

// Check implements transport.
func (w *webhook) Check(ctx context.Context) sdk.Delivery {
	p, err := w.target()
	if err != nil {
		return sdk.Delivery{Recipient: w.name, Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	d := w.web.reach(ctx, p.base.Scheme+"://"+p.base.Host+"/", secretsOf(p.base))
	d.Recipient = w.name
	return d
}

func (w *webhook) deliver(ctx context.Context, n *notice.Notice, _ []string, done func(sdk.Delivery)) map[string]string {
	d := w.post(ctx, n)
	d.Recipient = w.name
	done(d)
	return nil
}

func (w *webhook) post(ctx context.Context, n *notice.Notice) sdk.Delivery {
	p, err := w.target()
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "config", Message: err.Error()}
	}
	now := time.Now()
	blocks, short := n.Fit(w.limit/4, func(b []notice.Block) int { return len(markup.Plain(b)) })
	f := fieldsOf(n, markup.Plain(blocks), w.name, now)
	var body []byte
	if w.form != nil {
		if body, err = w.form.fill(f); err != nil {
			return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "template", Message: err.Error()}
		}
	} else {
		for count := len(n.Alerts); ; count /= 2 {
			if body = encode(document(n, f, count)); len(body) <= w.limit || count == 0 {
				short = short || count < len(n.Alerts)
				break
			}
		}
	}
	d := w.send(ctx, p, f, body, headerID(n.ID), w.form.secrets())
	d.Truncated = short
	return d
}

// document is a notice as JSON, with so many of its alerts.
func document(n *notice.Notice, f *fields, count int) object {
	alerts := []object{}
	for _, a := range n.Alerts[:count] {
		labels := map[string]string{}
		for _, l := range a.Labels {
			labels[l.Name] = l.Value
		}
		o := object{
			"incident": a.Incident, "name": a.Name, "severity": a.Severity, "state": kindName(a.State), "labels": labels, "summary": a.Summary,
			"detail": a.Detail, "link": a.Link, "bad": a.Bad, "of": a.Of, "folded": a.Folded, "reason": a.Reason, "suppression_ended": a.Unsuppressed,
		}
		for name, t := range map[string]time.Time{"fired_at": a.FiredAt, "resolved_at": a.ResolvedAt, "last_sample_at": a.LastSeen} {
			if !t.IsZero() {
				o[name] = t.In(n.Zone).Format(time.RFC3339Nano)
			}
		}
		if a.Value != nil && isFinite(*a.Value) {
			o["value"] = *a.Value
		}
		if len(a.Recent) > 0 {
			recent := make([]*float64, len(a.Recent))
			for i := range a.Recent {
				if isFinite(a.Recent[i]) {
					recent[i] = &a.Recent[i]
				}
			}
			o["recent"] = recent
		}
		alerts = append(alerts, o)
	}
	return object{
		"version": 1, "id": f.ID, "thread": f.Thread, "kind": f.Kind, "subject": f.Subject, "title": f.Title, "text": n.Text, "severity": f.Severity,
		"attempt": n.Attempt, "step": n.Step, "late": n.Late, "may_repeat": n.MayRepeat, "omitted": n.Omitted + len(n.Alerts) - count,
		"time_zone": n.Zone.String(), "language": notice.Line(n.Language), "alerts": alerts,
	}
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
