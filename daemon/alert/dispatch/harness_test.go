package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/label"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/store"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// noon is when every test begins, a Tuesday.
var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// desk is a dispatcher whose notices are delivered at once, or not at all, and a clock that is turned by hand.
type desk struct {
	t      testing.TB
	now    time.Time
	policy *policy.Policy
	*Dispatcher
	box *outbox.Outbox
	// heard is when each instance was heard of last, and bad the time of that sample if it was bad.
	heard, bad map[string]time.Time
	unfed      string
	// broken channels deliver nothing.
	broken map[string]bool
	// told is what was delivered, as "12:01 mail firing site_down/shop".
	told []string
}

var labels = []string{"team", "target", "host", "notifier"}

func match(t testing.TB, text string) *label.Match {
	t.Helper()
	if text == "" {
		return nil
	}
	m, diags := label.Parse(text, labels)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return m
}

// alert is one with a single condition, or with two levels.
func alert(t testing.TB, name string, levels ...string) *policy.Alert {
	t.Helper()
	m := wire.Measurement{Name: "m", Tags: []wire.TagSchema{{Name: "target"}, {Name: "host"}}, Fields: []wire.FieldSchema{{Name: "x", Type: "float"}}}
	layout := expression.NewLayout(m)
	when, diags := hclsyntax.ParseExpression([]byte("x > 1"), "a.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	spec := rule.Spec{Name: name, By: []rule.Name{{Text: "target"}}}
	for _, l := range levels {
		spec.Levels = append(spec.Levels, rule.LevelSpec{Severity: rule.Name{Text: l}, When: when})
	}
	if len(levels) == 0 {
		spec.When, spec.Severity = when, rule.Name{Text: "critical"}
	}
	r, diags := rule.Compile(layout, spec)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return &policy.Alert{Name: name, Rule: r, From: "m", Layout: layout}
}

func receiver(steps ...policy.Step) *policy.Receiver {
	return &policy.Receiver{Name: "r", Steps: steps}
}

// simple is one alert that is told to mail at once, and to sms, which wakes people, after 15 minutes.
func simple(t testing.TB) *policy.Policy {
	return &policy.Policy{
		Labels: labels, Alerts: []*policy.Alert{alert(t, "site_down")},
		Route: &policy.Route{Place: "route", To: receiver(policy.Step{To: []string{"mail"}}, policy.Step{After: 15 * time.Minute, To: []string{"sms"}}), GroupBy: []string{"alert", "target"}, Wait: 10 * time.Second, Interval: time.Minute, Repeat: policy.Repeat{Every: []time.Duration{4 * time.Hour}}},
	}
}

func newDesk(t testing.TB, p *policy.Policy) *desk {
	d := &desk{t: t, now: noon, policy: p, heard: map[string]time.Time{}, bad: map[string]time.Time{}, broken: map[string]bool{}}
	d.restart(new(store.Contents))
	return d
}

// restart makes dispatcher and outbox anew of what was kept.
func (d *desk) restart(c *store.Contents) {
	log := new(store.Batch)
	d.box = outbox.New(log, c.Notices, c.Dead, c.Channels)
	d.box.Configure(outbox.Options{FallbackAfter: 5 * time.Minute, Expire: 24 * time.Hour}, []outbox.Channel{{Name: "mail", Fallback: "pager"}, {Name: "sms"}, {Name: "pager"}, {Name: "am"}})
	world := World{
		Look: func(_, key string, _ time.Time) (rule.Status, bool) {
			heard, known := d.heard[key]
			return rule.Status{Heard: heard, BadAt: d.bad[key], Stale: d.now.Sub(heard) > 3*time.Minute}, known
		},
		Unfed: func(string) string { return d.unfed },
	}
	d.Dispatcher = New(world, log, d.box, c.Incidents, c.Silences)
	d.configure(d.policy)
	d.Release()
}

func (d *desk) configure(p *policy.Policy) {
	d.policy = p
	d.Configure(p, map[string]Channel{"mail": {}, "sms": {Pages: true}, "pager": {}, "am": {Syncs: true}})
}

// change says that an instance's rule has decided something.
func (d *desk) change(name, key string, from, to rule.State, reason rule.Reason, change func(*rule.Transition)) {
	d.t.Helper()
	i := slices.IndexFunc(d.policy.Alerts, func(a *policy.Alert) bool { return a.Name == name })
	t := rule.Transition{Rule: d.policy.Alerts[i].Rule, Values: []string{key}, Key: key, From: from, To: to, Reason: reason, At: d.now, Fired: d.now, Value: 2, Count: 1}
	if change != nil {
		change(&t)
	}
	d.sample(key)
	d.Observe(&t, d.now)
	d.work()
}

func (d *desk) fire(name, key string)    { d.change(name, key, rule.OK, rule.Firing, rule.Bad, nil) }
func (d *desk) resolve(name, key string) { d.change(name, key, rule.Firing, rule.OK, rule.Good, nil) }

// sample says that an instance was heard of, and is what it was.
func (d *desk) sample(key string) { d.heard[key], d.bad[key] = d.now, d.now }

// work plans, and delivers what is in the outbox.
func (d *desk) work() {
	d.Plan(d.now)
	d.Settle(d.box.Tick(d.now), d.now)
	for _, channel := range []string{"mail", "pager", "sms"} {
		for {
			n, _ := d.box.Next(channel, d.now)
			if n == nil {
				break
			}
			outcome := wire.Outcome_OUTCOME_DELIVERED
			if d.broken[channel] {
				outcome = wire.Outcome_OUTCOME_TEMPORARY
			} else {
				d.tellOf(n)
			}
			d.Settle(d.box.Settle(n, outbox.Result{Deliveries: []*wire.Delivery{{Outcome: outcome, Message: "no route"}}, Reached: true}, d.now), d.now)
		}
	}
	d.Plan(d.now)
	d.Flush()
}

func (d *desk) tellOf(n *incident.Notice) {
	for _, item := range n.Items {
		word := incident.KindWord(item.Kind)
		if item.Late {
			word = "late " + word
		}
		line := fmt.Sprintf("%s %s %s %s", d.now.Format("15:04"), n.Channel, word, item.Incident.Alert)
		if item.Incident.Key != "shop" {
			line += "/" + item.Incident.Key
		}
		if item.Ended != "" {
			line += " (" + item.Ended + " ended)"
		}
		if n.Also > 0 {
			line += fmt.Sprintf(" (also %d)", n.Also)
		}
		d.told = append(d.told, line)
	}
}

// until lets the time pass in steps of ten seconds, with a sample of each key a minute.
func (d *desk) until(at string, keys ...string) {
	d.t.Helper()
	clock, err := time.Parse("15:04", at)
	if err != nil {
		d.t.Fatal(err)
	}
	end := time.Date(d.now.Year(), d.now.Month(), d.now.Day(), clock.Hour(), clock.Minute(), 0, 0, time.UTC)
	if end.Before(d.now) {
		end = end.AddDate(0, 0, 1)
	}
	for d.now.Before(end) {
		d.now = d.now.Add(10 * time.Second)
		if d.now.Second() == 0 {
			for _, key := range keys {
				d.sample(key)
			}
		}
		d.work()
	}
}

func (d *desk) want(story string) {
	d.t.Helper()
	var want []string
	for line := range strings.Lines(story) {
		if line = strings.TrimSpace(line); line != "" {
			want = append(want, line)
		}
	}
	if !slices.Equal(d.told, want) {
		d.t.Errorf("told:\n\t%s\nwant:\n\t%s", strings.Join(d.told, "\n\t"), strings.Join(want, "\n\t"))
		for _, i := range append(d.sorted(), d.closed...) {
			for _, e := range i.Log {
				d.t.Logf("%s %s %s", i.ID, e.At.Format("15:04:05"), e.Text)
			}
		}
	}
}

// daily is a window at a time of every day, in UTC.
func daily(start, duration time.Duration) []*calendar.Window {
	return []*calendar.Window{{Zone: time.UTC, Start: start, Duration: duration}}
}
