package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Bounds on what a function makes of little. One slip of the keyboard would take all memory otherwise: at a reload, the
// daemon's.
const (
	maxElements = 100_000 // of a list
	maxWidth    = 10_000  // of what one verb of a format writes
	maxMade     = maxFile // bytes of a text
)

// bounded is a function that is called only if check, which works out what it would make, finds nothing wrong. Check gets
// arguments that are wholly known.
func bounded(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type:     f.ReturnTypeForValues,
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			plain := make([]cty.Value, len(args))
			known := true
			for i, a := range args {
				plain[i], _ = a.UnmarkDeep()
				known = known && plain[i].IsWhollyKnown()
			}
			if known {
				if err := check(plain); err != nil {
					return cty.UnknownVal(want), err
				}
			}
			return f.Call(args)
		},
	})
}

// fits holds a number of bytes against maxMade. It is a float64 since a product of two lengths may be any number.
func fits(bytes float64) error {
	if bytes > maxMade {
		return fmt.Errorf("it would make a text of more than %s", wire.FormatSize(maxMade))
	}
	return nil
}

var setProductFunction = bounded(stdlib.SetProductFunc, func(args []cty.Value) error {
	n := 1.0
	for _, a := range args {
		if !a.IsNull() && a.CanIterateElements() {
			n *= float64(a.LengthInt())
		}
	}
	if n > maxElements {
		return fmt.Errorf("it would make %.0f combinations, and may make %d", n, maxElements)
	}
	return nil
})

var formatWidth = regexp.MustCompile(`%[-+ #0-9.\[\]]*[a-zA-Z]`)

// checkWidths looks at the widths and the precisions of a format.
func checkWidths(args []cty.Value) error {
	for _, verb := range formatWidth.FindAllString(strings.ReplaceAll(args[0].AsString(), "%%", ""), -1) {
		for _, digits := range strings.FieldsFunc(verb, func(r rune) bool { return r < '0' || r > '9' }) {
			if n, err := strconv.Atoi(digits); err != nil || n > maxWidth {
				return function.NewArgErrorf(0, "%s is wider than %d", verb, maxWidth)
			}
		}
	}
	return nil
}

var joinFunction = bounded(stdlib.JoinFunc, func(args []cty.Value) error {
	size := 0.0
	for _, list := range args[1:] {
		for it := list.ElementIterator(); it.Next(); {
			if _, v := it.Element(); !v.IsNull() {
				size += float64(len(v.AsString()) + len(args[0].AsString()))
			}
		}
	}
	return fits(size)
})

var indentFunction = bounded(stdlib.IndentFunc, func(args []cty.Value) error {
	spaces, _ := args[0].AsBigFloat().Float64()
	if spaces < 0 {
		return errors.New("it can not indent by less than 0")
	}
	text := args[1].AsString()
	// The padding is made even of a text with one line.
	return fits(float64(len(text)) + spaces*math.Max(1, float64(strings.Count(text, "\n"))))
})

// outOfRange says why a number is refused. It would take minutes, and gigabytes, to write it out.
const outOfRange = "a number has at most 308 digits before its point, and as many behind it"

// usable reports whether the numbers in a value are within the range of a float64.
func usable(v cty.Value) bool {
	ok := true
	plain, _ := v.UnmarkDeep()
	// No visit fails.
	_ = cty.Walk(plain, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() {
			exponent := v.AsBigFloat().MantExp(nil)
			ok = ok && exponent <= 1024 && exponent >= -1074
		}
		return ok, nil
	})
	return ok
}

// ranged is a function that makes values of a text, and of no number that is beyond any use.
func ranged(f function.Function) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(),
		Type:   func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err == nil && !usable(v) {
				return cty.UnknownVal(want), errors.New(outOfRange)
			}
			return v, err
		},
	})
}
