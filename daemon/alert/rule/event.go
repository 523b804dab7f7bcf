package rule

import (
	"cmp"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
)

// hitsKept is how many hits of an instance are remembered, so that a point that arrives again is none.
const hitsKept = 32

// events is what an instance of a rule on events remembers. Points of several series come out of order, and no hit may be lost
// for that: so there is no newest point, but the times of the last hits, in order.
type events struct {
	hits []hit
	// Until then hits are not told but counted, and newest is the last of them.
	until  time.Duration
	count  int
	newest Transition
}

// hit is a point that was bad. Its series is 0 if it was known to another machine.
type hit struct {
	at     int64
	series uint64
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
	e.rewind(m.wall.UnixNano() + int64(aheadAllowed))
	beside, isNew := e.note(hit{at, m.observed.series()})
	if !isNew {
		m.stats.Late++
		return out
	}
	t := m.mark(in, Happened)
	t.At, t.Level, t.Value, t.Count, t.Bad, t.Of = time.Unix(0, at+beside), level, m.rule.aboutOf(row, int8(level)), 1, 0, 0
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

// rewind forgets hits that a clock has seen which was set back since: they would hide others for as long as they are the newest.
func (e *events) rewind(limit int64) {
	for n := len(e.hits); n > 0 && e.hits[n-1].at > limit; n-- {
		e.hits = e.hits[:n-1]
	}
}

// note remembers a hit, and reports whether it was not there before, and beside how many others of the same moment it is: two are not
// to be taken for one.
func (e *events) note(h hit) (beside int64, isNew bool) {
	i, _ := slices.BinarySearchFunc(e.hits, h, func(old, h hit) int { return cmp.Compare(old.at, h.at) })
	for _, old := range e.hits[i:] {
		if old.at != h.at {
			break
		}
		if old.series == h.series || old.series == 0 {
			return 0, false
		}
		beside++
	}
	if len(e.hits) == hitsKept {
		if i == 0 && e.hits[0].at != h.at {
			return 0, false
		}
		e.hits = slices.Delete(e.hits, 0, 1)
		i = max(i-1, 0)
	}
	e.hits = slices.Insert(e.hits, i, h)
	return beside, true
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
