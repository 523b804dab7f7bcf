package rule

import (
	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/window"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// Explanation is what a rule makes of a point, part by part.
type Explanation struct {
	// Key is that of the instance that the point belongs to.
	Key string
	// Conditions are where, those of the levels from the least severity on, and recover.
	Conditions []Explained
}

// Explained is a condition and its parts.
type Explained struct {
	// What is "where", the severity of a level, or "recover".
	What string
	// Text is the condition in one form, whatever its spaces and its constants' names.
	Text  string
	Truth expression.Truth
	Terms []expression.Term
}

// Explain says what the rule of a machine of the set makes of a point. It judges nothing: a window is that of the samples before.
func (s *Set) Explain(m *Machine, p *point.Point) Explanation {
	row := s.reader.Read(p)
	k := m.keys
	k.read = false
	in := k.find(m.number, row)
	e := Explanation{Key: string(k.key)}
	if m.rule.aggregates != nil {
		w := window.New(&m.rule.shape)
		if in != nil {
			w = in.window.Window
		}
		w.Aggregates(m.aggregates)
		row.Aggregates = m.aggregates
	}
	add := func(what string, c *expression.Condition) {
		if c != nil {
			e.Conditions = append(e.Conditions, Explained{what, c.String(), c.Evaluate(row), c.Explain(row)})
		}
	}
	add("where", m.rule.where)
	for _, l := range m.rule.levels {
		add(l.severity, l.when)
	}
	add("recover", m.rule.recovered)
	return e
}
