package rule

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/window"
)

// instance is the state of one combination of the values of by.
type instance struct {
	// key is the values, with a NUL between them: no value has one.
	key string
	// seen is when the last point came, by the machine's clock, and heard when the last one that said something did.
	seen, heard time.Duration
	// born is when the instance was made, by the same clock.
	born time.Duration
	// fired is the time of the sample that made it fire, or 0, and since that of what made it what it is.
	fired, since int64
	stream
	state    State
	level    int8
	expected bool
	// unwritten says that it has changed since it was written, and gone that there is no such instance any more.
	unwritten, gone bool
	window          *windowed
	flap            *flap
	voters          []voter
	events          *events
	recent          *recent
}

// windowed is what an instance of a rule with a window has beside its stream.
type windowed struct {
	*window.Window
	// pace is that of the points: the stream's is that of the judgements.
	pace           window.Pace
	newest, judged int64
	any            bool
}

func newWindowed(r *Rule) *windowed {
	w := &windowed{Window: window.New(&r.shape)}
	w.pace.SetUsual(r.spec.Interval)
	return w
}

// take takes a sample into the window, and reports whether it was taken and whether the window is to be judged now.
func (w *windowed) take(r *Rule, sample []float64, at int64) (taken, due bool) {
	if w.any && at <= w.newest || !w.Add(at, sample) {
		return false, false
	}
	if w.any && w.pace.Step(time.Duration(at-w.newest), 0) {
		w.Hole(at)
	}
	if w.newest = at; w.any && at-w.judged < int64(r.spec.Every) {
		return true, false
	}
	w.any, w.judged = true, at
	return true, true
}

// flap is how often an instance has changed.
type flap struct {
	changes  []time.Duration
	flapping bool
}

func (in *instance) values() []string { return strings.Split(in.key, "\x00") }

// move makes the instance what its samples say, and tells what has changed.
func (m *Machine) move(out []Transition, in *instance, to State, level int8, reason Reason, t Transition) []Transition {
	from := in.state
	raised := to == Firing && from == Firing && level > in.level
	if to == from && !raised {
		return out
	}
	switch {
	case raised:
		reason, in.level = Worse, level
	case to == Firing:
		in.level, in.fired = level, t.At.UnixNano()
	}
	if to != from {
		in.state, in.since = to, t.At.UnixNano()
	}
	m.touch(in)
	t.Level = int(in.level)
	if in.fired != 0 {
		t.Fired = time.Unix(0, in.fired)
	}
	t.Rule, t.Key, t.Values, t.From, t.To, t.Reason = m.rule, in.key, m.valuesOf(in), from, to, reason
	if to != Firing && from == Firing {
		in.fired = 0
	}
	if !raised && (from == Firing) != (to == Firing) {
		return m.changed(out, in, t)
	}
	t.Flapping = in.flap != nil && in.flap.flapping
	return m.tell(out, in, t)
}

// tell appends a transition, with what is known of the instance beside it.
func (m *Machine) tell(out []Transition, in *instance, t Transition) []Transition {
	t.Who, t.Recent = m.who(in), in.recent.list()
	return append(out, t)
}

func (m *Machine) valuesOf(in *instance) []string {
	if len(m.rule.by) == 0 {
		return nil
	}
	return in.values()
}

// changed notes that an instance began or ceased to fire, and whether it flaps by that.
func (m *Machine) changed(out []Transition, in *instance, t Transition) []Transition {
	limits := m.rule.spec.Flap
	if limits.Changes == 0 {
		return m.tell(out, in, t)
	}
	if in.flap == nil {
		in.flap = &flap{changes: make([]time.Duration, 0, limits.Changes)}
	}
	f := in.flap
	if len(f.changes) == limits.Changes {
		f.changes = slices.Delete(f.changes, 0, 1)
	}
	f.changes = append(f.changes, m.now)
	begins := !f.flapping && len(f.changes) == limits.Changes && m.now-f.changes[0] <= limits.Within
	f.flapping = f.flapping || begins
	t.Flapping = f.flapping
	out = m.tell(out, in, t)
	if begins {
		t.From, t.Reason = t.To, FlapBegins
		out = m.tell(out, in, t)
	}
	return out
}

// calm ends the flapping of an instance that was calm for long enough, and forgets changes that no longer count.
func (m *Machine) calm(out []Transition, in *instance) []Transition {
	f := in.flap
	if f == nil {
		return out
	}
	last := f.changes[len(f.changes)-1]
	switch {
	case f.flapping && m.quiet(last) >= m.rule.spec.Flap.Calm:
		in.flap = nil
		m.touch(in)
		return m.tell(out, in, m.mark(in, FlapEnds))
	case !f.flapping && m.now-last > m.rule.spec.Flap.Within:
		in.flap = nil
		m.touch(in)
	}
	return out
}

// mark is a transition that changes no state.
func (m *Machine) mark(in *instance, reason Reason) Transition {
	t := Transition{Rule: m.rule, Key: in.key, Values: m.valuesOf(in), From: in.state, To: in.state, Reason: reason, Level: int(in.level), At: m.wall, Value: math.NaN()}
	t.Bad, t.Of = m.counts(in)
	if in.fired != 0 {
		t.Fired = time.Unix(0, in.fired)
	}
	t.Flapping = in.flap != nil && in.flap.flapping && reason != FlapEnds
	return t
}

func (m *Machine) counts(in *instance) (bad, of int) {
	if m.rule.quorum != nil {
		b := m.votes(in)
		return b.bad, b.voting
	}
	return in.bad(), m.rule.fire.Of
}

// aboutOf is what the condition of a level is about.
func (r *Rule) aboutOf(row *expression.Row, level int8) float64 {
	if when := r.levels[max(level, 0)].when; when != nil {
		return when.Value(row)
	}
	return math.NaN()
}
