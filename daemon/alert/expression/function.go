package expression

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// call compiles the call of a function of conditions, of an aggregate, or of a function of the configuration with constants.
func (c *compiler) call(e *hclsyntax.FunctionCallExpr) *node {
	how, ours := functions[e.Name]
	op, aggregate := ops[e.Name]
	switch {
	case e.ExpandFinal && (ours || aggregate):
		return c.fail(e.Range(), "Not possible in a condition", "The arguments of %s are written out, without \"...\".", e.Name)
	case ours:
		if n := len(e.Args); n < how.least || how.most > 0 && n > how.most {
			return c.fail(e.Range(), "Wrong number of arguments", "It is %s.", how.text)
		}
		return c.function(e)
	case aggregate:
		return c.aggregate(op, e)
	case c.isConstant(e) && c.knows(e.Name):
		return c.constant(e)
	case c.knows(e.Name):
		return c.fail(e.NameRange, "Not possible in a condition", "%s works on constants alone. Functions of fields are %s.", e.Name, strings.Join(functionNames(), ", "))
	}
	return c.fail(e.NameRange, "Unknown function", "There is no function %q. Functions of fields are %s.%s", e.Name, strings.Join(functionNames(), ", "),
		config.DidYouMean(e.Name, functionNames()))
}

// knows reports whether the configuration has a function of this name.
func (c *compiler) knows(name string) bool {
	for ctx := c.ctx; ctx != nil; ctx = ctx.Parent() {
		if _, ok := ctx.Functions[name]; ok {
			return true
		}
	}
	return false
}

func functionNames() []string {
	names := append(sorted(functions), sorted(ops)...)
	slices.Sort(names)
	return names
}

// usage is how a function is called.
type usage struct {
	least, most int // most is 0 where there may be any number of arguments
	text        string
}

// functions are those of conditions. Where the configuration has one of the same name, it means the same.
var functions = map[string]usage{
	"has":        {1, 1, "has(NAME)"},
	"matches":    {2, 2, "matches(TEXT, PATTERN)"},
	"contains":   {2, 2, "contains(TEXT, PART) or contains(LIST, VALUE)"},
	"startswith": {2, 2, "startswith(TEXT, BEGINNING)"},
	"endswith":   {2, 2, "endswith(TEXT, END)"},
	"in":         {2, 2, "in(VALUE, LIST)"},
	"coalesce":   {1, 0, "coalesce(VALUE, …)"},
	"abs":        {1, 1, "abs(NUMBER)"},
	"floor":      {1, 1, "floor(NUMBER)"},
	"ceil":       {1, 1, "ceil(NUMBER)"},
}

func (c *compiler) function(e *hclsyntax.FunctionCallExpr) *node {
	switch e.Name {
	case "has":
		return c.has(e)
	case "matches":
		return c.matches(e)
	case "contains":
		return c.contains(e)
	case "startswith":
		return c.texts(e, bytes.HasPrefix)
	case "endswith":
		return c.texts(e, bytes.HasSuffix)
	case "in":
		return c.in(e, e.Args[0], e.Args[1])
	case "coalesce":
		return c.coalesce(e)
	case "abs":
		return c.rounded(e, math.Abs)
	case "floor":
		return c.rounded(e, math.Floor)
	}
	return c.rounded(e, math.Ceil)
}

