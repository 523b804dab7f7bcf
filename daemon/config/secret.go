package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// sensitive marks values that are secrets, and with them every value that is made from one.
const sensitive = mark("sensitive")

type mark string

// hide keeps the text of a range out of all snippets.
func (d *decoder) hide(r hcl.Range) { d.sensitive = append(d.sensitive, r) }

var sensitiveFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true}},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(sensitive), nil },
})

// nonsensitiveFunction is for who knows that what was made from a secret is none, such as the names of its parts.
var nonsensitiveFunction = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, _ := args[0].Unmark()
		return v, nil
	},
})

// harmless are the summaries of HCL's diagnostics whose details repeat names and types, but never a value.
var harmless = []string{
	"Call to unknown function", "Unknown variable", "Not enough function arguments", "Too many function arguments",
	"Unsupported attribute", "Unknown notifier", "Unknown receiver", "Unknown hours", "Invalid operand", "Variables not allowed", "Function calls not allowed", "Invalid dynamic block label",
}

// report takes the diagnostics of an expression. Those that could repeat a secret lose their details: HCL knows of
// marks, but the errors of functions repeat their arguments.
func (d *decoder) report(diags hcl.Diagnostics, expr hcl.Expression, ctx *hcl.EvalContext, secret bool) {
	for _, diag := range diags {
		if !d.scope.unknownReference(diag) {
			suggestAttribute(diag)
		}
		if !slices.Contains(harmless, diag.Summary) && !namesFile(diag) {
			where := ctx
			if diag.EvalContext != nil {
				where = diag.EvalContext
			}
			if secret || refersToSecret(expr, where) || refersToSecret(diag.Expression, where) {
				diag.Detail = "The reason is not shown, because it could repeat a sensitive value."
			}
		}
		d.diags = append(d.diags, diag)
	}
}

// namesFile reports whether a function complains of nothing but a file or the environment.
func namesFile(diag *hcl.Diagnostic) bool {
	call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](diag)
	return ok && slices.Contains([]string{"secret", "file", "fileset", "env"}, call.CalledFunctionName()) &&
		!refersToSecret(diag.Expression, diag.EvalContext)
}

// refersToSecret reports whether a sensitive value goes into an expression.
func refersToSecret(expr hcl.Expression, ctx *hcl.EvalContext) bool {
	if expr == nil {
		return false
	}
	if wrapped, ok := expr.(interface{ UnwrapExpression() hcl.Expression }); ok {
		expr = wrapped.UnwrapExpression()
	}
	if literal, ok := expr.(*hclsyntax.LiteralValueExpr); ok && literal.Val.ContainsMarked() {
		return true
	}
	for _, traversal := range expr.Variables() {
		if v, _ := traversal.TraverseAbs(ctx); v.ContainsMarked() {
			return true
		}
	}
	found := false
	if node, ok := expr.(hclsyntax.Node); ok {
		// No visit fails, so there are no diagnostics.
		_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
			call, ok := n.(*hclsyntax.FunctionCallExpr)
			found = found || ok && (call.Name == "secret" || call.Name == "sensitive")
			return nil
		})
	}
	return found
}

// secretTexts are the texts of the sensitive arguments within b.
func (b *decoded) secretTexts() []string {
	var found []string
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				collect(e)
			}
		case map[string]any:
			for _, e := range v {
				collect(e)
			}
		case nil, bool:
		default:
			found = append(found, fmt.Sprint(v))
		}
	}
	for name, a := range b.arguments {
		if a.secret {
			collect(b.value[name])
		}
	}
	for _, list := range b.blocks {
		for _, inner := range list {
			found = append(found, inner.secretTexts()...)
		}
	}
	return found
}

// secretPaths are the paths of the sensitive arguments within b.
func (b *decoded) secretPaths() [][]string {
	var found [][]string
	b.walk(nil, func(path []string, a argument) {
		if a.secret {
			found = append(found, path)
		}
	})
	slices.SortFunc(found, slices.Compare)
	return found
}

// secretName is how people call a setting that is a secret. It is for texts that no schema explains.
var secretName = regexp.MustCompile(`(?i)(token|pass|pwd|secret|credential|private|api_?key|auth)`)

// userinfo is the user and password of an address, or of what was meant to be one and has too few slashes, or too many.
var userinfo = regexp.MustCompile(`[:"]/+[^/\s"@]+@`)

// queryValue is a parameter of an address, with its value.
var queryValue = regexp.MustCompile(`([?&][^=&\s"]*=)([^&#\s"]+)`)

// masked hides what is no setting of its own: the passwords in addresses, and the values of their parameters that seem to
// be secrets. The text keeps its width.
func masked(line string) string {
	line = userinfo.ReplaceAllStringFunc(line, func(found string) string {
		before := found[:strings.LastIndexByte(found, '/')+1]
		return before + strings.Repeat("*", len([]rune(found))-len(before)-1) + "@"
	})
	return queryValue.ReplaceAllStringFunc(line, func(found string) string {
		name, value, _ := strings.Cut(found, "=")
		if !secretName.MatchString(name) {
			return found
		}
		return name + "=" + strings.Repeat("*", len([]rune(value)))
	})
}
