package expression

import (
	"bytes"
	"fmt"
	"math"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// symbols are the operators as they are written.
var symbols = map[*hclsyntax.Operation]string{
	hclsyntax.OpLogicalOr: "||", hclsyntax.OpLogicalAnd: "&&", hclsyntax.OpLogicalNot: "!", hclsyntax.OpEqual: "==", hclsyntax.OpNotEqual: "!=",
	hclsyntax.OpGreaterThan: ">", hclsyntax.OpGreaterThanOrEqual: ">=", hclsyntax.OpLessThan: "<", hclsyntax.OpLessThanOrEqual: "<=",
	hclsyntax.OpAdd: "+", hclsyntax.OpSubtract: "-", hclsyntax.OpMultiply: "*", hclsyntax.OpDivide: "/", hclsyntax.OpModulo: "%", hclsyntax.OpNegate: "-",
}

func (c *compiler) unary(e *hclsyntax.UnaryOpExpr) *node {
	x := c.compile(e.Val)
	if x == nil {
		return nil
	}
	n := &node{constant: x.constant, text: symbols[e.Op] + x.text, at: e.Range()}
	if e.Op == hclsyntax.OpNegate {
		num := c.numberOf(x, "-")
		if num == nil {
			return nil
		}
		n.kind, n.unit, n.num = Number, x.unit, func(r *Row) float64 { return -num(r) }
		return c.folded(n)
	}
	t := c.truthOf(x, "!")
	if t == nil {
		return nil
	}
	n.kind, n.truth = Bool, func(r *Row) Truth { return not(t(r)) }
	return c.folded(n)
}

func not(t Truth) Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	}
	return Unknown
}

func (c *compiler) binary(e *hclsyntax.BinaryOpExpr) *node {
	a, b := c.compile(e.LHS), c.compile(e.RHS)
	if a == nil || b == nil {
		return nil
	}
	symbol := symbols[e.Op]
	n := &node{kind: Bool, at: e.Range(), constant: a.constant && b.constant}
	switch e.Op {
	case hclsyntax.OpLogicalOr, hclsyntax.OpLogicalAnd:
		x, y := c.truthOf(a, symbol), c.truthOf(b, symbol)
		if x == nil || y == nil {
			return nil
		}
		n.truth = logic(e.Op == hclsyntax.OpLogicalOr, x, y)
	case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
		c.measure(a, b)
		if n.truth = c.equality(a, b, symbol, n); n.truth == nil {
			return nil
		}
		if e.Op == hclsyntax.OpNotEqual {
			equal := n.truth
			n.truth = func(r *Row) Truth { return not(equal(r)) }
		}
	case hclsyntax.OpGreaterThan, hclsyntax.OpGreaterThanOrEqual, hclsyntax.OpLessThan, hclsyntax.OpLessThanOrEqual:
		c.measure(a, b)
		x, y := c.numberOf(a, symbol), c.numberOf(b, symbol)
		if x == nil || y == nil {
			return nil
		}
		c.isAbout(a, b)
		n.truth = order(e.Op, x, y)
		if b.constant {
			n.truth = orderTo(e.Op, x, y(nil))
		}
	default:
		x, y := c.numberOf(a, symbol), c.numberOf(b, symbol)
		if x == nil || y == nil {
			return nil
		}
		n.kind, n.num = Number, arithmetic(e.Op, x, y)
		if a.unit == b.unit && (e.Op == hclsyntax.OpAdd || e.Op == hclsyntax.OpSubtract) {
			n.unit = a.unit
		}
	}
	// measure may have written a text anew.
	n.text = fmt.Sprintf("(%s %s %s)", a.text, symbol, b.text)
	return c.folded(n)
}

// isAbout notes what a comparison of numbers compares.
func (c *compiler) isAbout(a, b *node) {
	if a.constant {
		a = b
	}
	if c.subject == nil && !a.constant && !c.inAggregate {
		c.subject = a.num
	}
}

// logic is || and &&: the side that decides alone does so whatever is known of the other.
func logic(or bool, x, y func(*Row) Truth) func(*Row) Truth {
	decides := False
	if or {
		decides = True
	}
	return func(r *Row) Truth {
		a := x(r)
		if a == decides {
			return a
		}
		b := y(r)
		if b == decides || a != Unknown {
			return b
		}
		return Unknown
	}
}

