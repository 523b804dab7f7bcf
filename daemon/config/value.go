package config

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// state is what became of an argument.
type state int

const (
	absent state = iota // null
	wrong               // and reported, or what follows from what was
	found
	secret // found, and not to be shown
)

// evaluate evaluates an expression. hidden says that what is wrong with it must not repeat values.
func (d *decoder) evaluate(expr hcl.Expression, ctx *hcl.EvalContext, hidden bool) (cty.Value, bool) {
	v, diags := expr.Value(ctx)
	d.report(diags, expr, ctx, hidden)
	return v, !diags.HasErrors()
}

// value evaluates an argument and holds it against its schema. The result is ready to be JSON.
func (d *decoder) value(a *hcl.Attribute, schema *wire.Attribute) (any, state) {
	if isKept(schema.Type) {
		return d.keep(a)
	}
	v, ok := d.evaluate(a.Expr, d.scope.context(a.Range.Filename), schema.Sensitive)
	if !ok {
		return nil, wrong
	}
	v, marks := v.UnmarkDeep()
	hidden := len(marks) > 0 || schema.Sensitive
	switch {
	case v.IsNull():
		return nil, absent
	case !v.IsWhollyKnown():
		d.follow(a.Expr.Range())
		return nil, wrong
	}
	result, at, err := converted(v, schema.Type, a.Expr)
	if err == nil {
		result, err = resolved(result, schema.Type, a.Range.Filename)
	}
	if err != nil {
		detail := sentence(fmt.Sprintf("The argument %q is wrong: %s", a.Name, err))
		if hidden {
			detail = fmt.Sprintf("The argument %q is wrong: its value, which is not shown, is no valid %s.", a.Name, schema.Type)
		}
		d.fail(at.Range(), "Invalid value", "%s", detail)
		return nil, wrong
	}
	if err := schema.Check(result); err != nil {
		d.violation(a, schema, result, err, hidden)
		return nil, wrong
	}
	if hidden {
		return result, secret
	}
	return result, found
}

// violation reports a value that its schema does not allow.
func (d *decoder) violation(a *hcl.Attribute, schema *wire.Attribute, value any, err error, hidden bool) {
	var v *wire.Violation
	if !errors.As(err, &v) {
		d.fail(a.Expr.Range(), "Invalid value", "The argument %q can not be checked: %s.", a.Name, err)
		return
	}
	kind, element := schema.Type.Element()
	switch {
	case hidden:
		d.fail(a.Expr.Range(), "Invalid value", "%s %s.", a.Name, v.Rule)
	case v.Value == nil:
		d.fail(a.Expr.Range(), "Invalid value", "%s %s, but has %d.", a.Name, v.Rule, count(value))
	default:
		name, at := a.Name, a.Expr
		if kind != "" {
			step := stepTo(value, v.Value)
			name, at = fmt.Sprintf("%s[%s]", a.Name, step), elementOf(a.Expr, []string{step})
		}
		given := spelled(v.Value, element)
		hint := ""
		if text, ok := v.Value.(string); ok {
			hint = didYouMean(text, schema.OneOf)
		}
		d.fail(at.Range(), "Invalid value", "%s is %s, but %s.%s", name, given, v.Rule, hint)
	}
}

func count(value any) int {
	switch v := value.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 1
}

// stepTo is the index or key of an element.
func stepTo(value, element any) string {
	switch v := value.(type) {
	case []any:
		return fmt.Sprint(slices.Index(v, element))
	case map[string]any:
		for key, e := range v {
			if e == element {
				return key
			}
		}
	}
	return ""
}

// spelled writes a value as a person would.
func spelled(v any, typ wire.Type) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case float64:
		if typ == wire.TypeDuration {
			return Seconds(v).Duration().String()
		}
	case int64:
		if typ == wire.TypeSize {
			return wire.FormatSize(v)
		}
	}
	return fmt.Sprint(v)
}

var ctyTypes = map[wire.Type]cty.Type{
	wire.TypeString:   cty.String,
	wire.TypeBool:     cty.Bool,
	wire.TypeInt:      cty.Number,
	wire.TypeFloat:    cty.Number,
	wire.TypeDuration: cty.String,
	wire.TypeSize:     cty.String,
	wire.TypePath:     cty.String,
	TypeNotifier:      references[TypeNotifier].typ,
	TypeReceiver:      references[TypeReceiver].typ,
	TypeHours:         references[TypeHours].typ,
}

