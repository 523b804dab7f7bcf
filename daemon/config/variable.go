package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variable is a variable block. What is within is read when the variable is needed.
type variable struct {
	block *hcl.Block

	typ       cty.Type
	typed     bool
	at        hcl.Range // of the type, or of the block's header
	defaults  *typeexpr.Defaults
	fallback  *hcl.Attribute
	about     string // its description, in brackets
	sensitive bool
	rules     hcl.Blocks
}

func (v *variable) name() string { return v.block.Labels[0] }

var variableBody = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
}

var validationBody = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "condition", Required: true}, {Name: "error_message", Required: true}},
}

// declarations finds the variables by their names.
func (d *decoder) declarations(blocks hcl.Blocks) map[string]*variable {
	found := map[string]*variable{}
	for _, block := range blocks {
		name := block.Labels[0]
		switch first := found[name]; {
		case !hclsyntax.ValidIdentifier(name):
			d.fail(block.LabelRanges[0], "Invalid variable name",
				"%q can not be the name of a variable: use letters, digits, dashes and underscores, a letter first.", name)
		case first != nil:
			d.fail(block.DefRange, "Duplicate variable", "There is a variable %q already, at %s.", name, position(first.block.DefRange))
		default:
			found[name] = &variable{block: block}
			d.hideSecretDefault(block)
		}
	}
	return found
}

// hideSecretDefault keeps the default of a sensitive variable out of snippets, whatever else is wrong.
func (d *decoder) hideSecretDefault(block *hcl.Block) {
	content, _, _ := block.Body.PartialContent(variableBody)
	secret, fallback := content.Attributes["sensitive"], content.Attributes["default"]
	if secret == nil || fallback == nil {
		return
	}
	if v, diags := secret.Expr.Value(nil); diags.HasErrors() || v.Type() != cty.Bool || !v.IsKnown() || v.IsNull() || v.True() {
		d.hide(fallback.Range)
	}
}

// declare reads the variable's block.
func (d *decoder) declare(v *variable) bool {
	before := d.errors()
	content, diags := v.block.Body.Content(variableBody)
	d.diags = append(d.diags, diags...)
	v.typ, v.at = cty.DynamicPseudoType, v.block.DefRange
	v.fallback = content.Attributes["default"]
	v.rules = content.Blocks
	if a := content.Attributes["type"]; a != nil {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		d.diags = append(d.diags, diags...)
		v.typ, v.defaults, v.typed, v.at = typ, defaults, true, a.Expr.Range()
	}
	if a := content.Attributes["description"]; a != nil {
		if text, ok := d.constant(a, cty.String); ok {
			v.about = " (" + text.AsString() + ")"
		}
	}
	if a := content.Attributes["sensitive"]; a != nil {
		if is, ok := d.constant(a, cty.Bool); ok {
			v.sensitive = is.True()
		}
	}
	return d.errors() == before
}

// constant evaluates an argument that says something about the configuration rather than being a part of it.
func (d *decoder) constant(a *hcl.Attribute, typ cty.Type) (cty.Value, bool) {
	v, diags := a.Expr.Value(nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return v, false
	}
	v, err := convert.Convert(v, typ)
	if err != nil || v.IsNull() || !v.IsKnown() {
		what := "a text"
		if typ == cty.Bool {
			what = "true or false"
		}
		d.fail(a.Expr.Range(), "Invalid value", "%s must be %s.", a.Name, what)
		return v, false
	}
	return v, true
}

