package dispatch

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/template"
)

// Record is something that has happened and is to become a point.
type Record struct {
	At       time.Time
	Incident incident.Incident
	From, To string
	Reason   string
	// Suppressed is what keeps it from being told.
	Suppressed []incident.Suppression
}

// Records returns what has happened since it was called last.
func (d *Dispatcher) Records() []Record {
	r := d.records
	d.records = nil
	return r
}

// Observe takes what a rule says of an instance.
func (d *Dispatcher) Observe(t *rule.Transition, now time.Time) {
	a := d.alerts[t.Rule.Name]
	if a == nil {
		return
	}
	at := place(a.Name, t.Key)
	open := d.incidents[d.current[at]]
	switch t.Reason {
	case rule.Broken, rule.Mended, rule.Full:
		return
	case rule.Happened, rule.More:
		d.happen(a, t, now)
		return
	case rule.FlapBegins:
		if open == nil {
			open = d.open(a, t, now)
		}
		d.turn(open, a, t, incident.Flapping, now)
		return
	case rule.FlapEnds:
		if open != nil {
			d.turn(open, a, t, stateOf(t.To), now)
		}
		return
	}
	if t.To == rule.Pending {
		d.pending[at] = labelsOf(a, t)
	} else {
		delete(d.pending, at)
	}
	switch {
	case open != nil && (open.State == incident.Flapping || t.Flapping) && t.Reason != rule.Forgotten:
		// One that only begins to flap is made so by FlapBegins, which follows.
		open.Note(now, "flaps: "+t.To.String())
		d.tell(open, a, t, now)
	case t.To == rule.Firing && open == nil:
		if t.Flapping {
			// FlapBegins follows and opens it.
			return
		}
		d.open(a, t, now)
	case t.To == rule.Firing:
		d.turn(open, a, t, incident.Firing, now)
	case open != nil:
		d.turn(open, a, t, incident.Resolved, now)
	default:
		d.records = append(d.records, d.recordOf(a, t))
	}
}

func stateOf(s rule.State) incident.State {
	if s == rule.Firing {
		return incident.Firing
	}
	return incident.Resolved
}

// recordOf is a transition that makes no incident.
func (d *Dispatcher) recordOf(a *policy.Alert, t *rule.Transition) Record {
	i := incident.Incident{Alert: a.Name, Key: t.Key}
	describe(&i, a, t)
	return Record{At: t.At, Incident: i, From: t.From.String(), To: t.To.String(), Reason: t.Reason.String()}
}

// open makes an incident.
func (d *Dispatcher) open(a *policy.Alert, t *rule.Transition, now time.Time) *incident.Incident {
	fired := t.Fired
	if fired.IsZero() {
		fired = t.At
	}
	i := &incident.Incident{
		ID: incident.ID(a.Name, t.Key, fired), Alert: a.Name, Key: t.Key, State: incident.Firing, Fired: fired.UTC(), Told: map[string]*incident.Told{},
	}
	if old := d.incidents[i.ID]; old != nil {
		// The same episode again: the state that would have remembered it was lost in a crash.
		return old
	}
	d.incidents[i.ID], d.current[place(a.Name, t.Key)] = i, i.ID
	d.turn(i, a, t, incident.Firing, now)
	return i
}

// happen makes an incident of an event.
func (d *Dispatcher) happen(a *policy.Alert, t *rule.Transition, now time.Time) {
	// Two within a millisecond, of which an identity is made, are two.
	key := t.Key + "\x00" + strconv.Itoa(t.At.Nanosecond())
	if t.Reason == rule.More {
		key += "\x00more"
	}
	id := incident.ID(a.Name, key, t.At)
	if d.incidents[id] != nil || slices.ContainsFunc(d.closed, func(i *incident.Incident) bool { return i.ID == id }) {
		return
	}
	i := &incident.Incident{ID: id, Alert: a.Name, Key: t.Key, State: incident.Event, Fired: t.At.UTC(), Told: map[string]*incident.Told{}}
	d.incidents[id] = i
	d.turn(i, a, t, incident.Event, now)
}

// turn makes an incident what the transition says.
func (d *Dispatcher) turn(i *incident.Incident, a *policy.Alert, t *rule.Transition, to incident.State, now time.Time) {
	from := i.State
	if len(i.Log) == 0 {
		from = incident.State(t.From.String())
	}
	level := i.Level
	d.tell(i, a, t, now)
	i.State = to
	if to == incident.Resolved {
		i.Resolved = t.At.UTC()
		i.Level, i.Severity = level, a.Rule.Severity(level)
		delete(d.current, place(i.Alert, i.Key))
	}
	if i.Level > level && i.Ack != nil {
		i.Note(now, "the acknowledgement ends: it is worse")
		i.Ack = nil
	}
	delete(d.paths, i.ID)
	i.Note(now, string(to)+": "+i.Reason+sampleOf(i))
	d.record(i, string(from), t.At)
}

// tell takes over what the transition says of the incident.
func (d *Dispatcher) tell(i *incident.Incident, a *policy.Alert, t *rule.Transition, now time.Time) {
	describe(i, a, t)
	i.Changed = now.UTC()
	d.touch(i)
}

