package template

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// maxValue is how much of a text is looked at, in bytes: more than is ever shown.
const maxValue = 16 << 10

// valueOf is a value as HCL has it, null if it is missing.
func valueOf(v any) cty.Value {
	switch v := v.(type) {
	case string:
		return cty.StringVal(cut(v))
	case bool:
		return cty.BoolVal(v)
	case int:
		return cty.NumberIntVal(int64(v))
	case int64:
		return cty.NumberIntVal(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return cty.NullVal(cty.Number)
		}
		return cty.NumberFloatVal(v)
	case []string:
		if len(v) == 0 {
			return cty.ListValEmpty(cty.String)
		}
		list := make([]cty.Value, len(v))
		for i, text := range v {
			list[i] = cty.StringVal(cut(text))
		}
		return cty.ListVal(list)
	case map[string]any:
		parts := map[string]cty.Value{}
		for name, part := range v {
			parts[name] = valueOf(part)
		}
		return cty.ObjectVal(parts)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// cut makes a text one in UTF-8 of bounded length.
func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxValue)], "\ufffd")
}

func isSimple(t cty.Type) bool { return t == cty.String || t == cty.Number || t == cty.Bool }

// isListing reports whether values of a type are written one after the other.
func isListing(t cty.Type) bool { return t.IsListType() || t.IsSetType() || t.IsTupleType() }

// textOf writes a value as people do.
func textOf(v cty.Value) (string, error) {
	switch t := v.Type(); {
	case v.IsNull():
		return missing, nil
	case t == cty.String:
		return v.AsString(), nil
	case t == cty.Bool:
		return strconv.FormatBool(v.True()), nil
	case t == cty.Number:
		return number(v.AsBigFloat()), nil
	case isListing(t):
		var words []string
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			if !element.IsNull() && !isSimple(element.Type()) {
				return "", fmt.Errorf("a list of texts is required, and this is a list of %s", element.Type().FriendlyName())
			}
			word, err := textOf(element)
			if err != nil {
				return "", err
			}
			words = append(words, word)
		}
		return strings.Join(words, ", "), nil
	default:
		return "", fmt.Errorf("a text is required, and this is a %s", t.FriendlyName())
	}
}

// The numbers that are written without an exponent.
const (
	smallest = 1e-6
	largest  = 1e15
)

// number writes a whole number as it is and any other with six digits, which is more than anybody measures: 2.5, and not
// 2.4999999999.
func number(n *big.Float) string {
	if n.IsInf() {
		return missing
	}
	if n.IsInt() && n.MantExp(nil) <= 63 {
		whole, _ := n.Int64()
		return strconv.FormatInt(whole, 10)
	}
	v, _ := n.Float64()
	return decimal(v)
}

func decimal(v float64) string {
	switch size := math.Abs(v); {
	case size >= largest || size < smallest && size > 0:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case size >= 1e5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	// Rounded to six digits it is written with as few as say the same.
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil || rounded == 0 {
		return "0"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
