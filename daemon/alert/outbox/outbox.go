// Package outbox is the notices on their way, a queue for each channel: what is sent next and when, what becomes of an attempt, what
// is put together, and what is given up. It sends nothing and keeps nothing itself: it is told the time and what has happened, and
// says what is to be written.
//
// What it promises: a slow or dead channel delays itself alone. Nothing is sent faster than its provider takes it. A notice that waits
// is put together with later ones of its thread, and a backlog into one digest; nothing is dropped without being counted
// in a notice. What can not be delivered goes to the channel's fallback, and is given up after a day.
package outbox

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/backoff"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Channel is how a channel is used.
type Channel struct {
	Name string
	// Limit is how many notices the provider takes in Per; 0 if it takes any number.
	Limit int
	Per   time.Duration
	// Fallback is the channel that gets what this one can not deliver, or empty.
	Fallback string
	// Fleeting says that a notice which could not be delivered is worth nothing later: it is dropped, and says nothing of the next.
	Fleeting bool
}

// Options are the durations of an outbox.
type Options struct {
	// FallbackAfter is how long a notice may wait before its fallback has it too, and Expire when it is given up.
	FallbackAfter, Expire time.Duration
}

// How attempts are repeated.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 10 * time.Minute
	// breakAfter failures in a row mean that the channel itself is the matter: then one notice at a time tries it.
	breakAfter = 3
	// wrongRetry is when a channel that is configured wrongly is tried again.
	wrongRetry = 5 * time.Minute
	// digestOver is how many notices may wait before they are put together, and digestAfter for how long the limit may be
	// exhausted before those are that wait.
	digestOver  = 20
	digestAfter = time.Minute
	// keptDead bounds the notices that were given up.
	keptDead    = 1000
	keptDeadFor = 30 * 24 * time.Hour
)

// retry is how long a notice waits after an attempt, and a channel that fails.
var retry = backoff.Backoff{Base: firstRetry, Max: lastRetry}

// Outbox is the queues. It is not safe for concurrent use.
type Outbox struct {
	opts   Options
	queues map[string]*queue
	dead   []*incident.Notice
	log    Log
	told   func(channel, incident string) *incident.Told
}

// Log is told what is to be kept.
type Log interface {
	PutNotice(*incident.Notice)
	DeleteNotice(id string)
	PutDead(*incident.Notice)
	DeleteDead(id string)
	PutChannel(name string, state any)
}

// queue is what waits for a channel, and how the channel is.
type queue struct {
	Channel
	removed  bool
	notices  []*incident.Notice // in the order in which they were made
	inFlight *incident.Notice
	state    state
	// starved is since when the limit is exhausted while something waits.
	starved time.Time
}

