// Package template is the texts of notices: HCL's templates over the values of a sample and of its alert.
//
// Everything that can be told before there is a value is told when a template is compiled: names that nobody has, functions that
// there are not, types that do not fit, secrets. When it is rendered, a value that the sample lacks is a question mark, and no reason
// not to tell anybody.
//
// What is watched may be hostile, and its texts go to terminals, mails and chats. What is rendered has no control characters, nothing
// that turns the direction of writing or that nobody sees, and it ends at a limit.
package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// Template is a text with places for values. It is safe for concurrent use.
type Template struct {
	expr hcl.Expression
	ctx  *hcl.EvalContext
	// names are those that it refers to, of the sample and of the alert.
	names []string
}

// own are the names of what an alert says of itself, with their types. A field of such a name is hidden by it: a notice's own words mean
// the same in every alert.
var own = map[string]cty.Type{
	"alert": cty.String, "severity": cty.String, "key": cty.String, "incident": cty.String, "state": cty.String, "spark": cty.String,
	"value": cty.Number, "bad": cty.Number, "of": cty.Number, "folded": cty.Number,
	"level": cty.DynamicPseudoType, "since": cty.DynamicPseudoType,
	"quorum": cty.Object(map[string]cty.Type{"bad": cty.Number, "voting": cty.Number, "who": cty.List(cty.String)}),
}

// impure are functions whose result is not made of their arguments.
var impure = []string{"env", "file", "fileset", "hostname"}

// Compile compiles a template. names are the fields and tags that a sample may have; ctx has the functions and variables of the
// configuration.
func Compile(expr hcl.Expression, ctx *hcl.EvalContext, names []string) (*Template, hcl.Diagnostics) {
	c := &compiler{names: names, template: &Template{expr: expr, ctx: ctx}}
	for _, t := range expr.Variables() {
		c.name(t)
	}
	if node, ok := expr.(hclsyntax.Node); ok {
		c.diags = c.diags.Extend(hclsyntax.Walk(node, &calls{template: c.template}))
	}
	if !c.diags.HasErrors() {
		c.types()
	}
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return c.template, c.diags
}

type compiler struct {
	names    []string
	template *Template
	diags    hcl.Diagnostics
}

func failure(at hcl.Range, summary, detail string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at}}
}

// isVariable reports whether a traversal leads to a variable of the configuration, such as local.site.
func (t *Template) isVariable(of hcl.Traversal) bool {
	for ctx := t.ctx; ctx != nil && len(of) > 1; ctx = ctx.Parent() {
		if _, ok := ctx.Variables[of.RootName()]; ok {
			return true
		}
	}
	return false
}

// functions are the names of all functions, in order.
func (t *Template) functions() []string {
	names := slices.Collect(maps.Keys(functions))
	for ctx := t.ctx; ctx != nil; ctx = ctx.Parent() {
		names = slices.AppendSeq(names, maps.Keys(ctx.Functions))
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// name holds that there is what a traversal leads to.
func (c *compiler) name(t hcl.Traversal) {
	root, at := t.RootName(), t.SourceRange()
	typ, isOwn := own[root]
	switch {
	case c.template.isVariable(t):
		return
	case isOwn:
		if step, ok := attribute(t); ok && typ.IsObjectType() && !typ.HasAttribute(step) {
			parts := slices.Sorted(maps.Keys(typ.AttributeTypes()))
			c.diags = c.diags.Extend(failure(at, "Unknown name", "%s has no %q: there is %s.%s", root, step, strings.Join(parts, ", "), config.DidYouMean(step, parts)))
		}
	case !slices.Contains(c.names, root):
		all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.names, slices.Collect(maps.Keys(own))))))
		hint := config.DidYouMean(root, all)
		if hint == "" {
			hint = " There is: " + strings.Join(all, ", ") + "."
		}
		c.diags = c.diags.Extend(failure(at, "Unknown name", "Neither a sample nor an alert has %q.%s", root, hint))
		return
	case len(t) > 1:
		c.diags = c.diags.Extend(failure(at, "Invalid name", "A field or tag is named by itself, without dots or brackets: %s has no parts.", root))
		return
	}
	if !slices.Contains(c.template.names, root) {
		c.template.names = append(c.template.names, root)
	}
}

