// Package trial tries alerts on a clock of its own: tests of rules that operators write, and what rules would have made of the
// history that InfluxDB has.
//
// It is the same machinery that the daemon runs: points are judged by rule, incidents and notices are decided by dispatch and outbox.
// Only the clock is turned by hand, and what would be sent is noted. So what a test shows is what people would have been told.
package trial

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/store"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// tickInterval is how often the clock is looked at, as the daemon does.
const tickInterval = time.Second

// Trial is an alert that is tried, with all of its incidents.
type Trial struct {
	alert    *policy.Alert
	machine  *rule.Machine
	set      *rule.Set
	dispatch *dispatch.Dispatcher
	box      *outbox.Outbox
	log      *store.Batch
	channels []string
	// begin is when the trial began, now the time, and ticked when the clock was looked at last.
	begin, now, ticked time.Time
	out                []rule.Transition
	story              []string
	told               []told
	// fired counts what has become an incident, and events the events of each instance.
	fired  int
	events map[string]int
}

// told is something that a channel was told.
type told struct {
	channel string
	at      time.Time
}

// New begins a trial of an alert of a policy.
func New(p *policy.Policy, notifiers []config.Notifier, a *policy.Alert, begin time.Time) *Trial {
	t := &Trial{alert: a, begin: begin, now: begin, ticked: begin, log: new(store.Batch), events: map[string]int{}}
	t.machine = rule.NewMachine(a.Rule, begin)
	t.set = rule.NewSet(a.Layout, t.machine)
	t.box = outbox.New(t.log, nil, nil, nil)
	t.dispatch = dispatch.New(dispatch.World{
		Look:  func(_, key string, now time.Time) (rule.Status, bool) { return t.machine.Look(key, now) },
		Unfed: func(string) string { return "" },
	}, t.log, t.box, nil, nil)
	known := map[string]dispatch.Channel{}
	var queues []outbox.Channel
	for i := range notifiers {
		n := &notifiers[i]
		known[n.FullName()] = dispatch.Channel{Pages: n.Pages, Syncs: n.Syncs}
		queues = append(queues, outbox.Channel{Name: n.FullName(), Limit: n.Limit.Count, Per: n.Limit.Per, Fallback: n.Fallback})
		t.channels = append(t.channels, n.FullName())
	}
	t.box.Configure(outbox.Options{FallbackAfter: p.Settings.FallbackAfter, Expire: p.Settings.Expire}, queues)
	t.dispatch.Configure(p, known)
	t.dispatch.Release()
	return t
}

// Observe lets the time pass until a point comes, and has it judged.
func (t *Trial) Observe(p *point.Point, at time.Time) {
	t.advance(at.Add(-1))
	t.now = at
	t.out = t.set.Observe(t.out[:0], p, at)
	t.take()
	t.work()
}

// Advance lets the time pass.
func (t *Trial) Advance(to time.Time) {
	t.advance(to)
	t.now = to
}

// advance looks at the clock each second up to a time.
func (t *Trial) advance(to time.Time) {
	for next := t.ticked.Add(tickInterval); !next.After(to); next = next.Add(tickInterval) {
		t.now, t.ticked = next, next
		t.out = t.set.Tick(t.out[:0], next)
		t.take()
		t.work()
	}
}

// take takes what the rule has decided.
func (t *Trial) take() {
	for i := range t.out {
		tn := &t.out[i]
		switch {
		case tn.Reason == rule.Happened, tn.Reason == rule.More:
			t.events[tn.Key] += tn.Count
			t.fired++
		case tn.From != rule.Firing && tn.To == rule.Firing:
			t.fired++
		}
		t.story = append(t.story, t.tell(tn))
		t.dispatch.Observe(tn, t.now)
	}
}

// work has everybody told who is to be told now.
func (t *Trial) work() {
	t.dispatch.Plan(t.now)
	t.dispatch.Settle(t.box.Tick(t.now), t.now)
	for _, channel := range t.channels {
		for n, _ := t.box.Next(channel, t.now); n != nil; n, _ = t.box.Next(channel, t.now) {
			t.told = append(t.told, told{channel, t.now})
			t.story = append(t.story, fmt.Sprintf("%s  %s is told: %s", t.clock(t.now), channel, incident.KindWord(n.Kind)))
			delivered := outbox.Result{Deliveries: []*wire.Delivery{{Outcome: wire.Outcome_OUTCOME_DELIVERED}}, Reached: true}
			t.dispatch.Settle(t.box.Settle(n, delivered, t.now), t.now)
		}
	}
	t.dispatch.Flush()
	t.dispatch.Records()
	*t.log = store.Batch{}
}

// clock is the time since the beginning.
func (t *Trial) clock(at time.Time) string { return span(at.Sub(t.begin)) }

func span(d time.Duration) string { return dispatch.Span(d.Round(time.Millisecond)) }

// tell writes what has become of an instance in one line.
func (t *Trial) tell(tn *rule.Transition) string {
	line := t.clock(t.now) + "  "
	switch {
	case tn.From != tn.To:
		line += fmt.Sprintf("%s → %s (%s)", tn.From, tn.To, tn.Reason)
	case tn.Reason == rule.Worse:
		line += "worse"
	default:
		line += tn.Reason.String()
	}
	if tn.To == rule.Firing || tn.Reason == rule.Happened || tn.Reason == rule.More {
		line += ", " + t.alert.Rule.Severity(tn.Level)
	}
	if !math.IsNaN(tn.Value) {
		line += ", value " + strconv.FormatFloat(tn.Value, 'g', 6, 64)
	}
	if tn.Of > 0 && !t.alert.Rule.OnSilence() {
		line += fmt.Sprintf(", %d of %d bad", tn.Bad, tn.Of)
	}
	if tn.Count > 1 {
		line += fmt.Sprintf(", %d times", tn.Count)
	}
	if of := labels(t.alert.Rule.By, tn.Values); of != "" {
		line += "  " + of
	}
	return line
}

// labels writes the values of tags, with their names.
func labels(names, values []string) string {
	var parts []string
	for i, name := range names {
		if i < len(values) {
			parts = append(parts, name+"="+printable(values[i]))
		}
	}
	return strings.Join(parts, " ")
}

// printable quotes a text that is not a plain word. Texts of points are hostile.
func printable(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == '"' }) {
		return strconv.Quote(text)
	}
	return text
}

// latest is the last incident of an instance, or nil.
func (t *Trial) latest(key string) *incident.Incident {
	open, closed := t.dispatch.Incidents()
	var found *incident.Incident
	for _, i := range slices.Concat(open, closed) {
		if i.Alert == t.alert.Name && i.Key == key && (found == nil || i.Fired.After(found.Fired)) {
			found = i
		}
	}
	return found
}
