package config

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// evaluator has the functions that expressions of the configuration at path may call.
func evaluator(path string) *hcl.EvalContext {
	base := baseDir(path)
	return &hcl.EvalContext{Functions: map[string]function.Function{
		"hostname": stringFunction(func([]cty.Value) (string, error) { return os.Hostname() }),
		"env": stringFunction(func(args []cty.Value) (string, error) {
			name := args[0].AsString()
			value, ok := os.LookupEnv(name)
			if !ok {
				return "", function.NewArgErrorf(0, "the environment variable %s is not set", name)
			}
			return value, nil
		}, "name"),
		"file": stringFunction(func(args []cty.Value) (string, error) {
			name := args[0].AsString()
			if !filepath.IsAbs(name) {
				name = filepath.Join(base, name)
			}
			content, err := os.ReadFile(name)
			if err != nil {
				return "", function.NewArgError(0, fmt.Errorf("reading the file: %w", err))
			}
			return string(content), nil
		}, "path"),
	}}
}

// stringFunction is a function of strings that returns a string.
func stringFunction(impl func(args []cty.Value) (string, error), parameters ...string) function.Function {
	spec := &function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result, err := impl(args)
			return cty.StringVal(result), err
		},
	}
	for _, name := range parameters {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.String})
	}
	return function.New(spec)
}
