package expression

import (
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Term is a part of a condition: a value that it needs, or a question that it asks.
type Term struct {
	Text string
	// Value is what a value is, as it is written in a condition; it is empty for a question, and "unknown" for what is not there.
	Value string
	// Truth answers a question, and is that of a value that is one.
	Truth Truth
}

// Explain says of a row what each part of the condition is, in the order of the text: first the values, and then what is asked of
// them. What is combined with && and || is not listed, but for its parts. It is not for each point: it allocates.
func (c *Condition) Explain(row *Row) []Term {
	terms := make([]Term, len(c.terms))
	for i, n := range c.terms {
		terms[i] = n.explain(row)
	}
	return terms
}

func (n *node) explain(row *Row) Term {
	t := Term{Text: n.text}
	if n.truth != nil {
		t.Truth = n.truth(row)
	}
	if n.asks {
		return t
	}
	t.Value = Unknown.String()
	if t.Truth != Unknown {
		t.Value = t.Truth.String()
	}
	if n.num != nil {
		if f := n.num(row); f == f {
			t.Value = strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
	if n.str != nil {
		if b := n.str(row); b != nil {
			t.Value = strconv.Quote(string(b))
		}
	}
	return t
}

// isTerm notes what Explain lists. What is within an aggregate belongs to each sample of the window and is none of it.
func (c *compiler) isTerm(expr hcl.Expression, n *node) {
	if n == nil || n.constant || c.inAggregate {
		return
	}
	value := false
	switch e := expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		value = true
	case *hclsyntax.FunctionCallExpr:
		_, value = ops[e.Name]
		n.asks = n.kind == Bool
		if !value && !n.asks {
			return
		}
	case *hclsyntax.BinaryOpExpr:
		if n.kind != Bool || e.Op == hclsyntax.OpLogicalAnd || e.Op == hclsyntax.OpLogicalOr {
			return
		}
		n.asks = true
	default:
		return
	}
	if slices.ContainsFunc(c.terms, func(t *node) bool { return t.text == n.text }) {
		return
	}
	if !value {
		c.terms = append(c.terms, n)
		return
	}
	// Values come first.
	i := 0
	for i < len(c.terms) && !c.terms[i].asks {
		i++
	}
	c.terms = slices.Insert(c.terms, i, n)
}
