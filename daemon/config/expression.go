package config

import (
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// The types of attributes that are not evaluated when the configuration is read, because they are about something that is not
// there yet: the values of a point, or the labels of an incident. The contract has none of them.
const (
	TypeCondition wire.Type = "condition"
	TypeTemplate  wire.Type = "template"
)

// Expression is the expression of such an attribute, with the context that belongs to it.
type Expression struct {
	hcl.Expression
	// Context has what the expression may refer to beside what it is about: variables, local values, and the elements of the
	// dynamic blocks that it stands in. None of them is unknown or a secret if the expression refers to it.
	Context *hcl.EvalContext
}

var keptType = cty.Capsule("expression", reflect.TypeFor[Expression]())

// kept is an expression whose value is itself, with the context that it would have been evaluated in. So it passes through
// whatever wraps expressions on the way, which is what dynamic blocks do.
type kept struct{ hclsyntax.Expression }

func (k kept) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return cty.CapsuleVal(keptType, &Expression{k.Expression, ctx}), nil
}

// keepIn makes the attributes of these names ones that are kept, in the body and in all blocks within.
func keepIn(body hcl.Body, names []string) {
	syntax, ok := body.(*hclsyntax.Body)
	if !ok {
		return
	}
	for _, a := range syntax.Attributes {
		if _, done := a.Expr.(kept); !done && slices.Contains(names, a.Name) {
			a.Expr = kept{a.Expr}
		}
	}
	for _, b := range syntax.Blocks {
		keepIn(b.Body, names)
	}
}

// keptNames are the names of the attributes in a schema that are kept.
func keptNames(schema wire.Schema) []string {
	var names []string
	for _, a := range schema.Attributes {
		if isKept(a.Type) {
			names = append(names, a.Name)
		}
	}
	for _, b := range schema.Blocks {
		names = append(names, keptNames(b.Schema)...)
	}
	return names
}

func isKept(typ wire.Type) bool { return typ == TypeCondition || typ == TypeTemplate }

// keep finds the expression of an attribute that is kept.
func (d *decoder) keep(a *hcl.Attribute) (*Expression, state) {
	v, ok := d.evaluate(a.Expr, d.scope.context(a.Range.Filename), false)
	if !ok {
		return nil, wrong
	}
	e := v.EncapsulatedValue().(*Expression)
	if literal, ok := e.Expression.(*hclsyntax.LiteralValueExpr); ok && literal.Val.IsNull() {
		return nil, absent
	}
	if refersToSecret(e.Expression, e.Context) {
		d.hide(a.Range)
		d.fail(e.Range(), "Secret in an expression", "What %s says is shown to everybody who sees the alert, so there can be no sensitive value in it. "+
			"Of what was made from one and is no secret, make a local value with nonsensitive(…).", a.Name)
		return nil, wrong
	}
	for _, t := range e.Variables() {
		if v, diags := t.TraverseAbs(e.Context); !diags.HasErrors() && !v.IsWhollyKnown() {
			d.follow(e.Range())
			return nil, wrong
		}
	}
	return e, found
}