// attribute is the first step of a traversal if it is a name.
func attribute(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	step, ok := t[1].(hcl.TraverseAttr)
	return step.Name, ok
}

// calls looks at the calls of functions and at what is a secret. Only what nonsensitive is given may be one.
type calls struct {
	template *Template
	revealed int
}

func (c *calls) Enter(node hclsyntax.Node) hcl.Diagnostics {
	switch n := node.(type) {
	case *hclsyntax.FunctionCallExpr:
		names := c.template.functions()
		switch {
		case !slices.Contains(names, n.Name):
			return failure(n.NameRange, "Unknown function", "There is no function %q.%s", n.Name, config.DidYouMean(n.Name, names))
		case n.Name == "nonsensitive":
			c.revealed++
		case n.Name == "secret" || n.Name == "sensitive":
			return c.secret(n.Range())
		case slices.Contains(impure, n.Name):
			return failure(n.NameRange, "Not possible in a text", "What %s finds may change, and a text is made of the sample alone. Call it in a locals block.", n.Name)
		case (n.Name == "format" || n.Name == "formatlist") && len(n.Args) > 0 && !c.constant(n.Args[0]):
			return failure(n.Args[0].Range(), "Format is no constant", "A format that is made of fields could ask for any width.")
		}
	case *hclsyntax.ScopeTraversalExpr:
		if !c.template.isVariable(n.Traversal) {
			return nil
		}
		if v, _ := n.Traversal.TraverseAbs(c.template.ctx); v.ContainsMarked() {
			return c.secret(n.Range())
		}
	}
	return nil
}

func (c *calls) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if n, ok := node.(*hclsyntax.FunctionCallExpr); ok && n.Name == "nonsensitive" {
		c.revealed--
	}
	return nil
}

func (c *calls) constant(expr hclsyntax.Expression) bool {
	return !slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool { return !c.template.isVariable(t) })
}

func (c *calls) secret(at hcl.Range) hcl.Diagnostics {
	if c.revealed > 0 {
		return nil
	}
	return failure(at, "Secret in a text", "Notices are read by everybody who gets them: there can be no secret in one.")
}

// types holds that types fit, as far as they can be told: those of fields can not, so an error is what no type is right for.
func (c *compiler) types() {
	t := c.template
	unknown := map[string]cty.Value{}
	for _, name := range t.names {
		unknown[name] = cty.DynamicVal
		if typ, ok := own[name]; ok {
			unknown[name] = cty.UnknownVal(typ)
		}
	}
	if c.try(unknown); c.diags.HasErrors() {
		return
	}
	for _, name := range t.names {
		if _, ok := own[name]; ok {
			continue
		}
		var diags hcl.Diagnostics
		for _, typ := range []cty.Type{cty.Number, cty.Bool, cty.String} {
			one := maps.Clone(unknown)
			one[name] = cty.UnknownVal(typ)
			attempt := &compiler{template: t}
			attempt.try(one)
			if diags = attempt.diags; !diags.HasErrors() {
				break
			}
		}
		if c.diags = c.diags.Extend(diags); diags.HasErrors() {
			return
		}
	}
}

// try evaluates the whole template, and holds that it is a text.
func (c *compiler) try(values map[string]cty.Value) {
	v, diags := c.template.expr.Value(c.template.context(values))
	c.diags = c.diags.Extend(diags)
	if diags.HasErrors() {
		return
	}
	if v.ContainsMarked() {
		c.diags = c.diags.Extend((&calls{}).secret(c.template.expr.Range()))
	}
	c.parts(c.template.expr, values)
}

