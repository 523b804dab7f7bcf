package template

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are those of texts, beside what the configuration has. Those of conditions mean the same here.
var functions = map[string]function.Function{
	"urlencode": ofText(func(text string) string { return url.QueryEscape(text) }),
	"redact":    ofText(redact),
	"humanize":  humanize,
	"round":     round,
	"has":       has,
	"matches":   matches,
	"in":        in,
}

func ofText(impl func(string) string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(impl(args[0].AsString())), nil
		},
	})
}

// has asks for a value. While nothing is known it is unknown.
var has = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return cty.BoolVal(!args[0].IsNull()), nil },
})

var matches = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "pattern", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		pattern, err := regexp.Compile(args[1].AsString())
		if err != nil {
			return cty.UnknownVal(cty.Bool), function.NewArgError(1, err)
		}
		return cty.BoolVal(pattern.MatchString(args[0].AsString())), nil
	},
})

var in = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}, {Name: "list", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !isListing(args[1].Type()) {
			return cty.UnknownVal(cty.Bool), function.NewArgErrorf(1, "a list is required")
		}
		for it := args[1].ElementIterator(); it.Next(); {
			_, element := it.Element()
			if same, err := stdlib.Equal(args[0], element); err == nil && same.IsKnown() && same.True() {
				return cty.True, nil
			}
		}
		return cty.False, nil
	},
})

// round rounds to a number of digits behind the point, without a second argument to none.
var round = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "number", Type: cty.Number}},
	VarParam: &function.Parameter{Name: "digits", Type: cty.Number},
	Type:     function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, _ := args[0].AsBigFloat().Float64()
		digits := 0.0
		if len(args) > 1 {
			digits, _ = args[1].AsBigFloat().Float64()
		}
		switch {
		case len(args) > 2:
			return cty.UnknownVal(cty.Number), errors.New("it takes a number and at most how many digits")
		case digits != math.Trunc(digits) || math.Abs(digits) > 15:
			return cty.UnknownVal(cty.Number), function.NewArgErrorf(1, "between -15 and 15 digits are possible")
		}
		scale := math.Pow(10, digits)
		if rounded := math.Round(v*scale) / scale; !math.IsInf(rounded, 0) && !math.IsNaN(rounded) {
			return cty.NumberFloatVal(rounded), nil
		}
		return args[0], nil
	},
})

// units are what humanize can be told of, each with how many seconds it has, or 0 for bytes.
var units = map[string]float64{"s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "m": 60, "h": 3600, "d": 86400, "bytes": 0}

// humanize writes a number short: 1234567 is 1.23M. With a unit it is a duration or a size: 3700 s are 1h 1m.
var humanize = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "number", Type: cty.Number}},
	VarParam: &function.Parameter{Name: "unit", Type: cty.String},
	Type:     function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, _ := args[0].AsBigFloat().Float64()
		if math.IsInf(v, 0) {
			return cty.StringVal(missing), nil
		}
		if len(args) == 1 {
			return cty.StringVal(scaled(v, 1000, "", "k", "M", "G", "T", "P", "E")), nil
		}
		scale, ok := units[args[1].AsString()]
		switch {
		case len(args) > 2:
			return cty.UnknownVal(cty.String), errors.New("it takes a number and at most its unit")
		case !ok:
			return cty.UnknownVal(cty.String), function.NewArgErrorf(1, `units are "s", "ms", "us", "ns", "m", "h", "d" and "bytes"`)
		case scale == 0:
			return cty.StringVal(scaled(v, 1024, " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB")), nil
		}
		return cty.StringVal(duration(v * scale)), nil
	},
})

// scaled writes a number with three digits and the largest unit that it has one of.
func scaled(v, step float64, units ...string) string {
	unit := 0
	for unit < len(units)-1 && math.Abs(threeDigits(v)) >= step {
		v /= step
		unit++
	}
	return decimal(threeDigits(v)) + units[unit]
}

// threeDigits rounds to three digits, but never a digit before the point.
func threeDigits(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1000 {
		return math.Round(v)
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	if math.IsInf(scale, 0) {
		return v
	}
	return math.Round(v*scale) / scale
}

// duration writes seconds in the two largest units that they have.
func duration(seconds float64) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	if seconds < 59.95 {
		for _, unit := range []struct {
			name  string
			scale float64
		}{{"s", 1}, {"ms", 1e-3}, {"µs", 1e-6}} {
			if n := threeDigits(seconds / unit.scale); n >= 1 {
				return sign + decimal(n) + " " + unit.name
			}
		}
		if n := threeDigits(seconds / 1e-9); n > 0 {
			return sign + decimal(n) + " ns"
		}
		return "0 s"
	}
	if seconds >= float64(math.MaxInt64/int64(time.Second)) {
		return sign + decimal(math.Round(seconds/86400)) + "d"
	}
	rest := int64(math.Round(seconds))
	var words []string
	for _, unit := range []struct {
		name  string
		scale int64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}} {
		n := rest / unit.scale
		rest %= unit.scale
		if n > 0 {
			words = append(words, fmt.Sprintf("%d%s", n, unit.name))
		}
		if len(words) == 2 || len(words) == 1 && n == 0 {
			break
		}
	}
	return sign + strings.Join(words, " ")
}
