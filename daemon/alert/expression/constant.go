package expression

import (
	"fmt"
	"math"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// constant evaluates what needs no point.
func (c *compiler) constant(expr hcl.Expression) *node {
	v, ok := c.evaluate(expr)
	if !ok {
		return nil
	}
	switch v.Type() {
	case cty.Number:
		f, _ := v.AsBigFloat().Float64()
		if math.IsInf(f, 0) {
			return c.fail(expr.Range(), "Number too large", "No float64 holds this number.")
		}
		return number(f, expr.Range())
	case cty.Bool:
		t := truth(v.True())
		return &node{kind: Bool, truth: func(*Row) Truth { return t }, constant: true, text: t.String(), at: expr.Range()}
	case cty.String:
		return text(v.AsString(), expr.Range())
	}
	return c.fail(expr.Range(), "Wrong type", "This is a %s: a condition compares numbers, texts and truth values. To look for a value in a list, write contains(LIST, x).", v.Type().FriendlyName())
}

// evaluate finds the value of a constant. It may be unknown where the configuration has a mistake, which is reported there.
func (c *compiler) evaluate(expr hcl.Expression) (cty.Value, bool) {
	v, diags := expr.Value(c.ctx)
	c.diags = c.diags.Extend(diags)
	if diags.HasErrors() {
		return v, false
	}
	v, marks := v.UnmarkDeep()
	switch {
	case len(marks) > 0:
		// Conditions are shown, in notices too.
		c.fail(expr.Range(), "Secret in a condition", "Conditions are shown to everybody who sees the alert: there can be no secret in one.")
		return v, false
	case v.IsNull():
		c.fail(expr.Range(), "Null in a condition", "Nothing is null here: a field that a point lacks makes a condition unknown. Ask for it with has(NAME).")
		return v, false
	case !v.IsWhollyKnown():
		c.fail(expr.Range(), "Constant without a value", "The value of this is not known, most likely because of another mistake.")
		return v, false
	}
	return v, true
}

func number(f float64, at hcl.Range) *node {
	return &node{kind: Number, num: func(*Row) float64 { return f }, constant: true, text: strconv.FormatFloat(f, 'g', -1, 64), at: at}
}

func text(s string, at hcl.Range) *node {
	b := []byte(s)
	return &node{kind: Text, str: func(*Row) []byte { return b }, constant: true, text: strconv.Quote(s), at: at}
}

// template is a text between quotes. One that is made of fields would cost every point an allocation, and a comparison with it
// can always be written as several.
func (c *compiler) template(e *hclsyntax.TemplateExpr) *node {
	if !c.isConstant(e) {
		return c.fail(e.Range(), "Text made of fields", "A condition can not put texts together: compare each field by itself.")
	}
	return c.constant(e)
}

// folded makes a node of constants a constant.
func (c *compiler) folded(n *node) *node {
	if !n.constant {
		return n
	}
	switch n.kind {
	case Number:
		f := n.num(nil)
		if math.IsNaN(f) {
			return c.fail(n.at, "No number", "%s has no value.", n.text)
		}
		unit := n.unit
		n = number(f, n.at)
		n.unit = unit
	case Bool:
		t := n.truth(nil)
		n.truth, n.text = func(*Row) Truth { return t }, t.String()
	case Text:
		n = text(string(n.str(nil)), n.at)
	}
	return n
}

// scales are the units of fields that a duration may be compared with, each in seconds.
var scales = map[string]float64{"s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "d": 86400}

// measure reads a text that is compared with a number as a duration or a size, in the number's unit: total_time > "1500ms",
// size_download > "10MiB". After it the text's node is a number.
func (c *compiler) measure(a, b *node) {
	if b.kind == Number {
		a, b = b, a
	}
	if a.kind != Number || b.kind != Text || !b.constant {
		return
	}
	given := string(b.str(nil))
	var value float64
	var err error
	if scale, ok := scales[a.unit]; ok {
		var parsed any
		if parsed, err = wire.ParseText(wire.TypeDuration, given); err == nil {
			value = parsed.(float64) / scale
			if a.unit == "s" {
				value = parsed.(float64)
			}
		}
	} else if a.unit == "bytes" {
		var parsed any
		if parsed, err = wire.ParseText(wire.TypeSize, given); err == nil {
			value = float64(parsed.(int64))
		}
	} else {
		return
	}
	if err != nil {
		if f, numeric := strconv.ParseFloat(given, 64); numeric == nil {
			err = fmt.Errorf("a number has no quotes: %s", strconv.FormatFloat(f, 'g', -1, 64))
		}
		c.fail(b.at, "Invalid value", "%s is in %s: %s.", a.text, a.unit, err)
	}
	at := b.at
	*b = *number(value, at)
}
