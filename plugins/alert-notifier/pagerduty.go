package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// What PagerDuty takes: characters of a summary and of a key, and less than its bytes of an event.
const (
	maxPagerSummary = 1024
	maxPagerKey     = 255
	maxPagerText    = 64 << 10
	// maxPagerTriggers are made of a notice; PagerDuty takes about a hundred a minute.
	maxPagerTriggers = 60
	// pagerAtOnce are under way together.
	pagerAtOnce = 4
)

type pagerdutyConfig struct {
	RoutingKey     string   `hcl:"routing_key,optional" sensitive:"true" doc:"Integration key of a service (Events API v2)."`
	RoutingKeyFile sdk.Path `hcl:"routing_key_file,optional" doc:"A file that holds the key instead."`
	URL            string   `hcl:"url" default:"https://events.pagerduty.com/v2/enqueue" doc:"Where events go; the European region has another."`
	Source         string   `hcl:"source_name" default:"vedette" doc:"What events are said to come from, where an alert has no label host or target."`
	webConfig
}

// pagerduty makes an event of each alert, so that each is resolved by itself.
type pagerduty struct {
	name   string
	web    *web
	key    *secret
	url    string
	origin string
}

func newPagerduty(c pagerdutyConfig, env sdk.Env) (*channel, error) {
	key, err := needed("routing_key", c.RoutingKey, c.RoutingKeyFile)
	if err != nil {
		return nil, err
	}
	if _, err := address(c.URL); err != nil {
		return nil, at("url", err)
	}
	w, err := newWeb(c.webConfig)
	if err != nil {
		return nil, err
	}
	return newChannel("pagerduty", &pagerduty{env.Channel, w, key, c.URL, c.Source}, env), nil
}

func (p *pagerduty) recipients() []string { return []string{p.name} }