// converted makes a value fit a type and ready to be JSON, but for paths. With an error comes the deepest expression
// that has it.
func converted(v cty.Value, typ wire.Type, expr hcl.Expression) (any, hcl.Expression, error) {
	kind, element := typ.Element()
	switch kind {
	case "list":
		if r, ok := references[element]; ok && v.Type().Equals(r.typ) {
			// One reference is a list of one.
			v = cty.TupleVal([]cty.Value{v})
		}
		v, err := convert.Convert(v, cty.List(ctyTypes[element]))
		if r, ok := references[element]; ok && err != nil {
			return nil, culprit(expr, err), fmt.Errorf("a list of references to blocks %s is required, such as [%s]", element, r.written)
		}
		if err != nil {
			return nil, culprit(expr, err), err
		}
		list := []any{}
		for i, e := range v.AsValueSlice() {
			one, at, err := converted(e, element, elementOf(expr, []string{fmt.Sprint(i)}))
			if err != nil {
				return nil, at, err
			}
			list = append(list, one)
		}
		return list, expr, nil
	case "map":
		v, err := convert.Convert(v, cty.Map(ctyTypes[element]))
		if err != nil {
			return nil, culprit(expr, err), err
		}
		all := map[string]any{}
		elements := v.AsValueMap()
		for _, key := range sortedKeys(elements) {
			one, at, err := converted(elements[key], element, elementOf(expr, []string{key}))
			if err != nil {
				return nil, at, fmt.Errorf("%q: %w", key, err)
			}
			all[key] = one
		}
		return all, expr, nil
	}
	v, err := convert.Convert(v, ctyTypes[typ])
	if err == nil && v.IsNull() {
		err = fmt.Errorf("null is no %s", typ)
	}
	r, refers := references[typ]
	if refers && err != nil {
		err = fmt.Errorf("a reference to a block %s is required, such as %s", typ, r.written)
	}
	if err != nil {
		return nil, expr, err
	}
	if refers {
		return v.EncapsulatedValue().(*referred).name, expr, nil
	}
	one, err := simple(v, typ)
	return one, expr, err
}

// culprit is the element that can not be converted.
func culprit(expr hcl.Expression, err error) hcl.Expression {
	var at cty.PathError
	if !errors.As(err, &at) || len(at.Path) == 0 {
		return expr
	}
	switch step := at.Path[0].(type) {
	case cty.GetAttrStep:
		return elementOf(expr, []string{step.Name})
	case cty.IndexStep:
		if key, err := convert.Convert(step.Key, cty.String); err == nil && key.IsKnown() && !key.IsNull() {
			return elementOf(expr, []string{key.AsString()})
		}
	}
	return expr
}

func simple(v cty.Value, typ wire.Type) (any, error) {
	switch typ {
	case wire.TypeBool:
		return v.True(), nil
	case wire.TypeDuration, wire.TypeSize:
		return wire.ParseText(typ, v.AsString())
	case wire.TypeInt:
		n, accuracy := v.AsBigFloat().Int64()
		if accuracy != big.Exact {
			return nil, errors.New("a whole number of at most 64 bits is required")
		}
		return n, nil
	case wire.TypeFloat:
		f, _ := v.AsBigFloat().Float64()
		if math.IsInf(f, 0) {
			return nil, errors.New("the number is too large")
		}
		return f, nil
	}
	return v.AsString(), nil
}

// resolved makes the paths of a value absolute. Relative ones are relative to the file that they stand in.
func resolved(value any, typ wire.Type, filename string) (any, error) {
	if _, element := typ.Element(); element != wire.TypePath {
		return value, nil
	}
	switch v := value.(type) {
	case string:
		if v == "" {
			return v, nil
		}
		return filepath.Abs(inDir(filepath.Dir(filename), v))
	case []any:
		for i, e := range v {
			path, err := resolved(e, wire.TypePath, filename)
			if err != nil {
				return nil, err
			}
			v[i] = path
		}
	case map[string]any:
		for key, e := range v {
			path, err := resolved(e, wire.TypePath, filename)
			if err != nil {
				return nil, err
			}
			v[key] = path
		}
	}
	return value, nil
}
