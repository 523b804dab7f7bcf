package rule

import (
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// Set is the machines of all rules on one measurement: a point is read once for all of them. It is not safe for concurrent use.
type Set struct {
	reader   *expression.Reader
	machines []*Machine
}

// NewSet makes the set of machines whose rules were compiled on the layout.
func NewSet(layout *expression.Layout, machines ...*Machine) *Set {
	return &Set{layout.NewReader(), machines}
}

// Observe gives a point to every rule, and appends what follows from it to out.
func (s *Set) Observe(out []Transition, p *point.Point, now time.Time) []Transition {
	row := s.reader.Read(p)
	for _, m := range s.machines {
		out = m.Observe(out, row, p.Time, p.Update, now)
	}
	return out
}

// Tick appends what follows from the clock alone, rule by rule.
func (s *Set) Tick(out []Transition, now time.Time) []Transition {
	for _, m := range s.machines {
		out = m.Tick(out, now)
	}
	return out
}
