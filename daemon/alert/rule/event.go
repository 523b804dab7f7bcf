package rule

import (
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
)

// hitsKept is how many hits of an instance are remembered, so that a point that arrives again is none.
const hitsKept = 32

// events is what an instance of a rule on events remembers. Points of several series come out of order, and no hit may be lost
// for that: so there is no newest point, but the times of the last hits, in order.
type events struct {
	hits []int64
	// Until then hits are not told but counted, and newest is the last of them.
	until  time.Duration
	count  int
	newest Transition
}

// event tells a hit, unless one was told within fold: then it only counts.
func (m *Machine) event(out []Transition, in *instance, row *expression.Row, at int64) []Transition {
	in.seen, in.heard = m.now, m.now
	m.touch(in)
	m.stats.Samples++
	v, ok := m.rule.judge(row, true)
	if out, ok = m.known(out, in, &in.stream, ok); !ok {
		return out
	}
	level := notTripped
	for i := range m.rule.levels {
		if v.levels[i] == expression.True {
			level = i
		}
	}
	if level == notTripped {
		return out
	}
	if in.events == nil {
		in.events = new(events)
	}
	e := in.events
	if !e.isNew(at) {
		m.stats.Late++
		return out
	}
	t := m.mark(in, Happened)
	t.At, t.Level, t.Value, t.Count, t.Bad, t.Of = time.Unix(0, at), level, m.rule.aboutOf(row, int8(level)), 1, 0, 0
	if m.now < e.until {
		e.count++
		t.Sample = m.observed.keep()
		e.newest = t
		return out
	}
	out = m.unfold(out, in)
	e.until = m.now + m.rule.spec.Fold
	return m.tell(out, in, t)
}

// isNew reports whether a hit was not there before, and remembers it.
func (e *events) isNew(at int64) bool {
	i, found := slices.BinarySearch(e.hits, at)
	full := len(e.hits) == hitsKept
	if found || full && i == 0 {
		return false
	}
	if full {
		e.hits = slices.Delete(e.hits, 0, 1)
		i--
	}
	e.hits = slices.Insert(e.hits, i, at)
	return true
}

// unfold tells how many hits there were, once the fold has ended.
func (m *Machine) unfold(out []Transition, in *instance) []Transition {
	e := in.events
	if e == nil || e.count == 0 || m.now < e.until {
		return out
	}
	t := e.newest
	t.Reason, t.Count, e.count = More, e.count, 0
	e.newest = Transition{}
	m.touch(in)
	return m.tell(out, in, t)
}