// has is whether a point has a field or tag. It is never unknown.
func (c *compiler) has(e *hclsyntax.FunctionCallExpr) *node {
	name, ok := e.Args[0].(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(name.Traversal) != 1 {
		return c.fail(e.Args[0].Range(), "Invalid argument", "has asks for a field or tag by its name, as in has(total_time).")
	}
	place, known := c.layout.slot(name.Traversal.RootName())
	if !known {
		return c.unknownName(name.Traversal.RootName(), name.Range())
	}
	return &node{
		kind: Bool, truth: func(r *Row) Truth { return truth(r.cells[place].known()) }, text: "has(" + name.Traversal.RootName() + ")", at: e.Range(),
	}
}

func (c *compiler) matches(e *hclsyntax.FunctionCallExpr) *node {
	subject := c.compile(e.Args[0])
	if !c.isConstant(e.Args[1]) {
		return c.fail(e.Args[1].Range(), "Pattern is no constant", "A pattern is compiled once, when the rule is loaded: it can not be made of fields.")
	}
	pattern := c.compile(e.Args[1])
	if subject == nil || pattern == nil || c.textOf(subject, "matches") == nil || c.textOf(pattern, "A pattern") == nil {
		return nil
	}
	re, err := regexp.Compile(string(pattern.str(nil)))
	if err != nil {
		return c.fail(pattern.at, "Invalid pattern", "%s: %s. Patterns have the syntax of RE2, and backslashes are doubled in HCL.", pattern.text, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return c.folded(&node{kind: Bool, at: e.Range(), constant: subject.constant, text: fmt.Sprintf("matches(%s, %s)", subject.text, pattern.text), truth: func(r *Row) Truth {
		b := subject.str(r)
		if b == nil {
			return Unknown
		}
		return truth(re.Match(b))
	}})
}

// contains looks for a part in a text, or, as in the configuration, for a value in a list.
func (c *compiler) contains(e *hclsyntax.FunctionCallExpr) *node {
	if c.isList(e.Args[0]) {
		return c.in(e, e.Args[1], e.Args[0])
	}
	return c.texts(e, bytes.Contains)
}

func (c *compiler) isList(expr hclsyntax.Expression) bool {
	if _, ok := expr.(*hclsyntax.TupleConsExpr); ok {
		return true
	}
	if !c.isConstant(expr) {
		return false
	}
	v, diags := expr.Value(c.ctx)
	return !diags.HasErrors() && !v.IsNull() && (v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType())
}

// texts compiles a predicate of two texts.
func (c *compiler) texts(e *hclsyntax.FunctionCallExpr, predicate func(a, b []byte) bool) *node {
	a, b := c.compile(e.Args[0]), c.compile(e.Args[1])
	if a == nil || b == nil || c.textOf(a, e.Name) == nil || c.textOf(b, e.Name) == nil {
		return nil
	}
	return c.folded(&node{kind: Bool, at: e.Range(), constant: a.constant && b.constant, text: fmt.Sprintf("%s(%s, %s)", e.Name, a.text, b.text), truth: func(r *Row) Truth {
		x, y := a.str(r), b.str(r)
		if x == nil || y == nil {
			return Unknown
		}
		return truth(predicate(x, y))
	}})
}

// in looks for a value in a list of constants.
func (c *compiler) in(e, needle, list hclsyntax.Expression) *node {
	x := c.compile(needle)
	if !c.isConstant(list) {
		return c.fail(list.Range(), "List is no constant", "The list holds constants: compare fields with == and ||.")
	}
	v, ok := c.evaluate(list)
	if x == nil || !ok {
		return nil
	}
	if !v.CanIterateElements() || v.Type().IsObjectType() || v.Type().IsMapType() {
		return c.fail(list.Range(), "Wrong type", "A list is required, as in [\"ct\", \"cu\"].")
	}
	numbers, texts := map[float64]bool{}, map[string]bool{}
	var truths [3]bool
	var names []string
	for it := v.ElementIterator(); it.Next(); {
		_, element := it.Element()
		kind := Any
		switch element.Type() {
		case cty.Number:
			f, _ := element.AsBigFloat().Float64()
			numbers[f], kind = true, Number
			names = append(names, number(f, list.Range()).text)
		case cty.Bool:
			truths[truth(element.True())], kind = true, Bool
			names = append(names, truth(element.True()).String())
		case cty.String:
			texts[element.AsString()], kind = true, Text
			names = append(names, text(element.AsString(), list.Range()).text)
		}
		if kind == Any || x.kind != Any && kind != x.kind {
			return c.fail(list.Range(), "Wrong type", "%s is a %s, and the list holds a %s: it would never be found.", x.text, x.kind, element.Type().FriendlyName())
		}
	}
	return c.folded(&node{kind: Bool, at: e.Range(), constant: x.constant, text: fmt.Sprintf("in(%s, [%s])", x.text, strings.Join(names, ", ")), truth: func(r *Row) Truth {
		if x.num != nil {
			if f := x.num(r); f == f {
				return truth(numbers[f])
			}
		}
		if x.truth != nil {
			if t := x.truth(r); t != Unknown {
				return truth(truths[t])
			}
		}
		if x.str != nil {
			if b := x.str(r); b != nil {
				return truth(texts[string(b)])
			}
		}
		return Unknown
	}})
}

// coalesce is the first value that is known.
func (c *compiler) coalesce(e *hclsyntax.FunctionCallExpr) *node {
	n := &node{kind: Any, at: e.Range(), constant: true}
	var all []*node
	var names []string
	for _, arg := range e.Args {
		x := c.compile(arg)
		if x == nil {
			return nil
		}
		if n.kind != Any && x.kind != Any && n.kind != x.kind {
			return c.fail(x.at, "Wrong type", "All arguments have to be of one type: %s is a %s, and the ones before it are not.", x.text, x.kind)
		}
		n.kind = max(n.kind, x.kind)
		n.constant = n.constant && x.constant
		all, names = append(all, x), append(names, x.text)
	}
	n.text, n.unit = "coalesce("+strings.Join(names, ", ")+")", all[0].unit
	if n.kind == Number || n.kind == Any {
		n.num = func(r *Row) float64 {
			for _, x := range all {
				if f := x.num(r); f == f {
					return f
				}
			}
			return math.NaN()
		}
	}
	if n.kind == Bool || n.kind == Any {
		n.truth = func(r *Row) Truth {
			for _, x := range all {
				if t := x.truth(r); t != Unknown {
					return t
				}
			}
			return Unknown
		}
	}
	if n.kind == Text || n.kind == Any {
		n.str = func(r *Row) []byte {
			for _, x := range all {
				if b := x.str(r); b != nil {
					return b
				}
			}
			return nil
		}
	}
	return c.folded(n)
}

func (c *compiler) rounded(e *hclsyntax.FunctionCallExpr, round func(float64) float64) *node {
	x := c.compile(e.Args[0])
	if x == nil || c.numberOf(x, e.Name) == nil {
		return nil
	}
	return c.folded(&node{kind: Number, num: func(r *Row) float64 { return round(x.num(r)) }, constant: x.constant, unit: x.unit, text: fmt.Sprintf("%s(%s)", e.Name, x.text), at: e.Range()})
}
