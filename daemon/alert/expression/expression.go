// Package expression is the language of an alert's conditions: HCL's expressions over the fields and tags of a point.
//
// A condition is compiled once, to closures over the places of the values that it needs, and evaluated for every point
// without an allocation. HCL's own evaluator would take some hundred times as long; it only finds the constants here.
//
// A condition is true, false or unknown. It is unknown where it needs a field that the point does not have, or that has
// another type: a field that is not there must neither wake anybody nor look like health. What does not need the field is not
// touched by it: true || x and false && x are known whatever x is, on either side. has(x) asks for it and is always known.
// A number that is not finite is unknown too.
//
// Numbers are float64, as in InfluxDB's own arithmetic, and so are integers: above 2⁵³ neighbours are the same.
//
// All names are looked up when the condition is compiled: a name that neither the measurement nor the configuration has is an
// error with its place. So is an operation on the wrong type, as far as types were declared.
package expression

import (
	"fmt"
	"math"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/alert/window"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// Truth is the value of a condition.
type Truth uint8

// The three of them. Unknown is the zero value.
const (
	Unknown Truth = iota
	False
	True
)

func (t Truth) String() string { return [...]string{"unknown", "false", "true"}[t] }

// MarshalText writes it as a word.
func (t Truth) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the word.
func (t *Truth) UnmarshalText(text []byte) error {
	for _, known := range []Truth{Unknown, False, True} {
		if string(text) == known.String() {
			*t = known
			return nil
		}
	}
	return fmt.Errorf("%q is none of unknown, false and true", text)
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// float is a truth as the windows hold it.
func (t Truth) float() float64 {
	if t == Unknown {
		return math.NaN()
	}
	return float64(t - False)
}

// Condition is a compiled condition. It may be evaluated by several goroutines, each with rows of its own.
type Condition struct {
	truth func(*Row) Truth
	value func(*Row) float64
	text  string
	terms []*node
}

// Evaluate judges a row, whose aggregates are set if the condition has any.
func (c *Condition) Evaluate(row *Row) Truth { return c.truth(row) }

// Value is what the condition is about: the left side of its first comparison of numbers, such as total_time in
// total_time > 2. It is NaN if that is unknown, or if there is no such comparison.
func (c *Condition) Value(row *Row) float64 {
	if c.value == nil {
		return math.NaN()
	}
	return c.value(row)
}

// String writes the condition in one form, whatever its spaces and its constants' names: equal texts are equal conditions.
func (c *Condition) String() string { return c.text }

// Compile compiles a condition on the points of a layout. Constants are what needs no point: literals, and what refers to
// the variables of ctx, such as local.pattern. Aggregates are only allowed if the rule has a window, which aggregates
// gathers them for; otherwise it is nil. An expression that the configuration has kept brings its own context.
func (l *Layout) Compile(expr hcl.Expression, ctx *hcl.EvalContext, aggregates *Aggregates) (*Condition, hcl.Diagnostics) {
	if kept, ok := expr.(*config.Expression); ok {
		expr, ctx = kept.Expression, kept.Context
	}
	c := &compiler{layout: l, ctx: ctx, aggregates: aggregates}
	n := c.compile(expr)
	if n == nil {
		return nil, c.diags
	}
	truth := c.truthOf(n, "A condition")
	if n.constant && truth != nil && truth(nil) == Unknown {
		c.fail(n.at, "Condition without a value", "This is unknown whatever the point holds.")
	}
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return &Condition{truth, c.subject, n.text, c.terms}, c.diags
}

// Aggregates gathers the aggregates of a rule's conditions, each of them once, for the rule's windows.
type Aggregates struct {
	list    []window.Aggregate
	columns []column
	// places are those in list, by what is asked; columnPlaces those in columns, by what is aggregated.
	places, columnPlaces map[string]int
}

// column is what of a row goes into a window.
type column struct {
	text string
	of   func(*Row) float64
}

// Shape is that of the windows: each sample has the values of Sample.
func (a *Aggregates) Shape() window.Shape {
	return window.Shape{Columns: len(a.columns), Aggregates: a.list, Fingerprint: a.fingerprint()}
}

// Sample writes the values of a row's sample to dst, which has room for one for each column.
func (a *Aggregates) Sample(dst []float64, row *Row) {
	for i := range a.columns {
		dst[i] = a.columns[i].of(row)
	}
}
