package expression

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// compiler turns one condition into closures and gathers all that is wrong with it.
type compiler struct {
	layout     *Layout
	ctx        *hcl.EvalContext
	aggregates *Aggregates
	diags      hcl.Diagnostics
	// inAggregate says that what is compiled is an aggregate's argument.
	inAggregate bool
	// subject is the left side of the first comparison of numbers.
	subject func(*Row) float64
	// terms are the values that the condition is made of, and what it asks of them.
	terms []*node
}

// node is a compiled expression. It has the closure of its kind, and one of Any has all three; an unknown number is NaN and
// an unknown text nil. After a mistake that was reported there is a nil node.
type node struct {
	kind     Kind
	num      func(*Row) float64
	truth    func(*Row) Truth
	str      func(*Row) []byte
	constant bool
	// unit is that of a declared field, or of an aggregate that has the unit of its argument.
	unit string
	text string
	at   hcl.Range
	// asks says that it is a question that has an answer, and no value.
	asks bool
}

func (c *compiler) fail(at hcl.Range, summary, detail string, args ...any) *node {
	c.diags = c.diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at})
	return nil
}

func (c *compiler) compile(expr hcl.Expression) *node {
	n := c.part(expr)
	c.isTerm(expr, n)
	return n
}

func (c *compiler) part(expr hcl.Expression) *node {
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return c.compile(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return c.compile(e.Wrapped)
	case *hclsyntax.LiteralValueExpr:
		return c.constant(e)
	case *hclsyntax.TemplateExpr:
		return c.template(e)
	case *hclsyntax.ScopeTraversalExpr:
		return c.name(e)
	case *hclsyntax.UnaryOpExpr:
		return c.unary(e)
	case *hclsyntax.BinaryOpExpr:
		return c.binary(e)
	case *hclsyntax.ConditionalExpr:
		return c.conditional(e)
	case *hclsyntax.FunctionCallExpr:
		return c.call(e)
	}
	if c.isConstant(expr) {
		return c.constant(expr)
	}
	return c.fail(expr.Range(), "Not possible in a condition", "A condition compares fields and tags, and combines comparisons with &&, || and !. "+
		"Lists, objects, for and [*] can only be made of constants.")
}

// isConstant reports whether an expression needs no point.
func (c *compiler) isConstant(expr hcl.Expression) bool {
	for _, t := range expr.Variables() {
		if !c.isVariable(t) {
			return false
		}
	}
	return true
}

// isVariable reports whether a traversal leads to a variable of the configuration, such as local.limit.
func (c *compiler) isVariable(t hcl.Traversal) bool {
	for ctx := c.ctx; ctx != nil && len(t) > 1; ctx = ctx.Parent() {
		if _, ok := ctx.Variables[t.RootName()]; ok {
			return true
		}
	}
	return false
}

func (c *compiler) name(e *hclsyntax.ScopeTraversalExpr) *node {
	if c.isVariable(e.Traversal) {
		return c.constant(e)
	}
	name := e.Traversal.RootName()
	if len(e.Traversal) > 1 {
		return c.fail(e.Range(), "Invalid name", "A field or tag is named by itself, as in %s, and not with dots or brackets.", last(e.Traversal))
	}
	place, ok := c.layout.slot(name)
	if !ok {
		return c.unknownName(name, e.Range())
	}
	s := c.layout.slots[place]
	n := &node{kind: s.kind, unit: s.unit, text: name, at: e.Range()}
	if s.kind == Number || s.kind == Any {
		n.num = func(r *Row) float64 { return r.cells[place].num }
	}
	if s.kind == Bool || s.kind == Any {
		n.truth = func(r *Row) Truth { return r.cells[place].truth }
	}
	if s.kind == Text || s.kind == Any {
		n.str = func(r *Row) []byte { return r.cells[place].text }
	}
	return n
}

// last is the name at the end of a traversal, which is most likely the field.
func last(t hcl.Traversal) string {
	if step, ok := t[len(t)-1].(hcl.TraverseAttr); ok {
		return step.Name
	}
	return t.RootName()
}

func (c *compiler) unknownName(name string, at hcl.Range) *node {
	l := c.layout
	detail := fmt.Sprintf("The points of %s have no field or tag %q.", l.measurement, name)
	names := l.names()
	parts := strings.Split(name, "-")
	known := func(part string) bool { _, field := l.fields[part]; return field || l.tags[part] }
	switch hint := config.DidYouMean(name, names); {
	case len(parts) > 1 && known(parts[0]) && (known(parts[1]) || strings.Trim(parts[1], "0123456789") == ""):
		detail += fmt.Sprintf(" In HCL a dash is a part of a name: to subtract, write %s.", strings.Join(parts, " - "))
	case hint != "":
		detail += hint
	default:
		detail += " There is: " + strings.Join(names, ", ") + "."
	}
	return c.fail(at, "Unknown field or tag", "%s", detail)
}

// numberOf is the closure of a node that has to be a number, or nil with an error.
func (c *compiler) numberOf(n *node, what string) func(*Row) float64 {
	if n.num == nil {
		c.wrongKind(n, what, Number)
	}
	return n.num
}

func (c *compiler) truthOf(n *node, what string) func(*Row) Truth {
	if n.truth == nil {
		c.wrongKind(n, what, Bool)
	}
	return n.truth
}

func (c *compiler) textOf(n *node, what string) func(*Row) []byte {
	if n.str == nil {
		c.wrongKind(n, what, Text)
	}
	return n.str
}

func (c *compiler) wrongKind(n *node, what string, want Kind) {
	hint := ""
	switch {
	case want == Bool && n.kind == Number:
		hint = fmt.Sprintf(" Compare it, as in %s > 0.", n.text)
	case want == Bool && n.kind == Text:
		hint = fmt.Sprintf(" Compare it, as in %s == \"…\".", n.text)
	}
	c.fail(n.at, "Wrong type", "%s needs a %s, and %s is a %s.%s", what, want, n.text, n.kind, hint)
}
