// Package dispatch decides who is told what: it makes incidents of what the rules say, follows them to their ends, and gives notices to
// the outbox.
//
// One rule decides everything: a notice is due when what a channel was told differs from what it should be told. So nobody is told
// twice, nobody hears of the end of something of which he did not hear the beginning, and after a silence, a restart or an
// outage everybody hears what is true then.
//
// It has no clock, no goroutine and no disk: it is given the time, and says what is to be kept.
package dispatch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/label"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
)

// Channel is what the dispatcher has to know of a channel.
type Channel struct {
	// Pages says that it wakes people, who are not to be woken for the end of something that was silenced.
	Pages bool
	// Syncs says that it takes the whole set of active incidents instead of notices.
	Syncs bool
}

// World is what the dispatcher asks of the engine.
type World struct {
	// Look is what an instance of an alert is now.
	Look func(alert, key string, now time.Time) (rule.Status, bool)
	// Unfed says why nothing is heard of an alert on silence, if that says nothing of what it watches.
	Unfed func(alert string) string
}

// Log is told what is to be kept.
type Log interface {
	outbox.Log
	PutIncident(*incident.Incident)
	DeleteIncident(id string)
	PutSilence(*incident.Silence)
	DeleteSilence(id string)
}

// Dispatcher has the incidents. It is not safe for concurrent use.
type Dispatcher struct {
	policy   *policy.Policy
	alerts   map[string]*policy.Alert
	channels map[string]Channel
	world    World
	box      *outbox.Outbox
	log      Log

	incidents map[string]*incident.Incident // that are not closed
	current   map[string]string             // the ids of those that are open, by alert and key
	closed    []*incident.Incident          // the latest, oldest first
	pending   map[string]map[string]string  // the labels of instances that are pending, by alert and key
	silences  map[string]*silence
	groups    map[string]*group
	paths     map[string][]path    // of incidents, by their ids
	inactive  map[string]time.Time // when a route was last outside its hours, by its place
	sources   map[string]int       // how many incidents one keeps quiet, by its id
	dirty     map[string]bool      // the ids of incidents that have changed
	seq       int
	// holds says that nothing may be told yet.
	holds bool
	// planned says that there was a Plan.
	planned bool
	// records and ended are what the engine has not asked for yet.
	records []Record
	ended   []*incident.Silence
}

// silence is one with its condition, which is nil where the labels are no longer there.
type silence struct {
	*incident.Silence
	match *label.Match
	hits  map[string]bool
}

// keptClosed and keptClosedFor bound the incidents that are remembered after their end.
const (
	keptClosed    = 1000
	keptClosedFor = 7 * 24 * time.Hour
)

// freshAfter is after how long an incident is told after a suppression although no bad sample of since then has come: it is held to fire, and a
// source that has gone must not hide it for ever.
const freshAfter = 5 * time.Minute

// answerAfter is how long after a suppression an answer to a query comes that has nothing of before it which was not known then.
const answerAfter = 10 * time.Second

// New makes a dispatcher of what was kept. Configure has to follow.
func New(world World, log Log, box *outbox.Outbox, incidents []*incident.Incident, silences []*incident.Silence) *Dispatcher {
	d := &Dispatcher{
		world: world, log: log, box: box,
		incidents: map[string]*incident.Incident{}, current: map[string]string{}, pending: map[string]map[string]string{},
		silences: map[string]*silence{}, groups: map[string]*group{}, paths: map[string][]path{}, inactive: map[string]time.Time{},
		sources: map[string]int{}, dirty: map[string]bool{}, holds: true,
	}
	box.Told(d.told)
	slices.SortFunc(incidents, byAge)
	for _, i := range incidents {
		if over(i) {
			d.closed = append(d.closed, i)
			continue
		}
		d.incidents[i.ID] = i
		if i.State.Open() {
			d.current[place(i.Alert, i.Key)] = i.ID
		}
	}
	slices.SortStableFunc(d.closed, func(a, b *incident.Incident) int { return a.Changed.Compare(b.Changed) })
	for _, s := range silences {
		d.silences[s.ID] = &silence{Silence: s, hits: map[string]bool{}}
	}
	return d
}