func (c *compiler) equality(a, b *node, symbol string, n *node) func(*Row) Truth {
	if a.kind != b.kind && a.kind != Any && b.kind != Any {
		c.fail(n.at, "Wrong type", "%s compares two values of one type: %s is a %s, and %s is a %s.", symbol, a.text, a.kind, b.text, b.kind)
		return nil
	}
	kind := max(a.kind, b.kind)
	if kind == Number {
		c.isAbout(a, b)
	}
	numbers := func(r *Row) Truth {
		x, y := a.num(r), b.num(r)
		if x != x || y != y {
			return Unknown
		}
		return truth(x == y)
	}
	truths := func(r *Row) Truth {
		x, y := a.truth(r), b.truth(r)
		if x == Unknown || y == Unknown {
			return Unknown
		}
		return truth(x == y)
	}
	texts := func(r *Row) Truth {
		x, y := a.str(r), b.str(r)
		if x == nil || y == nil {
			return Unknown
		}
		return truth(bytes.Equal(x, y))
	}
	switch kind {
	case Number:
		return numbers
	case Bool:
		return truths
	case Text:
		return texts
	}
	return func(r *Row) Truth {
		if t := numbers(r); t != Unknown {
			return t
		}
		if t := truths(r); t != Unknown {
			return t
		}
		return texts(r)
	}
}

// order compares numbers; NaN is unknown.
func order(op *hclsyntax.Operation, x, y func(*Row) float64) func(*Row) Truth {
	return func(r *Row) Truth {
		a, b := x(r), y(r)
		if a != a || b != b {
			return Unknown
		}
		switch op {
		case hclsyntax.OpGreaterThan:
			return truth(a > b)
		case hclsyntax.OpGreaterThanOrEqual:
			return truth(a >= b)
		case hclsyntax.OpLessThan:
			return truth(a < b)
		}
		return truth(a <= b)
	}
}

// orderTo compares with a constant, which nearly all comparisons do.
func orderTo(op *hclsyntax.Operation, x func(*Row) float64, limit float64) func(*Row) Truth {
	known := func(a float64, t bool) Truth {
		if a != a {
			return Unknown
		}
		return truth(t)
	}
	switch op {
	case hclsyntax.OpGreaterThan:
		return func(r *Row) Truth { a := x(r); return known(a, a > limit) }
	case hclsyntax.OpGreaterThanOrEqual:
		return func(r *Row) Truth { a := x(r); return known(a, a >= limit) }
	case hclsyntax.OpLessThan:
		return func(r *Row) Truth { a := x(r); return known(a, a < limit) }
	}
	return func(r *Row) Truth { a := x(r); return known(a, a <= limit) }
}

// arithmetic has no number for a division by zero, and none for what is too large.
func arithmetic(op *hclsyntax.Operation, x, y func(*Row) float64) func(*Row) float64 {
	switch op {
	case hclsyntax.OpAdd:
		return func(r *Row) float64 { return finite(x(r) + y(r)) }
	case hclsyntax.OpSubtract:
		return func(r *Row) float64 { return finite(x(r) - y(r)) }
	case hclsyntax.OpMultiply:
		return func(r *Row) float64 { return finite(x(r) * y(r)) }
	case hclsyntax.OpDivide:
		return func(r *Row) float64 { return finite(x(r) / y(r)) }
	}
	return func(r *Row) float64 { return math.Mod(x(r), y(r)) }
}

func (c *compiler) conditional(e *hclsyntax.ConditionalExpr) *node {
	condition, yes, no := c.compile(e.Condition), c.compile(e.TrueResult), c.compile(e.FalseResult)
	if condition == nil || yes == nil || no == nil {
		return nil
	}
	if yes.kind != no.kind && yes.kind != Any && no.kind != Any {
		return c.fail(e.Range(), "Wrong type", "Both results have to be of one type: %s is a %s, and %s is a %s.", yes.text, yes.kind, no.text, no.kind)
	}
	t := c.truthOf(condition, "?")
	if t == nil {
		return nil
	}
	n := &node{kind: max(yes.kind, no.kind), at: e.Range(), constant: condition.constant && yes.constant && no.constant}
	n.text = fmt.Sprintf("(%s ? %s : %s)", condition.text, yes.text, no.text)
	if yes.unit == no.unit {
		n.unit = yes.unit
	}
	if yes.num != nil && no.num != nil {
		n.num = func(r *Row) float64 {
			switch t(r) {
			case True:
				return yes.num(r)
			case False:
				return no.num(r)
			}
			return math.NaN()
		}
	}
	if yes.truth != nil && no.truth != nil {
		n.truth = func(r *Row) Truth {
			switch t(r) {
			case True:
				return yes.truth(r)
			case False:
				return no.truth(r)
			}
			return Unknown
		}
	}
	if yes.str != nil && no.str != nil {
		n.str = func(r *Row) []byte {
			switch t(r) {
			case True:
				return yes.str(r)
			case False:
				return no.str(r)
			}
			return nil
		}
	}
	return c.folded(n)
}
