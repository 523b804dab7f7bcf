package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Validator is a configuration struct, or the struct of a nested block, that checks what its schema can not say. The
// daemon asks for it before it runs the plugin, so that a mistake is shown with its file and line; it is asked again
// before the plugin is made. It must change nothing, and open no connection.
type Validator interface {
	// Validate returns nil, an error, or several that errors.Join has joined. A Problem among them says which attribute
	// is wrong; its path begins in the struct whose method this is.
	Validate() error
}

// Problem is an error at a place in the configuration.
type Problem struct {
	// Path leads to the attribute: names of blocks, indices of repeated blocks from 0, the attribute's name, and the
	// index or key of an element.
	Path []string
	Err  error
}

func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the error without its place.
func (p *Problem) Unwrap() error { return p.Err }

var validator = reflect.TypeFor[Validator]()

// validates reports whether a configuration struct or one within it has a Validate method.
func validates(t reflect.Type) bool {
	if t.Implements(validator) || reflect.PointerTo(t).Implements(validator) {
		return true
	}
	// Tags that are wrong are reported by describe.
	fields, err := fieldsOf(t)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(fields, func(f field) bool {
		inner := f.typ
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		return f.kind == block && validates(inner)
	})
}

// validate calls the Validate methods of a configuration struct and of all within it.
func validate(v reflect.Value) error {
	fields, err := fieldsOf(v.Type())
	if err != nil {
		return err
	}
	var found []error
	if own, ok := v.Addr().Interface().(Validator); ok {
		found = append(found, own.Validate())
	}
	for _, f := range fields {
		if f.kind != block {
			continue
		}
		switch inner := v.FieldByIndex(f.index); inner.Kind() {
		case reflect.Slice:
			for i := range inner.Len() {
				found = append(found, within(validate(inner.Index(i)), f.name, strconv.Itoa(i)))
			}
		case reflect.Pointer:
			if !inner.IsNil() {
				found = append(found, within(validate(inner.Elem()), f.name))
			}
		default:
			found = append(found, within(validate(inner), f.name))
		}
	}
	return errors.Join(found...)
}

// within puts a path before those of all problems of an error.
func within(err error, path ...string) error {
	var found []error
	for _, p := range problemsOf(err) {
		found = append(found, &Problem{Path: append(slices.Clone(path), p.Path...), Err: errors.New(p.Summary)})
	}
	return errors.Join(found...)
}

// problemsOf takes an error, or several that were joined, apart into problems with their places.
func problemsOf(err error) []*wire.Problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var problems []*wire.Problem
		for _, e := range joined.Unwrap() {
			problems = append(problems, problemsOf(e)...)
		}
		return problems
	}
	var at *Problem
	if errors.As(err, &at) {
		return []*wire.Problem{{Path: at.Path, Summary: err.Error()}}
	}
	return []*wire.Problem{{Summary: err.Error()}}
}

// validate reads the configuration of an instance and writes what is wrong with it, as the contract says.
func (p *Plugin) validate(in io.Reader, out io.Writer) error {
	config, err := io.ReadAll(io.LimitReader(in, maxMessage))
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	problems := []*wire.Problem{}
	if p.New.validate != nil {
		problems = append(problems, problemsOf(p.New.validate(config))...)
	}
	return json.NewEncoder(out).Encode(problems)
}
