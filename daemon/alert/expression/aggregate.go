package expression

import (
	"fmt"
	"hash/fnv"
	"io"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/window"
)

// ops are the aggregates by name.
var ops = map[string]window.Op{
	"avg": window.Avg, "min": window.Min, "max": window.Max, "sum": window.Sum, "last": window.Last, "rate": window.Rate,
	"p": window.Percentile, "count": window.Count, "ratio": window.Ratio,
}

// aggregate compiles a value of the rule's window.
func (c *compiler) aggregate(op window.Op, e *hclsyntax.FunctionCallExpr) *node {
	switch {
	case c.inAggregate:
		return c.fail(e.Range(), "Aggregate within an aggregate", "%s aggregates the samples of the window: what it is given is evaluated for each of them.", e.Name)
	case c.aggregates == nil:
		return c.fail(e.Range(), "No window", "%s aggregates the samples of a window. A rule has one if it says over = \"5m\", but not in where, which chooses single points.", e.Name)
	}
	args := e.Args
	a := window.Aggregate{Op: op, Column: window.AllSamples}
	usage := e.Name + "(NUMBER)"
	least := 1
	switch op {
	case window.Count:
		usage, least = "count() or count(CONDITION)", 0
	case window.Ratio:
		usage = "ratio(CONDITION)"
	case window.Percentile:
		usage = "p(95, NUMBER)"
		if len(args) != 2 {
			return c.fail(e.Range(), "Wrong number of arguments", "It is %s.", usage)
		}
		if !c.isConstant(args[0]) {
			return c.fail(args[0].Range(), "Rank is no constant", "The rank of a percentile is a number: %s.", usage)
		}
		rank := c.compile(args[0])
		if rank == nil || c.numberOf(rank, e.Name) == nil {
			return nil
		}
		if a.Rank = rank.num(nil); a.Rank <= 0 || a.Rank > 100 {
			return c.fail(rank.at, "Invalid value", "The rank of a percentile is above 0 and at most 100: %s.", usage)
		}
		args = args[1:]
	}
	if len(args) < least || len(args) > 1 {
		return c.fail(e.Range(), "Wrong number of arguments", "It is %s.", usage)
	}
	n := &node{kind: Number, text: e.Name + "()", at: e.Range()}
	if len(args) == 1 {
		c.inAggregate = true
		x := c.compile(args[0])
		c.inAggregate = false
		if x == nil {
			return nil
		}
		column := column{text: x.text}
		if op == window.Count || op == window.Ratio {
			t := c.truthOf(x, e.Name)
			if t == nil {
				return nil
			}
			column.of = func(r *Row) float64 { return t(r).float() }
		} else {
			if column.of = c.numberOf(x, e.Name); column.of == nil {
				return nil
			}
			if op != window.Rate {
				n.unit = x.unit
			}
		}
		a.Column = c.aggregates.column(column)
		n.text = fmt.Sprintf("%s(%s)", e.Name, x.text)
		if op == window.Percentile {
			n.text = fmt.Sprintf("p(%v, %s)", a.Rank, x.text)
		}
	}
	place := c.aggregates.place(n.text, a)
	n.num = func(r *Row) float64 { return r.Aggregates[place] }
	return n
}

func (a *Aggregates) column(col column) int {
	if place, ok := a.columnPlaces[col.text]; ok {
		return place
	}
	if a.columnPlaces == nil {
		a.columnPlaces, a.places = map[string]int{}, map[string]int{}
	}
	a.columns = append(a.columns, col)
	a.columnPlaces[col.text] = len(a.columns) - 1
	return len(a.columns) - 1
}

func (a *Aggregates) place(text string, agg window.Aggregate) int {
	if place, ok := a.places[text]; ok {
		return place
	}
	if a.places == nil {
		a.columnPlaces, a.places = map[string]int{}, map[string]int{}
	}
	a.list = append(a.list, agg)
	a.places[text] = len(a.list) - 1
	return len(a.list) - 1
}

// fingerprint tells what the columns hold.
func (a *Aggregates) fingerprint() uint64 {
	h := fnv.New64a()
	for _, col := range a.columns {
		io.WriteString(h, col.text)
		h.Write([]byte{0})
	}
	return h.Sum64()
}