// Check implements transport. An event would wake somebody, so the key is not tried.
func (p *pagerduty) Check(ctx context.Context) sdk.Delivery {
	if _, err := p.key.value(); err != nil {
		return sdk.Delivery{Recipient: p.name, Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	u, err := address(p.url)
	if err != nil {
		return sdk.Delivery{Recipient: p.name, Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	d := p.web.reach(ctx, u.Scheme+"://"+u.Host+"/", nil)
	d.Recipient = p.name
	return d
}

func (p *pagerduty) deliver(ctx context.Context, n *notice.Notice, _ []string, done func(sdk.Delivery)) map[string]string {
	key, err := p.key.value()
	if err != nil {
		done(sdk.Delivery{Recipient: p.name, Outcome: sdk.PermanentConfig, Message: err.Error()})
		return nil
	}
	// An event that was taken before is taken again for the same one, by its key: so all are sent until all are taken, and the
	// worst that became of one is what became of the notice.
	events, short := p.events(n)
	var whole sdk.Delivery
	sent := 0
	for chunk := range slices.Chunk(events, pagerAtOnce) {
		results := make(chan sdk.Delivery, len(chunk))
		for _, event := range chunk {
			event["routing_key"] = key
			go func() { results <- p.post(ctx, event, hide(key)) }()
		}
		for range chunk {
			d := <-results
			if sent += d.Bytes; whole.Outcome == 0 || worse(d.Outcome, whole.Outcome) {
				whole = d
			}
		}
		if whole.Outcome == sdk.PermanentConfig || ctx.Err() != nil {
			break
		}
	}
	whole.Recipient, whole.Bytes, whole.Truncated = p.name, sent, short
	done(whole)
	return nil
}

// severityOfOutcomes are outcomes, the worst last: what may be mended by sending again comes after what may not.
var severityOfOutcomes = map[sdk.Outcome]int{sdk.Delivered: 0, sdk.PermanentRecipient: 1, sdk.Temporary: 2, sdk.Unknown: 3, sdk.PermanentConfig: 4}

func worse(a, b sdk.Outcome) bool { return severityOfOutcomes[a] > severityOfOutcomes[b] }

// events are what a notice is to PagerDuty: an event for each alert, and one for what the daemon or we left out.
func (p *pagerduty) events(n *notice.Notice) (events []object, short bool) {
	triggers, omitted := 0, n.Omitted
	for _, a := range n.Alerts {
		if a.State != wire.Kind_KIND_RESOLVED {
			if triggers++; triggers > maxPagerTriggers {
				omitted++
				continue
			}
		}
		event := object{"event_action": "trigger", "dedup_key": pagerKey(a.Incident, n), "client": "Vedette"}
		if a.State == wire.Kind_KIND_RESOLVED {
			event["event_action"] = "resolve"
			events = append(events, event)
			continue
		}
		one := *n
		one.Alerts, one.Omitted, one.Title = []*notice.Alert{a}, 0, a.Summary
		if one.Title == "" || n.Kind == wire.Kind_KIND_TEST {
			one.Title = n.Title
		}
		summary, _ := notice.Cut(one.Subject(), maxPagerSummary)
		blocks, _ := one.Fit(maxPagerText, func(b []notice.Block) int { return len(encode(markup.Plain(b))) })
		origin, labels := p.origin, object{}
		for _, l := range a.Labels {
			labels[l.Name] = l.Value
			if l.Name == "host" || l.Name == "target" {
				origin = l.Value
			}
		}
		payload := object{"summary": summary, "source": origin, "severity": pagerSeverity(a.Severity), "custom_details": object{"text": markup.Plain(blocks), "labels": labels}}
		if !a.FiredAt.IsZero() {
			payload["timestamp"] = a.FiredAt.Format(time.RFC3339)
		}
		if a.Name != "" {
			payload["class"] = a.Name
		}
		event["payload"] = payload
		if a.Link != "" {
			event["links"] = []object{{"href": a.Link, "text": "Vedette"}}
		}
		events = append(events, event)
	}
	if omitted > 0 || len(events) == 0 {
		one := *n
		one.Alerts, one.Omitted = nil, omitted
		blocks, _ := one.Fit(maxPagerText, func(b []notice.Block) int { return len(encode(markup.Plain(b))) })
		summary, _ := notice.Cut(n.Subject(), maxPagerSummary)
		events = append(events, object{"event_action": "trigger", "dedup_key": pagerKey("", n), "client": "Vedette", "payload": object{
			"summary": summary, "source": p.origin, "severity": pagerSeverity(n.Severity()), "custom_details": object{"text": markup.Plain(blocks)}}})
	}
	return events, triggers > maxPagerTriggers
}

// pagerKey is what an event and its repeats have in common: the incident, or else the notice.
func pagerKey(incident string, n *notice.Notice) string {
	key := incident
	if key == "" {
		key = n.ID
	}
	if len(key) > maxPagerKey || key != notice.Line(key) {
		key = "sha256-" + hashOf(key)
	}
	return key
}

func pagerSeverity(s string) string {
	switch s = strings.ToLower(s); s {
	case "critical", "error", "warning", "info":
		return s
	}
	return "error"
}

// post sends an event. What is wrong with one is told with status 400, and so is a key that PagerDuty does not know.
func (p *pagerduty) post(ctx context.Context, event object, secrets hidden) sdk.Delivery {
	body := encode(event)
	a, failed := p.web.do(ctx, call{method: http.MethodPost, url: p.url, header: http.Header{"Content-Type": {jsonType}}, body: body, secrets: secrets})
	if failed != nil {
		return *failed
	}
	d, good := a.judge(secrets)
	var answer struct {
		Status   string   `json:"status"`
		Message  string   `json:"message"`
		DedupKey string   `json:"dedup_key"`
		Errors   []string `json:"errors"`
	}
	err := json.Unmarshal(a.body, &answer)
	words := secrets.in(strings.TrimSpace(answer.Message + " " + strings.Join(answer.Errors, "; ")))
	switch {
	case good && (err != nil || answer.Status == ""):
		d = noAnswer()
	case good && answer.Status != "success":
		d.Outcome, d.Code, d.Message = sdk.Temporary, answer.Status, words
	case good:
		d.ProviderID = answer.DedupKey
	case err == nil && words != "":
		d.Message = words
		if a.status == http.StatusBadRequest && strings.Contains(strings.ToLower(words), "routing") {
			d.Outcome = sdk.PermanentConfig
		}
	}
	d.Bytes = len(body)
	return d
}
