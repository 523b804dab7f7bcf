package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are what expressions of a file in dir may call. They have the names and the meaning that Terraform gives
// them. None depends on the time: a configuration is a function of its files, its variables and the environment.
func functions(dir string) map[string]function.Function {
	return map[string]function.Function{
		"hostname": stringFunction(func([]string) (string, error) { return os.Hostname() }),
		"env":      envFunction,
		"file": stringFunction(func(args []string) (string, error) {
			return readFile(dir, args[0])
		}, "path"),
		"fileset":      filesetFunction(dir),
		"secret":       secretFunction(dir),
		"sensitive":    sensitiveFunction,
		"nonsensitive": nonsensitiveFunction,

		"csvdecode":    stdlib.CSVDecodeFunc,
		"jsondecode":   ranged(stdlib.JSONDecodeFunc),
		"jsonencode":   stdlib.JSONEncodeFunc,
		"yamldecode":   ranged(yaml.YAMLDecodeFunc),
		"base64encode": stringFunction(func(args []string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(args[0])), nil }, "text"),
		"base64decode": stringFunction(decodeBase64, "text"),
		"sha256": stringFunction(func(args []string) (string, error) {
			sum := sha256.Sum256([]byte(args[0]))
			return hex.EncodeToString(sum[:]), nil
		}, "text"),
		"urlencode": stringFunction(func(args []string) (string, error) { return url.QueryEscape(args[0]), nil }, "text"),

		"chomp":      stdlib.ChompFunc,
		"endswith":   predicate(strings.HasSuffix, "text", "suffix"),
		"format":     bounded(stdlib.FormatFunc, checkWidths),
		"formatlist": bounded(stdlib.FormatListFunc, checkWidths),
		"indent":     indentFunction,
		"join":       joinFunction,
		"lower":      stdlib.LowerFunc,
		"regex":      stdlib.RegexFunc,
		"regexall":   stdlib.RegexAllFunc,
		"replace":    replaceFunction,
		"split":      stdlib.SplitFunc,
		"startswith": predicate(strings.HasPrefix, "text", "prefix"),
		"strrev":     stdlib.ReverseFunc,
		"substr":     stdlib.SubstrFunc,
		"title":      stdlib.TitleFunc,
		"trim":       stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc,
		"trimspace":  stdlib.TrimSpaceFunc,
		"trimsuffix": stdlib.TrimSuffixFunc,
		"upper":      stdlib.UpperFunc,

		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        coalesceFunction,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"distinct":        distinctFunction,
		"element":         stdlib.ElementFunc,
		"flatten":         stdlib.FlattenFunc,
		"index":           indexFunction,
		"keys":            stdlib.KeysFunc,
		"length":          lengthFunction,
		"lookup":          stdlib.LookupFunc,
		"merge":           stdlib.MergeFunc,
		"range":           stdlib.RangeFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      setProductFunction,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"values":          stdlib.ValuesFunc,
		"zipmap":          stdlib.ZipmapFunc,

		"abs":      stdlib.AbsoluteFunc,
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc,
		"pow":      stdlib.PowFunc,
		"signum":   stdlib.SignumFunc,

		"can":      tryfunc.CanFunc,
		"try":      tryfunc.TryFunc,
		"tobool":   stdlib.MakeToFunc(cty.Bool),
		"tolist":   stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":    stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber": ranged(stdlib.MakeToFunc(cty.Number)),
		"toset":    stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring": stdlib.MakeToFunc(cty.String),
	}
}

// stringFunction is a function of strings that returns a string.
func stringFunction(impl func(args []string) (string, error), parameters ...string) function.Function {
	spec := &function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			texts := make([]string, len(args))
			for i, a := range args {
				texts[i] = a.AsString()
			}
			result, err := impl(texts)
			if err != nil {
				if len(args) > 0 {
					err = function.NewArgError(0, err)
				}
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(result), nil
		},
	}
	for _, name := range parameters {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.String})
	}
	return function.New(spec)
}

