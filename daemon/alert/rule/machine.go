// Package rule is what a rule makes of points: a state machine for each instance, on a clock that it is given.
//
// A rule judges samples: the points that its where chooses. A sample is bad, good or unknown. An instance fires when enough of
// its newest samples are bad, and for long enough; it resolves when enough are good. Everything is decided on samples:
// no time that passes without one makes a rule fire or resolve, unless the rule is on silence itself. An unknown sample is
// none: it moves nothing. Who is silent for much longer than usual has left a hole, over which nothing counts as lasting.
//
// Order and durations follow the times of the samples; silence, flapping and votes follow the clock. A sample that is not
// newer than the newest of its series is late and dropped, so that points which arrive again are not judged twice.
//
// The package keeps nothing on disk and tells nobody: it returns transitions.
package rule

import (
	"math"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
)

// aheadAllowed is how far a point's time may be ahead of the clock.
const aheadAllowed = time.Minute

// Machine is a rule's instances. A Set gives it points and the time; what it has is read between these calls.
type Machine struct {
	rule      *Rule
	instances []*instance
	stats     Stats
	start     time.Time
	// listening is from when on silence counts, by the machine's clock.
	listening time.Duration
	// now is the clock since the start, and wall the same as a time.
	now  time.Duration
	wall time.Time
	full bool
	// whereUnknown counts the points in a row for which where is unknown.
	whereUnknown int

	// keys finds the instances, in the set in which the machine has this number.
	keys   *keyring
	number int
	// observed is the point of the set.
	observed *observed

	// unwritten are the instances that have changed, and removed the keys of those that are no more, since they were written.
	unwritten       []*instance
	removed         []string
	unwrittenHeader bool

	sample, aggregates []float64
}

// Stats counts what became of points.
type Stats struct {
	// Samples were judged, and Unknown of them without a verdict. WhereUnknown are points of which where could not tell whether they
	// are samples.
	Samples, Unknown, WhereUnknown uint64
	// Late came after a newer one of its series, and Skew were ahead of the clock. Refused would have been instances above
	// the limit.
	Late, Skew, Refused uint64
}

// NewMachine makes a machine without instances, but for those that are expected. now is the time from when on silence counts.
func NewMachine(r *Rule, now time.Time) *Machine {
	m := newMachine(r, now)
	m.expect(nil)
	return m
}

func newMachine(r *Rule, now time.Time) *Machine {
	return &Machine{
		rule: r, start: now, wall: now,
		sample: make([]float64, r.shape.Columns), aggregates: make([]float64, len(r.shape.Aggregates)),
	}
}

// expect adds the instances that are expected, beside those that there are.
func (m *Machine) expect(there map[string]*instance) {
	for _, value := range slices.Compact(slices.Sorted(slices.Values(m.rule.spec.Expect))) {
		in := there[value]
		if in == nil {
			in = m.add(value)
		}
		in.expected = true
	}
}

// Rule is the rule whose instances they are.
func (m *Machine) Rule() *Rule { return m.rule }

// quiet is how long ago something was, as far as somebody listened since.
func (m *Machine) quiet(at time.Duration) time.Duration { return m.now - max(at, m.listening) }

// Full reports whether there are as many instances as there may be.
func (m *Machine) Full() bool { return m.full }

// Stats returns what was counted.
func (m *Machine) Stats() Stats { return m.stats }

func (m *Machine) clock(now time.Time) {
	m.now, m.wall = now.Sub(m.start), now
}

func (m *Machine) add(key string) *instance {
	in := &instance{key: key, seen: m.now, heard: m.now, born: m.now, since: m.wall.UnixNano()}
	in.init(m.rule)
	m.touch(in)
	if m.rule.aggregates != nil {
		in.window = newWindowed(m.rule)
	}
	m.instances = append(m.instances, in)
	return in
}

// observe takes a point, as a row of the layout that the rule was compiled on, and appends what follows from it to out.
func (m *Machine) observe(out []Transition, row *expression.Row, at int64, update bool, now time.Time) []Transition {
	r := m.rule
	if update != r.spec.Updates {
		return out
	}
	if r.where != nil {
		var passes bool
		if out, passes = m.passes(out, row, now); !passes {
			return out
		}
	}
	m.clock(now)
	if at-m.wall.UnixNano() > int64(aheadAllowed) {
		at = m.wall.UnixNano()
		m.stats.Skew++
	}
	in, out := m.instance(out, row)
	if in == nil {
		return out
	}
	switch {
	case r.spec.Absent > 0:
		return m.hear(out, in, at)
	case r.quorum != nil:
		return m.vote(out, in, row, at)
	case r.spec.Event:
		return m.event(out, in, row, at)
	}
	return m.judge(out, in, row, at)
}