// variable finds the value of a variable: the one that was given, or its default.
func (d *decoder) variable(v *variable, given *assignment) cty.Value {
	if !d.declare(v) {
		return cty.DynamicVal
	}
	if given == nil && v.fallback != nil {
		given = &assignment{expr: v.fallback.Expr, source: "its default", at: v.fallback.Range}
	}
	if given == nil {
		name := v.name()
		d.fail(v.block.DefRange, "No value for variable",
			"The variable %q%s has no default, and nothing gives it a value. Use -var %s=…, a file *%s, or the environment variable %s.",
			name, v.about, name, varsSuffix, environmentName(name))
		return cty.DynamicVal
	}
	if v.sensitive {
		d.hide(given.at)
	}
	value, ok := d.assigned(v, given)
	if !ok {
		return cty.DynamicVal
	}
	if value.IsNull() && v.fallback != nil && given.expr != v.fallback.Expr {
		return d.variable(v, nil)
	}
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		reason := ": " + err.Error()
		if v.sensitive || value.ContainsMarked() {
			reason = ""
		}
		d.fail(given.place(v), "Invalid value for variable", "The value of the variable %q, from %s, does not fit its type %s%s.",
			v.name(), given.source, typeexpr.TypeString(v.typ), reason)
		return cty.DynamicVal
	}
	if converted.IsNull() {
		d.fail(given.place(v), "Invalid value for variable", "The value of the variable %q, from %s, is null.", v.name(), given.source)
		return cty.DynamicVal
	}
	if v.sensitive {
		converted = converted.Mark(sensitive)
	}
	return converted
}

// assigned evaluates what was given to a variable, before it gets the variable's type.
func (d *decoder) assigned(v *variable, given *assignment) (cty.Value, bool) {
	if given.expr != nil {
		return d.evaluate(given.expr, d.scope.constant(given.at.Filename), v.sensitive)
	}
	if !v.typed || v.typ.IsPrimitiveType() {
		return cty.StringVal(given.text), true
	}
	expr, diags := hclsyntax.ParseExpression([]byte(given.text), given.source, hcl.InitialPos)
	var value cty.Value
	if !diags.HasErrors() {
		value, diags = expr.Value(nil)
	}
	if diags.HasErrors() {
		reason := diags[0].Detail
		if v.sensitive {
			reason = ""
		}
		d.fail(v.at, "Invalid value for variable", "The value of the variable %q, from %s, is no expression of type %s. %s",
			v.name(), given.source, typeexpr.TypeString(v.typ), reason)
		return cty.DynamicVal, false
	}
	return value, true
}

// validateVariables holds the values against the rules of the variables. A value that breaks one is unknown from then on.
func (d *decoder) validateVariables(all map[string]*variable, given map[string]*assignment) {
	values := cty.ObjectVal(d.scope.vars)
	broken := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		for _, rule := range v.rules {
			ctx := d.scope.constant(rule.DefRange.Filename)
			ctx.Variables = map[string]cty.Value{"var": values}
			content, diags := rule.Body.Content(validationBody)
			d.diags = append(d.diags, diags...)
			if diags.HasErrors() {
				continue
			}
			if !d.holds(content.Attributes["condition"], ctx) {
				at := v.block.DefRange
				if given[name] != nil {
					at = given[name].place(v)
				} else if v.fallback != nil {
					at = v.fallback.Expr.Range()
				}
				d.fail(at, "Invalid value for variable", "%s This is the rule at %s.",
					d.message(content.Attributes["error_message"], ctx), position(rule.DefRange))
				broken[name] = true
			}
		}
	}
	for name := range broken {
		d.scope.vars[name] = cty.DynamicVal
	}
}

// holds evaluates the condition of a rule. One that can not be judged, for a mistake that was reported, holds.
func (d *decoder) holds(a *hcl.Attribute, ctx *hcl.EvalContext) bool {
	v, ok := d.evaluate(a.Expr, ctx, false)
	if !ok || !v.IsKnown() {
		return true
	}
	v, _ = v.UnmarkDeep()
	v, err := convert.Convert(v, cty.Bool)
	if err != nil || v.IsNull() {
		d.fail(a.Expr.Range(), "Invalid condition", "A condition must be true or false.")
		return true
	}
	return !v.IsKnown() || v.True()
}

func (d *decoder) message(a *hcl.Attribute, ctx *hcl.EvalContext) string {
	v, ok := d.evaluate(a.Expr, ctx, false)
	if ok && v.ContainsMarked() {
		return "The rule's message is not shown, because it has a sensitive value in it."
	}
	if ok {
		if text, err := convert.Convert(v, cty.String); err == nil && text.IsKnown() && !text.IsNull() {
			return sentence(text.AsString())
		}
	}
	return "The value breaks a rule."
}

func environmentName(name string) string { return fmt.Sprintf("VEDETTE_VAR_%s", name) }