func sampleOf(i *incident.Incident) string {
	text := ""
	if i.Value != nil {
		text += ", value " + strconv.FormatFloat(*i.Value, 'g', 6, 64)
	}
	if i.Of > 0 {
		text += fmt.Sprintf(", %d of %d bad", i.Bad, i.Of)
	}
	if i.Count > 1 {
		text += fmt.Sprintf(", %d times", i.Count)
	}
	return text
}

func (d *Dispatcher) record(i *incident.Incident, from string, at time.Time) {
	if i.Test {
		return
	}
	d.records = append(d.records, Record{
		At: at, Incident: i.Snapshot(), From: from, To: string(i.State), Reason: i.Reason, Suppressed: slices.Concat(d.suppressions(i, i.Changed), inhibitedBy(i)),
	})
}

// inhibitedBy is the inhibition that was found when the incident was looked at last.
func inhibitedBy(i *incident.Incident) []incident.Suppression {
	return slices.DeleteFunc(slices.Clone(i.Suppressed), func(s incident.Suppression) bool { return s.Kind != "inhibit" })
}

// Close ends an incident whose rule is gone.
func (d *Dispatcher) Close(id, reason string, now time.Time) {
	i := d.incidents[id]
	if i == nil || !i.State.Open() {
		return
	}
	from := i.State
	i.State, i.Reason, i.Resolved, i.Changed = incident.Resolved, reason, now.UTC(), now.UTC()
	delete(d.current, place(i.Alert, i.Key))
	i.Note(now, "resolved: "+reason)
	d.touch(i)
	d.record(i, string(from), now)
}

// QueryKey is the key of the incident of a query that fails, where that is to be told. No instance has it.
const QueryKey = "\x00query"

// QueryFailed opens an incident of an alert whose query fails, unless there is one. QueryWorks ends it.
func (d *Dispatcher) QueryFailed(alert, why string, now time.Time) {
	a := d.alerts[alert]
	if a == nil || d.Noted(alert, QueryKey) != "" {
		return
	}
	level := a.Rule.Levels() - 1
	i := &incident.Incident{
		ID: incident.ID(alert, QueryKey, now), Alert: alert, Key: QueryKey, Tags: map[string]string{}, Labels: a.Labels, Level: level, Severity: a.Rule.Severity(level),
		State: incident.Firing, Fired: now.UTC(), Changed: now.UTC(), Reason: QueryFails, Told: map[string]*incident.Told{},
		Summary: template.Clean(alert+" can not be judged: its query fails", template.MaxLine, false), Detail: template.Clean(why, template.MaxLines, true),
	}
	d.incidents[i.ID], d.current[place(alert, QueryKey)] = i, i.ID
	i.Note(now, "firing: "+QueryFails)
	d.touch(i)
	d.record(i, rule.OK.String(), now)
}

// QueryWorks ends the incident of a query that has failed.
func (d *Dispatcher) QueryWorks(alert string, now time.Time) {
	if id := d.Noted(alert, QueryKey); id != "" {
		d.Close(id, "query works", now)
	}
}

// Noted says which open incident an instance has, or "".
func (d *Dispatcher) Noted(alert, key string) string { return d.current[place(alert, key)] }

// Adopt opens an incident for an instance that fires and has none: its state was kept, and the incident was not.
func (d *Dispatcher) Adopt(t *rule.Transition, now time.Time) {
	if a := d.alerts[t.Rule.Name]; a != nil && d.Noted(a.Name, t.Key) == "" {
		d.open(a, t, now)
	}
}

// Pend notes an instance that is pending.
func (d *Dispatcher) Pend(t *rule.Transition) {
	if a := d.alerts[t.Rule.Name]; a != nil {
		d.pending[place(a.Name, t.Key)] = labelsOf(a, t)
	}
}

func labelsOf(a *policy.Alert, t *rule.Transition) map[string]string {
	all := maps.Clone(a.Labels)
	if all == nil {
		all = map[string]string{}
	}
	for n, name := range a.Rule.By {
		if n < len(t.Values) {
			all[name] = t.Values[n]
		}
	}
	all["alert"], all["severity"] = a.Name, a.Rule.Severity(max(0, t.Level))
	return all
}

// describe takes over what a transition says.
func describe(i *incident.Incident, a *policy.Alert, t *rule.Transition) {
	if i.Tags == nil {
		i.Tags = map[string]string{}
		for n, name := range a.Rule.By {
			if n < len(t.Values) {
				i.Tags[name] = t.Values[n]
			}
		}
		i.Labels = a.Labels
	}
	i.Level = max(0, t.Level)
	i.Severity = a.Rule.Severity(i.Level)
	i.Reason, i.Bad, i.Of, i.Count = t.Reason.String(), t.Bad, t.Of, t.Count
	i.Value = nil
	if v := t.Value; !math.IsNaN(v) && !math.IsInf(v, 0) {
		i.Value = &v
	}
	if len(t.Recent) > 0 {
		i.Recent = t.Recent
	}
	render(i, a, t)
}
