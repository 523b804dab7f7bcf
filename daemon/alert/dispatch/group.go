package dispatch

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
)

// path is a way from an incident to channels: one of the routes, or what its alert says itself.
type path struct {
	// group is the incident's group on it.
	group          string
	place          string
	steps          []policy.Step
	wait, interval time.Duration
	urgent         bool
	repeat         policy.Repeat
	active         *policy.Hours
}

// The times of an alert that says itself who is told, where there is no route to say otherwise.
const (
	defaultWait     = 10 * time.Second
	defaultInterval = time.Minute
	defaultRepeat   = 4 * time.Hour
)

// pathsOf are the ways that an incident takes.
func (d *Dispatcher) pathsOf(i *incident.Incident) []path {
	if known, ok := d.paths[i.ID]; ok {
		return known
	}
	found := d.find(i.Alert, i.Match())
	d.paths[i.ID] = found
	return found
}

func (d *Dispatcher) find(alert string, labels map[string]string) []path {
	a := d.alerts[alert]
	var found []path
	switch root := d.policy.Route; {
	case a != nil && a.Notify != nil:
		p := path{place: "alert/" + alert, steps: []policy.Step{{To: a.Notify}}, wait: defaultWait, interval: defaultInterval, repeat: policy.Repeat{Every: []time.Duration{defaultRepeat}}}
		if root != nil {
			p.wait, p.interval, p.repeat, p.urgent = root.Wait, root.Interval, root.Repeat, root.Urgent
		}
		if a.Own {
			p.wait, p.interval, p.repeat = 0, 0, policy.Repeat{}
		}
		p.group = groupOf(p.place, []string{"alert"}, labels)
		found = []path{p}
	case root != nil && root.Match.Holds(labels):
		found = walk(root, labels)
	}
	for i := range found {
		if a != nil && a.Repeat != nil {
			found[i].repeat = *a.Repeat
		}
		found[i].steps = without(found[i].steps, labels["notifier"])
	}
	return found
}

// without leaves out a channel: what is wrong with it is not told through it.
func without(steps []policy.Step, channel string) []policy.Step {
	if channel == "" {
		return steps
	}
	steps = slices.Clone(steps)
	for i := range steps {
		steps[i].To = slices.DeleteFunc(slices.Clone(steps[i].To), func(c string) bool { return c == channel })
	}
	return steps
}

// walk finds the routes that an incident takes, from one that matches it.
func walk(r *policy.Route, labels map[string]string) []path {
	var found []path
	for _, inner := range r.Routes {
		if !inner.Match.Holds(labels) {
			continue
		}
		found = append(found, walk(inner, labels)...)
		if !inner.Continue {
			return found
		}
	}
	if len(found) > 0 || r.To == nil {
		return found
	}
	return []path{{
		group: groupOf(r.Place, r.GroupBy, labels), place: r.Place, steps: r.To.Steps, wait: r.Wait, interval: r.Interval, urgent: r.Urgent,
		repeat: r.Repeat, active: r.Active,
	}}
}

func groupOf(place string, by []string, labels map[string]string) string {
	parts := []string{place}
	for _, name := range by {
		parts = append(parts, name+"="+labels[name])
	}
	return strings.Join(parts, "\x00")
}

// Way is a way that labels take, for people.
type Way struct {
	Route string
	Steps []policy.Step
	// Group are the labels of the group, as name=value.
	Group          []string
	Wait, Interval time.Duration
	Repeat         policy.Repeat
	Active         string
}

// Ways are the ways that an incident of these labels would take.
func (d *Dispatcher) Ways(labels map[string]string) []Way {
	var ways []Way
	for _, p := range d.find(labels["alert"], labels) {
		w := Way{Route: p.place, Steps: p.steps, Group: strings.Split(p.group, "\x00")[1:], Wait: p.wait, Interval: p.interval, Repeat: p.repeat}
		if p.active != nil {
			w.Active = p.active.Name
		}
		ways = append(ways, w)
	}
	return ways
}

// group is what is told in one notice.
type group struct {
	thread string
	// first is when something became due, and told when the group was told last.
	first, told time.Time
}

func (d *Dispatcher) group(key string) *group {
	g := d.groups[key]
	if g == nil {
		g = new(group)
		d.groups[key] = g
	}
	return g
}

func (g *group) join(thread string, told time.Time) {
	if g.thread == "" {
		g.thread = thread
	}
	if told.After(g.told) {
		g.told = told
	}
}

// threadOf is the thread of the incident's group: that of those which are in it already.
func (d *Dispatcher) threadOf(i *incident.Incident, key string) string {
	if t, ok := i.Threads[key]; ok {
		return t
	}
	g := d.group(key)
	g.join(i.ID, time.Time{})
	if i.Threads == nil {
		i.Threads = map[string]string{}
	}
	i.Threads[key] = g.thread
	return g.thread
}

func lastTold(i *incident.Incident, group string) time.Time {
	var last time.Time
	for _, t := range i.Told {
		if t.Group == group && t.At.After(last) {
			last = t.At
		}
	}
	return last
}

// sweep forgets groups without members, and threads of theirs.
func (d *Dispatcher) sweep() {
	used := map[string]bool{}
	for _, i := range d.incidents {
		for key := range maps.Keys(i.Threads) {
			used[key] = true
		}
	}
	maps.DeleteFunc(d.groups, func(key string, g *group) bool { return !used[key] && g.first.IsZero() })
}
