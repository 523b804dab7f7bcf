package expression

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/vedette-monitor/vedette/daemon/soak"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// oracle are the functions of conditions as cty would have them.
var oracle = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "floor": stdlib.FloorFunc, "ceil": stdlib.CeilFunc, "upper": stdlib.UpperFunc,
	"contains":   ofTexts(strings.Contains),
	"startswith": ofTexts(strings.HasPrefix),
	"endswith":   ofTexts(strings.HasSuffix),
	"matches":    ofTexts(func(text, pattern string) bool { return regexp.MustCompile(pattern).MatchString(text) }),
	"in": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}, {Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, v := range args[1].AsValueSlice() {
				if v.RawEquals(args[0]) {
					return cty.True, nil
				}
			}
			return cty.False, nil
		},
	}),
}

func ofTexts(predicate func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(predicate(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var letters = wire.Measurement{Name: "letters", Fields: []wire.FieldSchema{
	{Name: "a", Type: "float"}, {Name: "b", Type: "float"}, {Name: "i", Type: "int"},
	{Name: "p", Type: "bool"}, {Name: "q", Type: "bool"}, {Name: "s", Type: "string"},
}, Tags: []wire.TagSchema{{Name: "t"}}}

// generator makes conditions whose numbers stay multiples of a power of two: HCL computes with 512 bits, and what a float64 can not
// hold would be different for a good reason.
type generator struct {
	*rand.Rand
	// choices says whether there may be conditionals, of which HCL knows the bounds even if it does not know which it is.
	choices bool
}

func (g *generator) condition(depth int) string {
	if depth == 0 {
		return pick(g.Rand, "p", "q", "true", "false")
	}
	d := depth - 1
	switch g.IntN(14) {
	case 0, 1:
		return fmt.Sprintf("(%s || %s)", g.condition(d), g.condition(d))
	case 2, 3:
		return fmt.Sprintf("(%s && %s)", g.condition(d), g.condition(d))
	case 4:
		return "!" + g.condition(d)
	case 5:
		return fmt.Sprintf("(%s %s %s)", g.condition(d), pick(g.Rand, "==", "!="), g.condition(d))
	case 6:
		return fmt.Sprintf("(%s %s %s)", g.text(), pick(g.Rand, "==", "!="), g.text())
	case 7:
		return fmt.Sprintf("%s(%s, %s)", pick(g.Rand, "contains", "startswith", "endswith"), g.text(), g.text())
	case 8:
		return fmt.Sprintf("matches(%s, %s)", g.text(), pick(g.Rand, `"^a"`, `"b+$"`, `"."`, `"^$"`, `"x|[a-b]c"`))
	case 9:
		return pick(g.Rand, fmt.Sprintf(`in(%s, ["a", "abc", ""])`, g.text()), fmt.Sprintf("in(%s, [0, 1, 2.5])", g.number(d)))
	case 10:
		if g.choices {
			return fmt.Sprintf("(%s ? %s : %s)", g.condition(d), g.condition(d), g.condition(d))
		}
	}
	return fmt.Sprintf("(%s %s %s)", g.number(min(d, 3)), pick(g.Rand, "<", "<=", ">", ">=", "==", "!="), g.number(min(d, 3)))
}

func (g *generator) number(depth int) string {
	if depth == 0 {
		return pick(g.Rand, "a", "b", "i", "0", "1", "2.5", "0.25", "-3")
	}
	d := depth - 1
	switch g.IntN(8) {
	case 0, 1, 2:
		return fmt.Sprintf("(%s %s %s)", g.number(d), pick(g.Rand, "+", "-", "*"), g.number(d))
	case 3:
		return fmt.Sprintf("(%s %s)", g.number(d), pick(g.Rand, "/ 2", "/ 0.25", "% 3", "% 1.5", "/ -4"))
	case 4:
		return fmt.Sprintf("%s(%s)", pick(g.Rand, "abs", "floor", "ceil"), g.number(d))
	case 5:
		return "(-" + g.number(d) + ")"
	case 6:
		if g.choices {
			return fmt.Sprintf("(%s ? %s : %s)", g.condition(d), g.number(d), g.number(d))
		}
	}
	return g.number(0)
}

func (g *generator) text() string {
	return pick(g.Rand, "s", "t", `""`, `"a"`, `"abc"`, `"b"`, `"线"`, "upper(\"a\")")
}

func (g *generator) values() values {
	return values{
		"a": float64(g.IntN(41)-20) / 4, "b": float64(g.IntN(9)-4) / 2, "i": g.IntN(7) - 3,
		"p": g.IntN(2) == 0, "q": g.IntN(2) == 0,
		"s": pick(g.Rand, "", "a", "abc", "bb", "线"), "t": pick(g.Rand, "a", "b", "xc"),
	}
}

// asCty gives the values to HCL; what is missing is unknown.
func asCty(v values) *hcl.EvalContext {
	types := map[string]cty.Type{"a": cty.Number, "b": cty.Number, "i": cty.Number, "p": cty.Bool, "q": cty.Bool, "s": cty.String, "t": cty.String}
	vars := map[string]cty.Value{}
	for name, typ := range types {
		switch x := v[name].(type) {
		case float64:
			vars[name] = cty.NumberFloatVal(x)
		case int:
			vars[name] = cty.NumberIntVal(int64(x))
		case bool:
			vars[name] = cty.BoolVal(x)
		case string:
			vars[name] = cty.StringVal(x)
		default:
			vars[name] = cty.UnknownVal(typ)
		}
	}
	return &hcl.EvalContext{Variables: vars, Functions: oracle}
}

// agree compiles one condition and holds it against HCL's own evaluator over several points, some of which lack fields.
func agree(t *testing.T, seed1, seed2 uint64) (known, unknown int) {
	g := &generator{rand.New(rand.NewPCG(seed1, seed2)), seed1%2 == 0}
	text := g.condition(5)
	expr := parse(t, text)
	l := NewLayout(letters)
	c, diags := l.Compile(expr, configuration, nil)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", text, diags)
	}
	again, diags := NewLayout(letters).Compile(parse(t, c.String()), configuration, nil)
	if diags.HasErrors() || again.String() != c.String() {
		t.Fatalf("%s is written as %s, and that as %v: %s", text, c, again, diags)
	}
	reader := l.NewReader()
	for range 6 {
		v := g.values()
		full := v
		if g.IntN(2) == 0 {
			full = values{}
			for name, value := range v {
				full[name] = value
			}
			for range 1 + g.IntN(3) {
				delete(v, pick(g.Rand, "a", "b", "i", "p", "q", "s", "t"))
			}
		}
		got := c.Evaluate(reader.Read(v.point(t, "t")))
		result, diags := expr.Value(asCty(v))
		if diags.HasErrors() {
			t.Fatalf("%s with %v: %s", text, v, diags)
		}
		want := Unknown
		if result.IsKnown() {
			want = truth(result.True())
		}
		if got != want && !(g.choices && got == Unknown && len(v) < len(full)) {
			t.Fatalf("%s with %v is %s, and %s for HCL", text, v, got, want)
		}
		if got == Unknown {
			unknown++
			continue
		}
		known++
		// Whatever the missing fields would have been, a known condition stays what it is.
		if now := c.Evaluate(reader.Read(full.point(t, "t"))); now != got {
			t.Fatalf("%s with %v is %s, and with %v it is %s", text, v, got, full, now)
		}
	}
	return known, unknown
}

func TestSoakConditionsMeanWhatTheyMeanToHCL(t *testing.T) {
	n := soak.Rounds(3_000, 200_000)
	known, unknown := 0, 0
	for seed := range n {
		k, u := agree(t, uint64(seed), 6)
		known, unknown = known+k, unknown+u
	}
	if known < n || unknown < n/10 {
		t.Errorf("%d known and %d unknown values are too few to tell", known, unknown)
	}
}

func FuzzConditionsMeanWhatTheyMeanToHCL(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64) { agree(t, seed1, seed2) })
}