// parts holds that what the renderer writes can be written: HCL does not look at the type of what is not known.
func (c *compiler) parts(expr hcl.Expression, values map[string]cty.Value) {
	switch e := expr.(type) {
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			c.parts(part, values)
		}
		return
	case *hclsyntax.TemplateWrapExpr:
		c.parts(e.Wrapped, values)
		return
	case *hclsyntax.ParenthesesExpr:
		c.parts(e.Expression, values)
		return
	case *hclsyntax.ConditionalExpr:
		c.parts(e.TrueResult, values)
		c.parts(e.FalseResult, values)
		return
	}
	v, _ := expr.Value(c.template.context(values))
	if typ := v.Type(); typ != cty.DynamicPseudoType && !isSimple(typ) && !isListing(typ) {
		c.diags = c.diags.Extend(failure(expr.Range(), "Wrong type", "A text is required, and not a value of the type %s.", typ.FriendlyName()))
	}
}

// context has the values of the names, and what templates have beside the functions of the configuration.
func (t *Template) context(values map[string]cty.Value) *hcl.EvalContext {
	if t.ctx == nil {
		return &hcl.EvalContext{Variables: values, Functions: functions}
	}
	ctx := t.ctx.NewChild()
	ctx.Variables, ctx.Functions = values, functions
	return ctx
}

// Values are those of a sample and of its alert, by name: texts, truth values, numbers, lists of texts, and for quorum a map of these.
// What is not there, or no number, is missing.
type Values map[string]any

// Render writes the text in one line.
func (t *Template) Render(v Values) (string, error) { return t.render(v, MaxLine, false) }

// RenderLines writes a longer text, whose line breaks stay.
func (t *Template) RenderLines(v Values) (string, error) { return t.render(v, MaxLines, true) }

func (t *Template) render(v Values, limit int, lines bool) (string, error) {
	null, unknown := map[string]cty.Value{}, map[string]cty.Value{}
	for _, name := range t.names {
		null[name], unknown[name] = valueOf(v[name]), cty.DynamicVal
		if !null[name].IsNull() {
			unknown[name] = null[name]
		}
	}
	r := renderer{null: t.context(null), unknown: t.context(unknown)}
	if err := r.write(t.expr); err != nil {
		return "", fmt.Errorf("%s: rendering a text: %w", t.expr.Range(), err)
	}
	return Clean(r.text.String(), limit, lines), nil
}

// missing stands for what could not be made, because a value is missing.
const missing = "?"

// renderer writes the parts of a template one by one: what is missing in one is no harm to the others.
type renderer struct {
	// In null a value that is missing is null, so that coalesce and has can ask for it; in unknown it is unknown, and what is made
	// from it is unknown too.
	null, unknown *hcl.EvalContext
	text          strings.Builder
}

func (r *renderer) write(expr hcl.Expression) error {
	switch e := expr.(type) {
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			if err := r.write(part); err != nil {
				return err
			}
		}
		return nil
	case *hclsyntax.TemplateWrapExpr:
		return r.write(e.Wrapped)
	case *hclsyntax.ParenthesesExpr:
		return r.write(e.Expression)
	case *hclsyntax.ConditionalExpr:
		condition, err := r.value(e.Condition)
		if err == nil {
			condition, err = convert.Convert(condition, cty.Bool)
		}
		switch {
		case err != nil:
			return err
		case condition.IsNull():
			r.text.WriteString(missing)
			return nil
		case condition.True():
			return r.write(e.TrueResult)
		}
		return r.write(e.FalseResult)
	}
	v, err := r.value(expr)
	if err != nil {
		return err
	}
	text, err := textOf(v)
	r.text.WriteString(text)
	return err
}

// value evaluates an expression. It is null if a value that it needs is missing.
func (r *renderer) value(expr hcl.Expression) (cty.Value, error) {
	v, diags := expr.Value(r.null)
	if diags.HasErrors() {
		var again hcl.Diagnostics
		if v, again = expr.Value(r.unknown); again.HasErrors() {
			return cty.NilVal, diags
		}
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return cty.NullVal(v.Type()), nil
	}
	return v, nil
}
