package trial

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
)

// vary is the values of a field or tag in one point after the other.
type vary struct {
	name   string
	tag    bool
	values []varied
}

// varied is a value; or the point lacks it; or there is no point.
type varied struct {
	value         any
	missing, none bool
}

var repeated = regexp.MustCompile(`^(.+)x([1-9][0-9]{0,5})$`)

func (r *reader) vary(t *Test, in *input, block *hcl.Block) {
	v := vary{name: block.Labels[0]}
	content := r.content(block.Body, varySchema)
	a := content.Attributes["values"]
	kind, tag, known := t.Alert.Layout.Find(v.name)
	if !known {
		r.has(t, v.name, block.LabelRanges[0], false)
		return
	}
	v.tag = tag
	for _, other := range in.varied {
		if other.name == v.name {
			r.fail(block.LabelRanges[0], "Duplicate name", "%q is varied already.", v.name)
		}
	}
	value, ok := r.value(a, cty.DynamicPseudoType)
	if !ok {
		return
	}
	var err error
	switch typ := value.Type(); {
	case typ == cty.String:
		v.values, err = parse(value.AsString(), kind)
	case typ.IsTupleType() || typ.IsListType():
		for _, element := range value.AsValueSlice() {
			one := varied{missing: element.IsNull()}
			if !one.missing && err == nil {
				if one.value, err = goValue(element, kind); err != nil {
					err = fmt.Errorf("are wrong: one %w", err)
				}
			}
			v.values = append(v.values, one)
		}
	default:
		err = errors.New("are a text such as \"0.4 2.5x3 _ ?\", or a list")
	}
	switch {
	case err != nil:
		r.fail(a.Expr.Range(), "Invalid values", "The values of %s %s.", v.name, err)
		return
	case len(v.values) == 0:
		r.fail(a.Expr.Range(), "Invalid values", "There are none.")
		return
	case len(in.varied) > 0 && len(in.varied[0].values) != len(v.values):
		r.fail(a.Expr.Range(), "Different numbers of values", "%s has %d values, and %s has %d: there is one of each in a point.",
			in.varied[0].name, len(in.varied[0].values), v.name, len(v.values))
		return
	case in.count > 0 && in.count != len(v.values):
		r.fail(a.Expr.Range(), "Different numbers of values", "There are %d values, and count says %d points.", len(v.values), in.count)
		return
	}
	in.count = len(v.values)
	in.varied = append(in.varied, v)
}

// parse reads values as words: "2.5", "2.5x3" for three of them, "?" for a point that lacks it, and "_" for none. Texts are not repeated,
// for they may end so.
func parse(text string, kind expression.Kind) ([]varied, error) {
	var list []varied
	for _, word := range strings.Fields(text) {
		times := 1
		if m := repeated.FindStringSubmatch(word); m != nil && kind != expression.Text {
			word = m[1]
			times, _ = strconv.Atoi(m[2])
		}
		one := varied{missing: word == "?", none: word == "_"}
		if !one.missing && !one.none {
			var err error
			if one.value, err = wordValue(word, kind); err != nil {
				return nil, err
			}
		}
		if len(list)+times > mostPoints {
			return nil, fmt.Errorf("are more than %d", mostPoints)
		}
		for range times {
			list = append(list, one)
		}
	}
	return list, nil
}

func wordValue(word string, kind expression.Kind) (any, error) {
	if whole, err := strconv.ParseInt(word, 10, 64); err == nil && kind != expression.Text && kind != expression.Bool {
		return whole, nil
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && kind != expression.Text && kind != expression.Bool {
		return f, nil
	}
	if (word == "true" || word == "false") && kind != expression.Text && kind != expression.Number {
		return word == "true", nil
	}
	if kind == expression.Text || kind == expression.Any {
		return word, nil
	}
	return nil, fmt.Errorf("are each a %s, ? for a point that lacks it, or _ for no point; %q is none of these", kind, word)
}

// goValue is the value of a field as points have it.
func goValue(v cty.Value, kind expression.Kind) (any, error) {
	if v.IsNull() {
		return nil, errors.New("has no value; leave it out")
	}
	switch typ := v.Type(); {
	case typ == cty.Number && (kind == expression.Number || kind == expression.Any):
		if whole, accuracy := v.AsBigFloat().Int64(); accuracy == big.Exact {
			return whole, nil
		}
		f, _ := v.AsBigFloat().Float64()
		if math.IsInf(f, 0) {
			return nil, errors.New("is a number that no field can hold")
		}
		return f, nil
	case typ == cty.Bool && (kind == expression.Bool || kind == expression.Any):
		return v.True(), nil
	case typ == cty.String && (kind == expression.Text || kind == expression.Any):
		return v.AsString(), nil
	default:
		return nil, fmt.Errorf("needs a %s, and this is a %s", kind, typ.FriendlyName())
	}
}
