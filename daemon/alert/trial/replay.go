package trial

import (
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// replayInterval is how often the clock is looked at in a replay: a week has too many seconds.
const replayInterval = 10 * time.Second

// Replay is what alerts on the points of one measurement would have made of the past.
type Replay struct {
	set      *rule.Set
	machines []*rule.Machine
	updates  bool
	ticked   time.Time
	out      []rule.Transition
	open     map[string]*Episode
	episodes []*Episode
	// Points is how many there were.
	Points int
}

// Episode is an instance of an alert from when it fires until it resolves, or its events within a fold.
type Episode struct {
	Alert    string
	Severity string
	// Labels are the tags in by with their values.
	Labels string
	From   time.Time
	// To is zero for one that fires at the end.
	To time.Time
	// Events is how many there were, of an alert on events.
	Events int
}

// NewReplay begins a replay of the alerts of these names, which judge the same points.
func NewReplay(p *policy.Policy, names []string, begin time.Time) *Replay {
	r := &Replay{ticked: begin, open: map[string]*Episode{}}
	var layout *expression.Layout
	for _, a := range p.Alerts {
		if slices.Contains(names, a.Name) {
			layout = a.Layout
			r.machines = append(r.machines, rule.NewMachine(a.Rule, begin))
			r.updates = r.updates || a.Rule.Updates()
		}
	}
	r.set = rule.NewSet(layout, r.machines...)
	return r
}

// Observe takes the next point. In InfluxDB a point and those that have completed it are one row, so alerts on either see it.
func (r *Replay) Observe(p *point.Point) {
	at := time.Unix(0, p.Time)
	r.Points++
	r.advance(at.Add(-1))
	r.take(r.set.Observe(r.out[:0], p, at))
	if r.updates {
		p.Update = true
		r.take(r.set.Observe(r.out[:0], p, at))
	}
}

func (r *Replay) advance(to time.Time) {
	for next := r.ticked.Add(replayInterval); !next.After(to); next = next.Add(replayInterval) {
		r.ticked = next
		r.take(r.set.Tick(r.out[:0], next))
	}
}

func (r *Replay) take(out []rule.Transition) {
	r.out = out
	for i := range out {
		t := &out[i]
		key := t.Rule.Name + "\x00" + t.Key
		e := r.open[key]
		switch {
		case t.Reason == rule.Happened || t.Reason == rule.More && e == nil:
			r.begin(key, t).Events = t.Count
		case t.Reason == rule.More:
			e.Events += t.Count
		case t.From != rule.Firing && t.To == rule.Firing:
			r.begin(key, t)
		case t.Reason == rule.Worse && e != nil:
			e.Severity = t.Rule.Severity(t.Level)
		case t.From == rule.Firing && t.To != rule.Firing && e != nil:
			e.To = t.At
			delete(r.open, key)
		}
	}
}

func (r *Replay) begin(key string, t *rule.Transition) *Episode {
	e := &Episode{Alert: t.Rule.Name, Severity: t.Rule.Severity(max(t.Level, 0)), Labels: labels(t.Rule.By, t.Values), From: t.At}
	r.open[key] = e
	r.episodes = append(r.episodes, e)
	return e
}

// End lets the time pass until the end, and returns what would have fired, in the order of time. unknown is how many samples of each
// alert had no verdict.
func (r *Replay) End(at time.Time) (episodes []*Episode, unknown map[string]uint64) {
	r.advance(at)
	unknown = map[string]uint64{}
	for _, m := range r.machines {
		if s := m.Stats(); s.Unknown+s.WhereUnknown > 0 {
			unknown[m.Rule().Name] = s.Unknown + s.WhereUnknown
		}
	}
	slices.SortStableFunc(r.episodes, func(a, b *Episode) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return strings.Compare(a.Alert, b.Alert)
	})
	return r.episodes, unknown
}