// predicate is a function of two strings that is true or false.
func predicate(impl func(a, b string) bool, first, second string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: first, Type: cty.String}, {Name: second, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(impl(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var envFunction = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "name", Type: cty.String}},
	VarParam: &function.Parameter{Name: "default", Type: cty.String},
	Type:     function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		name := args[0].AsString()
		value, ok := os.LookupEnv(name)
		switch {
		case len(args) > 2:
			return cty.UnknownVal(cty.String), errors.New("it takes a name and at most one default")
		case ok:
			return cty.StringVal(value), nil
		case len(args) == 2:
			return args[1], nil
		}
		return cty.UnknownVal(cty.String), function.NewArgErrorf(0,
			"the environment variable %s is not set; a default may stand behind the name: env(%q, \"\")", name, name)
	},
})

func decodeBase64(args []string) (string, error) {
	text, err := base64.StdEncoding.DecodeString(args[0])
	switch {
	case err != nil:
		return "", errors.New("it is no base64")
	case !utf8.Valid(text):
		return "", errors.New("what it holds is no text in UTF-8")
	}
	return string(text), nil
}

// replaceFunction replaces a text, or, as in Terraform, a pattern that stands between slashes.
var replaceFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "search", Type: cty.String}, {Name: "replacement", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		text, search := args[0].AsString(), args[1].AsString()
		replaced, times := stdlib.Replace, strings.Count(text, search)
		if len(search) > 1 && strings.HasPrefix(search, "/") && strings.HasSuffix(search, "/") {
			search = search[1 : len(search)-1]
			pattern, err := regexp.Compile(search)
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(1, err)
			}
			replaced, times = stdlib.RegexReplace, len(pattern.FindAllStringIndex(text, -1))
		}
		if err := fits(float64(len(text)) + float64(times)*float64(len(args[2].AsString()))); err != nil {
			return cty.UnknownVal(cty.String), err
		}
		return replaced(args[0], cty.StringVal(search), args[2])
	},
})

// coalesceFunction returns the first argument that is neither null nor an empty text.
var coalesceFunction = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "values", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		var types []cty.Type
		for _, a := range args {
			if !a.IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			if !a.IsNull() {
				types = append(types, a.Type())
			}
		}
		if len(types) == 0 {
			return cty.NilType, errors.New("every argument is null or empty")
		}
		common, _ := convert.UnifyUnsafe(types)
		if common == cty.NilType {
			return cty.NilType, errors.New("all arguments must have the same type")
		}
		return common, nil
	},
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		for _, a := range args {
			if a.IsNull() {
				continue
			}
			v, err := convert.Convert(a, want)
			if err != nil {
				return cty.UnknownVal(want), err
			}
			if want != cty.String || v.AsString() != "" {
				return v, nil
			}
		}
		return cty.UnknownVal(want), errors.New("every argument is null or empty")
	},
})

// distinctFunction keeps the first of elements that are alike. That of the library compares each with each, which takes
// minutes for a list of some length.
var distinctFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.List(cty.DynamicPseudoType)}},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(want), nil
		}
		var list []cty.Value
		alike := map[int][]cty.Value{} // by hash
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			hash := v.Hash()
			if slices.ContainsFunc(alike[hash], v.RawEquals) {
				continue
			}
			alike[hash] = append(alike[hash], v)
			list = append(list, v)
		}
		if len(list) == 0 {
			return cty.ListValEmpty(want.ElementType()), nil
		}
		return cty.ListVal(list), nil
	},
})

// indexFunction finds the place of a value in a list.
var indexFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
			return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "a list is required")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, v := it.Element()
			if equal, err := stdlib.Equal(v, args[1]); err == nil && equal.IsKnown() && equal.True() {
				return i, nil
			}
		}
		return cty.UnknownVal(cty.Number), function.NewArgErrorf(1, "the list does not have it")
	},
})

// lengthFunction counts elements, and the characters of a text.
var lengthFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch {
		case !args[0].IsKnown():
			return cty.UnknownVal(cty.Number), nil
		case args[0].Type() == cty.String:
			return stdlib.Strlen(args[0])
		case args[0].Type().IsObjectType():
			return cty.NumberIntVal(int64(len(args[0].Type().AttributeTypes()))), nil
		}
		return stdlib.Length(args[0])
	},
})
