package rule

import (
	"math"
	"time"
)

// hear takes a point of an instance whose rule is on silence.
func (m *Machine) hear(out []Transition, in *instance, at int64) []Transition {
	at, ok := m.ordered(in, &in.stream, at)
	if !ok {
		return out
	}
	m.stats.Samples++
	if in.any {
		in.pace.Step(time.Duration(at-in.newest), 0)
	}
	in.newest, in.any, in.seen, in.heard = at, true, m.now, m.now
	m.touch(in)
	if in.state != Firing {
		return out
	}
	return m.move(out, in, OK, 0, Heard, Transition{At: time.Unix(0, at), Value: math.NaN()})
}

// listen fires if nothing was heard of the instance for long enough since the last point, or since somebody listens.
func (m *Machine) listen(out []Transition, in *instance) []Transition {
	if m.quiet(in.heard) < m.rule.spec.Absent {
		return out
	}
	return m.move(out, in, Firing, 0, Silent, Transition{At: m.wall, Value: (m.now - in.heard).Seconds()})
}