func (m *Machine) passes(out []Transition, row *expression.Row, now time.Time) ([]Transition, bool) {
	t := m.rule.where.Evaluate(row)
	if t == expression.Unknown {
		m.stats.WhereUnknown++
		m.unwrittenHeader = m.unwrittenHeader || m.whereUnknown < unknownsAreBroken
		if m.whereUnknown++; m.whereUnknown == unknownsAreBroken {
			out = append(out, Transition{Rule: m.rule, Reason: Broken, At: now, Value: math.NaN()})
		}
		return out, false
	}
	m.unwrittenHeader = m.unwrittenHeader || m.whereUnknown > 0
	if m.whereUnknown >= unknownsAreBroken {
		out = append(out, Transition{Rule: m.rule, Reason: Mended, At: now, Value: math.NaN()})
	}
	m.whereUnknown = 0
	return out, t == expression.True
}

// instance finds the instance of a row, or makes it. It is nil if there are too many.
func (m *Machine) instance(out []Transition, row *expression.Row) (*instance, []Transition) {
	if in := m.keys.find(m.number, row); in != nil {
		return in, out
	}
	if len(m.instances) >= m.rule.spec.Limit {
		m.stats.Refused++
		if !m.full {
			m.full, m.unwrittenHeader = true, true
			out = append(out, Transition{Rule: m.rule, Reason: Full, At: m.wall, Count: len(m.instances), Value: math.NaN()})
		}
		return nil, out
	}
	in := m.add(string(m.keys.key))
	m.keys.add(m.number, in)
	return in, out
}

// judge takes a sample of an instance whose only stream is its own.
func (m *Machine) judge(out []Transition, in *instance, row *expression.Row, at int64) []Transition {
	r := m.rule
	at, ok := m.ordered(in, &in.stream, at)
	if !ok {
		return out
	}
	covered := true
	if w := in.window; w != nil {
		r.aggregates.Sample(m.sample, row)
		taken, due := w.take(r, m.sample, at)
		if !taken {
			m.stats.Late++
			return out
		}
		in.seen = m.now
		m.touch(in)
		if !due {
			return out
		}
		w.Aggregates(m.aggregates)
		row.Aggregates = m.aggregates
		covered = w.Covered()
	}
	in.seen = m.now
	m.touch(in)
	m.stats.Samples++
	v, ok := r.judge(row, covered)
	if out, ok = m.known(out, in, &in.stream, ok); !ok {
		return out
	}
	in.heard = m.now
	in.take(r, &v, at)
	in.remember(r.aboutOf(row, in.tripped))
	return m.follow(out, in, row, at)
}

// known notes whether a sample of a stream has a verdict.
func (m *Machine) known(out []Transition, in *instance, s *stream, ok bool) ([]Transition, bool) {
	if !ok {
		m.stats.Unknown++
		if s.unknowns < unknownsAreBroken {
			if s.unknowns++; s.unknowns == unknownsAreBroken {
				out = m.tell(out, in, m.mark(in, Broken))
			}
		}
		return out, false
	}
	if s.unknowns == unknownsAreBroken {
		out = m.tell(out, in, m.mark(in, Mended))
	}
	s.unknowns = 0
	return out, true
}

// follow makes the instance what its stream is.
func (m *Machine) follow(out []Transition, in *instance, row *expression.Row, at int64) []Transition {
	to, reason := OK, Good
	switch {
	case in.tripped != notTripped:
		to, reason = Firing, Bad
	case in.pending():
		to, reason = Pending, Bad
	}
	if to == in.state && (to != Firing || in.tripped <= in.level) {
		return out
	}
	return m.move(out, in, to, in.tripped, reason, Transition{
		At: time.Unix(0, at), Value: m.rule.aboutOf(row, in.tripped), Bad: in.bad(), Of: m.rule.fire.Of,
	})
}

// tick appends what follows from the clock alone.
func (m *Machine) tick(out []Transition, now time.Time) []Transition {
	m.clock(now)
	before := len(out)
	m.instances = slices.DeleteFunc(m.instances, func(in *instance) bool {
		out = m.wait(out, in)
		if in.expected || m.now-in.seen < m.rule.spec.Forget || m.now-m.listening < m.grace() {
			return false
		}
		if in.state != OK {
			t := m.mark(in, Forgotten)
			t.To = OK
			out = m.tell(out, in, t)
		}
		m.keys.remove(m.number, in.key)
		in.gone = true
		m.removed = append(m.removed, in.key)
		return true
	})
	if m.full && len(m.instances) < m.rule.spec.Limit {
		m.full, m.unwrittenHeader = false, true
	}
	slices.SortStableFunc(out[before:], func(a, b Transition) int { return slices.Compare(a.Values, b.Values) })
	return out
}

// graceAfterStart is how long nobody is forgotten after somebody began to listen, unless silence takes longer to be told: who was away
// then may have been the daemon.
const graceAfterStart = time.Hour

func (m *Machine) grace() time.Duration {
	return min(m.rule.spec.Forget, max(graceAfterStart, 2*m.rule.spec.Absent))
}

// wait appends what follows for an instance from the clock alone.
func (m *Machine) wait(out []Transition, in *instance) []Transition {
	switch {
	case m.rule.spec.Absent > 0:
		out = m.listen(out, in)
	case m.rule.quorum != nil:
		m.dismiss(in)
		out = m.count(out, in, nil, m.wall.UnixNano())
	case m.rule.spec.Event:
		out = m.unfold(out, in)
	}
	return m.calm(out, in)
}
