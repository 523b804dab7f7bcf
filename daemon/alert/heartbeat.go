package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// A heartbeat goes the way of every alert: a point, which a rule judges, makes an event, which goes through the outbox to a channel.
// That channel is the daemon's own and calls the server outside. So what the server does not hear of is anything on that way that has
// stopped. Nothing keeps it quiet, and it waits for nothing; a beat that could not be told is worth nothing later.
const (
	beatMeasurement = policy.HeartbeatPoints
	beatPrefix      = policy.HeartbeatPrefix
)

func beatChannel(name string) string { return beatPrefix + name }

// heartbeat declares the point of a heartbeat.
var heartbeat = wire.Measurement{
	Name:   beatMeasurement,
	Doc:    "The beginning of a heartbeat: an alert judges it, and the server outside is called at the end of its way.",
	Tags:   []wire.TagSchema{{Name: "heartbeat", Doc: "name of the heartbeat block"}},
	Fields: []wire.FieldSchema{{Name: "beat", Type: wire.TypeInt, Doc: "1"}},
}

// heartbeats makes the alerts of a policy's heartbeats: one for each, on the same points.
func heartbeats(p *policy.Policy) ([]*policy.Alert, error) {
	layout := expression.NewLayout(heartbeat)
	var alerts []*policy.Alert
	for _, h := range p.Heartbeats {
		parse := func(text string) hcl.Expression {
			// The text is of this file.
			expr, _ := hclsyntax.ParseExpression([]byte(text), "heartbeat", hcl.InitialPos)
			return expr
		}
		r, diags := rule.Compile(layout, rule.Spec{
			Name: beatChannel(h.Name), Event: true, By: []rule.Name{{Text: "heartbeat"}}, Severity: rule.Name{Text: "info"},
			Where: parse(fmt.Sprintf("heartbeat == %q", h.Name)), When: parse("beat == 1"),
		})
		if diags.HasErrors() {
			return nil, fmt.Errorf("making the rule of the heartbeat %s: %w", h.Name, diags)
		}
		alerts = append(alerts, &policy.Alert{Name: beatChannel(h.Name), Rule: r, From: beatMeasurement, Layout: layout, Notify: []string{beatChannel(h.Name)}, Own: true})
	}
	return alerts, nil
}

// beat emits the points of heartbeats that are due.
func (e *Engine) beat(now time.Time) {
	for _, h := range e.policy.Heartbeats {
		if now.Sub(e.beats[h.Name]) < h.Every {
			continue
		}
		e.beats[h.Name] = now
		e.opts.Emit([][]byte{e.encode(sdk.NewPoint(beatMeasurement).Tag("heartbeat", h.Name).Int("beat", 1).At(now))}, func() {})
	}
}

// beatClient follows no redirect to elsewhere: the address is a secret.
var beatClient = &http.Client{
	CheckRedirect: func(next *http.Request, before []*http.Request) error {
		if next.URL.Host != before[0].URL.Host || len(before) > 3 {
			return http.ErrUseLastResponse
		}
		return nil
	},
}

// deliverBeat calls the server of a heartbeat, if the notifiers answer through which people are told.
func (e *Engine) deliverBeat(ctx context.Context, name string, within time.Duration) outbox.Result {
	var h *policy.Heartbeat
	if err := e.do(ctx, func(time.Time) {
		if i := slices.IndexFunc(e.policy.Heartbeats, func(h *policy.Heartbeat) bool { return h.Name == name }); i >= 0 {
			h = e.policy.Heartbeats[i]
		}
	}); err != nil || h == nil {
		return outbox.Result{Err: errors.New("the heartbeat is gone"), Reached: true}
	}
	for _, channel := range h.Via {
		d, err := e.opts.Notifier(e.plugin(channel)).Check(ctx, &wire.CheckRequest{Channel: channel})
		if err != nil {
			return outbox.Result{Err: fmt.Errorf("%s does not answer: %w", channel, plain(err, within))}
		}
		if d.Outcome != wire.Outcome_OUTCOME_DELIVERED {
			return outbox.Result{Err: fmt.Errorf("%s does not answer: %s %s", channel, d.Code, d.Message)}
		}
	}
	return outbox.Result{Deliveries: []*wire.Delivery{call(ctx, h.URL)}, Reached: true}
}

// noteBeat logs when a heartbeat begins or ceases to fail.
func (e *Engine) noteBeat(name, failure string) {
	switch failed := e.faint[name]; {
	case failure != "" && !failed:
		e.log.Warn("a heartbeat could not be sent; the next one is tried as ever", "heartbeat", name, "error", failure)
	case failure == "" && failed:
		e.log.Info("heartbeats are sent again", "heartbeat", name)
	}
	e.faint[name] = failure != ""
}

// call calls the server, and says what has become of it without its address.
func call(ctx context.Context, address string) *wire.Delivery {
	failed := func(format string, args ...any) *wire.Delivery {
		return &wire.Delivery{Outcome: wire.Outcome_OUTCOME_TEMPORARY, Message: fmt.Sprintf(format, args...)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return failed("the address can not be called")
	}
	resp, err := beatClient.Do(req)
	if err != nil {
		// What wraps the reason says the address.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return failed("calling the server: %s", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return failed("the server answered %s", resp.Status)
	}
	return &wire.Delivery{Outcome: wire.Outcome_OUTCOME_DELIVERED}
}