// state is what is kept of a channel.
type state struct {
	// Sent is when the last notices were sent, as many as the limit needs.
	Sent []time.Time `json:"sent,omitempty"`
	// Failures in a row, and NotBefore when the channel may be tried again.
	Failures  int       `json:"failures,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	// Open says since when the channel is tried by one notice at a time.
	Open time.Time `json:"open,omitzero"`
	// Wrong says that it is configured wrongly.
	Wrong     bool   `json:"wrong,omitempty"`
	LastError string `json:"last_error,omitempty"`
}

// New makes an outbox of what was kept. The channels come with Configure.
func New(log Log, notices, dead []*incident.Notice, states map[string]json.RawMessage) *Outbox {
	o := &Outbox{queues: map[string]*queue{}, dead: dead, log: log, told: func(string, string) *incident.Told { return nil }}
	for name, raw := range states {
		// What can not be read is as if nothing was known of the channel.
		q := o.queue(name)
		if err := json.Unmarshal(raw, &q.state); err != nil {
			q.state = state{}
		}
	}
	slices.SortFunc(notices, func(a, b *incident.Notice) int { return a.Created.Compare(b.Created) })
	for _, n := range notices {
		if n.Sending {
			n.Sending, n.MayRepeat = false, true
		}
		q := o.queue(n.Channel)
		q.notices = append(q.notices, n)
	}
	slices.SortFunc(o.dead, func(a, b *incident.Notice) int { return a.GivenUp.Compare(b.GivenUp) })
	return o
}

// Told says how it is found out what a channel was told of an incident, or nil: a fallback is told nothing twice, and no end of what it
// does not know.
func (o *Outbox) Told(f func(channel, incident string) *incident.Told) { o.told = f }

func (o *Outbox) queue(name string) *queue {
	q := o.queues[name]
	if q == nil {
		q = &queue{Channel: Channel{Name: name}, removed: true}
		o.queues[name] = q
	}
	return q
}

// Configure says which channels there are. What waits for others waits until they come back, or is given up.
func (o *Outbox) Configure(opts Options, all []Channel) {
	o.opts = opts
	for _, q := range o.queues {
		q.removed = true
	}
	for _, c := range all {
		q := o.queue(c.Name)
		q.Channel, q.removed = c, false
		// Somebody has looked after it.
		if q.state.Wrong {
			q.state = state{Sent: q.state.Sent}
			o.log.PutChannel(q.Name, q.state)
		}
	}
}

// Put takes a notice. It is put together with one of the same thread that waits and was not tried yet, or surely has not arrived; or with
// a digest of that kind. The notice that then waits is returned.
func (o *Outbox) Put(n *incident.Notice) *incident.Notice {
	q := o.queue(n.Channel)
	for _, waiting := range q.notices {
		if waiting == q.inFlight || !grows(waiting) || n.Test || waiting.Thread != n.Thread && waiting.Kind != wire.Kind_KIND_DIGEST {
			continue
		}
		merge(waiting, n)
		o.log.PutNotice(waiting)
		return waiting
	}
	q.notices = append(q.notices, n)
	o.log.PutNotice(n)
	return n
}

// grows reports whether a notice that waits can take up others. One that may have arrived, or has for some, can not: the same is told only
// in the same words.
func grows(n *incident.Notice) bool { return !n.Test && !n.MayRepeat && len(n.Recipients) == 0 }

// merge adds to a notice what a later one tells: of each incident the latest.
func merge(into, n *incident.Notice) {
	for _, item := range n.Items {
		i := slices.IndexFunc(into.Items, func(old incident.Item) bool { return old.Incident.ID == item.Incident.ID })
		if i < 0 {
			into.Items = append(into.Items, item)
			continue
		}
		old := &into.Items[i]
		switch {
		case item.Kind == wire.Kind_KIND_RESOLVED && old.Kind != wire.Kind_KIND_RESOLVED && old.Kind != wire.Kind_KIND_REPEAT:
			// It is over before anybody was told that it began.
			item.Late = true
		case item.Kind == wire.Kind_KIND_REPEAT:
			// Nobody was told the first time.
			item.Kind = old.Kind
		}
		if item.Ended == "" {
			item.Ended = old.Ended
		}
		*old = item
	}
	into.Step = max(into.Step, n.Step)
	into.Also = max(into.Also, n.Also)
	if into.Kind != wire.Kind_KIND_DIGEST {
		into.Kind = KindOf(into.Items)
	}
}

// weight orders the kinds: a notice is of the weightiest kind of its items.
var weight = []wire.Kind{
	wire.Kind_KIND_TEST, wire.Kind_KIND_FIRING, wire.Kind_KIND_ESCALATION, wire.Kind_KIND_FLAPPING, wire.Kind_KIND_EVENT, wire.Kind_KIND_REPEAT,
	wire.Kind_KIND_FLAPPING_ENDED, wire.Kind_KIND_RESOLVED,
}

// KindOf is the kind of a notice of these items.
func KindOf(items []incident.Item) wire.Kind {
	best := len(weight) - 1
	for _, item := range items {
		if i := slices.Index(weight, item.Kind); i >= 0 {
			best = min(best, i)
		}
	}
	return weight[best]
}

// Holds reports whether a notice about the incident waits for the channel.
func (o *Outbox) Holds(channel, id string) bool {
	q := o.queues[channel]
	return q != nil && slices.ContainsFunc(q.notices, func(n *incident.Notice) bool {
		return slices.ContainsFunc(n.Items, func(item incident.Item) bool { return item.Incident.ID == id })
	})
}

// Open reports whether a channel delivers nothing, and is tried by one notice at a time.
func (o *Outbox) Open(channel string) bool {
	q := o.queues[channel]
	return q != nil && !q.state.Open.IsZero()
}

// Dead are the notices that were given up, oldest first.
func (o *Outbox) Dead() []*incident.Notice { return o.dead }

// Waiting are the notices that wait, of all channels, oldest first.
func (o *Outbox) Waiting() []*incident.Notice {
	var all []*incident.Notice
	for _, q := range o.queues {
		all = append(all, q.notices...)
	}
	slices.SortStableFunc(all, func(a, b *incident.Notice) int { return a.Created.Compare(b.Created) })
	return all
}

// Stats say how a channel is.
type Stats struct {
	Channel string
	Depth   int
	Oldest  time.Duration
	// InFlight is 1 while an attempt is under way.
	InFlight, Dead int
	// Open says that the breaker is open: one notice at a time tries the channel. Failing is for how long.
	Open    bool
	Failing time.Duration
	// Left is how many notices the limit still allows now; without a limit it is -1.
	Left      int
	LastError string
}

// Channels are the names of those that there are, and of others for which something waits, in their order.
func (o *Outbox) Channels() []string {
	var names []string
	for name, q := range o.queues {
		if !q.removed || len(q.notices) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Stats of every channel, in the order of Channels.
func (o *Outbox) Stats(now time.Time) []Stats {
	var all []Stats
	for _, name := range o.Channels() {
		q := o.queues[name]
		s := Stats{Channel: q.Name, Depth: len(q.notices), Open: !q.state.Open.IsZero(), Left: q.left(now), LastError: q.state.LastError}
		if len(q.notices) > 0 {
			s.Oldest = q.notices[0].Age(now)
		}
		if q.inFlight != nil {
			s.InFlight = 1
		}
		if s.Open {
			s.Failing = max(0, now.Sub(q.state.Open))
		}
		for _, n := range o.dead {
			if n.Channel == q.Name {
				s.Dead++
			}
		}
		all = append(all, s)
	}
	return all
}

// left is how many notices may be sent now.
func (q *queue) left(now time.Time) int {
	if q.Limit <= 0 {
		return -1
	}
	return max(0, q.Limit-len(q.recent(now)))
}

// recent are the times of what was sent within the limit's time. Times that lie ahead were told by another clock.
func (q *queue) recent(now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(q.state.Sent), func(at time.Time) bool { return now.Sub(at) >= q.Per || at.After(now) })
}
