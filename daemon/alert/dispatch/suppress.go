package dispatch

import (
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
)

// pendingHolds is for how long after it has fired an incident waits for a source that may fire too: in which order rules are judged
// does not matter then.
const pendingHolds = time.Minute

// open reports whether one of the windows is open.
func open(windows []*calendar.Window, now time.Time) bool {
	return slices.ContainsFunc(windows, func(w *calendar.Window) bool { _, open := w.Open(now); return open })
}

// suppress finds out what keeps each incident quiet now.
func (d *Dispatcher) suppress(now time.Time) {
	d.noteHours(now)
	inhibited := d.inhibit(now)
	for _, i := range d.incidents {
		if i.Test || d.isOwn(i) {
			continue
		}
		by := d.suppressions(i, now)
		if source, ok := inhibited[i.ID]; ok {
			by = append(by, source)
		}
		if slices.Equal(by, i.Suppressed) {
			if len(by) > 0 {
				i.Quiet = now.UTC()
			}
			continue
		}
		for _, s := range by {
			if !slices.Contains(i.Suppressed, s) {
				i.Note(now, "suppressed: "+s.String())
			}
		}
		for _, s := range i.Suppressed {
			if !slices.Contains(by, s) {
				i.Note(now, "no longer suppressed: "+s.String())
				i.QuietBy = s.String()
			}
		}
		// It was quiet until this moment, or is so from now on.
		i.Quiet, i.Suppressed = now.UTC(), by
		d.touch(i)
	}
}

// suppressions are what keeps an incident quiet by itself: silences, maintenance, and its plugin.
func (d *Dispatcher) suppressions(i *incident.Incident, now time.Time) []incident.Suppression {
	var by []incident.Suppression
	var labels map[string]string
	for _, id := range d.silenceIDs() {
		s := d.silences[id]
		if !s.Active(now) || s.match == nil {
			continue
		}
		if labels == nil {
			labels = i.Match()
		}
		if s.match.Holds(labels) {
			by = append(by, incident.Suppression{Kind: "silence", Name: s.ID, By: s.Author})
			if !s.hits[i.ID] {
				s.hits[i.ID] = true
				s.Hits++
				d.log.PutSilence(s.Silence)
			}
		}
	}
	for _, m := range d.policy.Maintenance {
		if !open(m.Windows, now) {
			continue
		}
		if labels == nil {
			labels = i.Match()
		}
		if m.Match.Holds(labels) {
			by = append(by, incident.Suppression{Kind: "maintenance", Name: m.Name})
		}
	}
	if why := d.world.Unfed(i.Alert); why != "" {
		by = append(by, incident.Suppression{Kind: "unfed", Name: why})
	}
	return by
}

func (d *Dispatcher) silenceIDs() []string {
	ids := make([]string, 0, len(d.silences))
	for id := range d.silences {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// inhibit finds the incidents that others keep quiet, and counts for each source how many these are.
func (d *Dispatcher) inhibit(now time.Time) map[string]incident.Suppression {
	clear(d.sources)
	if len(d.policy.Inhibitions) == 0 {
		return nil
	}
	type labelled struct {
		i      *incident.Incident
		labels map[string]string
	}
	var all []labelled
	for _, i := range d.sorted() {
		if !i.Test {
			all = append(all, labelled{i, i.Match()})
		}
	}
	found := map[string]incident.Suppression{}
	for _, rule := range d.policy.Inhibitions {
		// The sources by what has to be equal. A source that is a target as well keeps no other quiet that is both: two could not
		// hide each other.
		firing, waiting := map[string]*incident.Incident{}, map[string]string{}
		for _, one := range all {
			if one.i.State.Open() && rule.Source.Holds(one.labels) {
				key := equal(rule, one.labels)
				if firing[key] == nil || rule.Target.Holds(firing[key].Match()) {
					firing[key] = one.i
				}
			}
		}
		for _, labels := range d.pending {
			if rule.Source.Holds(labels) {
				waiting[equal(rule, labels)] = labels["alert"]
			}
		}
		if len(firing)+len(waiting) == 0 {
			continue
		}
		for _, one := range all {
			if _, already := found[one.i.ID]; already || !rule.Target.Holds(one.labels) {
				continue
			}
			key := equal(rule, one.labels)
			source := firing[key]
			isSource := rule.Source.Holds(one.labels)
			switch {
			case source != nil && source != one.i && (!isSource || !rule.Target.Holds(source.Match())):
				found[one.i.ID] = incident.Suppression{Kind: "inhibit", Name: rule.Name, By: source.Alert}
				d.sources[source.ID]++
			case source == nil && waiting[key] != "" && !isSource && len(one.i.Told) == 0 && now.Sub(one.i.Changed) < pendingHolds:
				found[one.i.ID] = incident.Suppression{Kind: "inhibit", Name: rule.Name, By: waiting[key]}
			}
		}
	}
	return found
}

func equal(rule *policy.Inhibition, labels map[string]string) string {
	parts := make([]string, len(rule.Equal))
	for i, name := range rule.Equal {
		parts[i] = labels[name]
	}
	return strings.Join(parts, "\x00")
}

// noteHours notes which routes are outside their hours.
func (d *Dispatcher) noteHours(now time.Time) {
	var note func(r *policy.Route)
	note = func(r *policy.Route) {
		if r.Active != nil && !open(r.Active.Windows, now) {
			d.inactive[r.Place] = now
		}
		for _, inner := range r.Routes {
			note(inner)
		}
	}
	if d.policy.Route != nil {
		note(d.policy.Route)
	}
}

// quiet says what keeps an incident from being told on a path, and since when it was quiet if nothing does.
func (d *Dispatcher) quiet(i *incident.Incident, p *path, now time.Time) (is bool, until time.Time, by string) {
	if i.Test {
		return false, time.Time{}, ""
	}
	if len(i.Suppressed) > 0 {
		return true, now, i.Suppressed[0].String()
	}
	until, by = i.Quiet, i.QuietBy
	if p.active != nil {
		if !open(p.active.Windows, now) {
			return true, now, "hours " + p.active.Name
		}
		if last := d.inactive[p.place]; last.After(until) && last.After(i.Fired) {
			until, by = last, "hours "+p.active.Name
		}
	}
	return false, until, by
}