// told is what a channel was told of an incident, or is about to be, or nil.
func (d *Dispatcher) told(channel, id string) *incident.Told {
	if i := d.incidents[id]; i != nil {
		return i.Told[channel]
	}
	return nil
}

func byAge(a, b *incident.Incident) int {
	return cmp.Or(a.Fired.Compare(b.Fired), strings.Compare(a.ID, b.ID))
}

func place(alert, key string) string { return alert + "\x00" + key }

// over reports whether nobody will be told anything more of an incident. What a channel should still be told it is told before.
func over(i *incident.Incident) bool {
	if i.State.Open() || i.Outstanding() {
		return false
	}
	if i.State == incident.Event {
		return len(i.Told) > 0
	}
	for _, t := range i.Told {
		if t.State.Open() && t.Heard {
			return false
		}
	}
	return true
}

// Configure makes a policy the one that holds. Incidents of alerts that are gone are closed by the engine, which knows the instances, and
// tells which of these are pending.
func (d *Dispatcher) Configure(p *policy.Policy, channels map[string]Channel) {
	d.policy, d.channels, d.alerts = p, channels, map[string]*policy.Alert{}
	for _, a := range p.Alerts {
		d.alerts[a.Name] = a
	}
	clear(d.paths)
	clear(d.groups)
	clear(d.pending)
	for _, s := range d.silences {
		// One on labels that no alert has any more matches nothing.
		s.match, _ = label.Parse(s.Match, p.Labels)
	}
	for _, i := range d.sorted() {
		for group, thread := range i.Threads {
			d.group(group).join(thread, lastTold(i, group))
		}
	}
}

// Holding reports whether nothing may be told yet.
func (d *Dispatcher) Holding() bool { return d.holds }

// Release lets notices be made: until then everything that was known is only being loaded.
func (d *Dispatcher) Release() { d.holds = false }

// sorted are the incidents that are not closed, oldest first.
func (d *Dispatcher) sorted() []*incident.Incident {
	return slices.SortedFunc(maps.Values(d.incidents), byAge)
}

// touch notes that an incident has changed.
func (d *Dispatcher) touch(i *incident.Incident) { d.dirty[i.ID] = true }

// Flush gives what has changed to the log.
func (d *Dispatcher) Flush() {
	for id := range d.dirty {
		if i, ok := d.incidents[id]; ok {
			d.log.PutIncident(i)
		}
	}
	clear(d.dirty)
}

// isOwn reports whether an incident is of an alert that is none of an operator's: there may be one a minute.
func (d *Dispatcher) isOwn(i *incident.Incident) bool {
	a := d.alerts[i.Alert]
	return a != nil && a.Own
}

// close takes an incident off those that are followed, and remembers it for a while.
func (d *Dispatcher) close(i *incident.Incident) {
	delete(d.incidents, i.ID)
	delete(d.paths, i.ID)
	delete(d.dirty, i.ID)
	if at := place(i.Alert, i.Key); d.current[at] == i.ID {
		delete(d.current, at)
	}
	if i.Test || d.isOwn(i) {
		d.log.DeleteIncident(i.ID)
		return
	}
	d.closed = append(d.closed, i)
	d.log.PutIncident(i)
}

// forget removes closed incidents that nobody asks for any more.
func (d *Dispatcher) forget(now time.Time) {
	for len(d.closed) > 0 && (len(d.closed) > keptClosed || now.Sub(d.closed[0].Changed) > keptClosedFor) {
		d.log.DeleteIncident(d.closed[0].ID)
		d.closed = d.closed[1:]
	}
}

// Incidents are all that are known: open ones first, then closed ones, the latest first.
func (d *Dispatcher) Incidents() (open, closed []*incident.Incident) {
	closed = slices.Clone(d.closed)
	slices.Reverse(closed)
	return d.sorted(), closed
}

// Find finds an incident by its id or the beginning of it.
func (d *Dispatcher) Find(id string) *incident.Incident {
	if i, ok := d.incidents[id]; ok {
		return i
	}
	var found *incident.Incident
	open, closed := d.Incidents()
	for _, i := range slices.Concat(open, closed) {
		if strings.HasPrefix(i.ID, id) {
			if found != nil {
				return nil
			}
			found = i
		}
	}
	return found
}
