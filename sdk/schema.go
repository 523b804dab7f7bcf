package sdk

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// field is one field of a configuration struct, as its tags describe it.
type field struct {
	name  string
	kind  fieldKind
	index []int
	tag   reflect.StructTag
	typ   reflect.Type
}

type fieldKind int

const (
	attribute fieldKind = iota
	optional
	block
	label
)

// fieldsOfType has the types that were read: a configuration may have thousands of blocks of one type.
var fieldsOfType sync.Map // reflect.Type to []field

// fieldsOf are the fields of a configuration struct, and of those embedded in it as if their fields were its own. Decoding and
// the schema both go by them, and nobody changes them.
func fieldsOf(t reflect.Type) ([]field, error) {
	if fields, ok := fieldsOfType.Load(t); ok {
		return fields.([]field), nil
	}
	fields, err := readFields(t)
	if err == nil {
		fieldsOfType.Store(t, fields)
	}
	return fields, err
}

// readFields reads the tags of a configuration struct.
func readFields(t reflect.Type) ([]field, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("configuration %s is no struct", t)
	}
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("hcl")
		if !ok && sf.Anonymous && sf.Type.Kind() == reflect.Struct {
			embedded, err := fieldsOf(sf.Type)
			if err != nil {
				return nil, err
			}
			for _, f := range embedded {
				f.index = slices.Concat([]int{i}, f.index)
				fields = append(fields, f)
			}
			continue
		}
		if !ok {
			continue
		}
		name, kind, _ := strings.Cut(tag, ",")
		f := field{name: name, index: []int{i}, tag: sf.Tag, typ: sf.Type}
		switch kind {
		case "":
			if _, has := sf.Tag.Lookup("default"); has {
				f.kind = optional
			}
		case "optional":
			f.kind = optional
		case "block":
			f.kind = block
		case "label":
			f.kind = label
		default:
			return nil, fmt.Errorf("field %s.%s: unknown kind %q in its hcl tag", t, sf.Name, kind)
		}
		if name == "" || !sf.IsExported() {
			return nil, fmt.Errorf("field %s.%s: an hcl tag wants a name and an exported field", t, sf.Name)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// Size is the type of an attribute that is a number of bytes. In the configuration it is a text such as "64KiB", "10MB"
// or "1GiB", or a plain number.
type Size int64

// String writes the size as it may stand in a configuration.
func (s Size) String() string { return wire.FormatSize(int64(s)) }

// schemaOf is the schema that the tags of a configuration struct say.
func schemaOf(t reflect.Type) (wire.Schema, error) {
	var s wire.Schema
	fields, err := fieldsOf(t)
	if err != nil {
		return s, err
	}
	for _, f := range fields {
		doc := f.tag.Get("doc")
		switch f.kind {
		case label:
			continue
		case block:
			b, err := blockOf(f, doc)
			if err != nil {
				return s, err
			}
			s.Blocks = append(s.Blocks, b)
		default:
			typ, err := typeOf(f.typ)
			if err != nil {
				return s, fmt.Errorf("attribute %s of %s: %w", f.name, t, err)
			}
			a := wire.Attribute{
				Name: f.name, Type: typ, Required: f.kind == attribute, Default: f.tag.Get("default"),
				Min: f.tag.Get("min"), Max: f.tag.Get("max"), Deprecated: f.tag.Get("deprecated"), Doc: doc,
			}
			if choices, ok := f.tag.Lookup("one_of"); ok {
				a.OneOf = strings.Split(choices, ",")
			}
			for tag, is := range map[string]*bool{"sensitive": &a.Sensitive, "tags": &a.Tags} {
				if text, ok := f.tag.Lookup(tag); ok {
					if *is, err = strconv.ParseBool(text); err != nil {
						return s, fmt.Errorf("attribute %s of %s: its %s tag is neither true nor false", f.name, t, tag)
					}
				}
			}
			s.Attributes = append(s.Attributes, a)
		}
		if doc == "" {
			return s, fmt.Errorf("%s of %s has no doc tag", f.name, t)
		}
	}
	return s, nil
}

func blockOf(f field, doc string) (wire.Block, error) {
	b := wire.Block{
		Name: f.name, Doc: doc, Single: f.typ.Kind() != reflect.Slice, Required: f.typ.Kind() == reflect.Struct,
		Deprecated: f.tag.Get("deprecated"),
	}
	for tag, bound := range map[string]*int{"min": &b.Min, "max": &b.Max} {
		if text, ok := f.tag.Lookup(tag); ok {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || b.Single {
				return b, fmt.Errorf("block %s: %s is %q, but must be a number above 0, for a block that may stand several times", f.name, tag, text)
			}
			*bound = n
		}
	}
	if text, ok := f.tag.Lookup("tags"); ok {
		var err error
		if b.Tags, err = strconv.ParseBool(text); err != nil {
			return b, fmt.Errorf("block %s: its tags tag is neither true nor false", f.name)
		}
	}
	body := f.typ
	if body.Kind() != reflect.Struct {
		body = body.Elem()
	}
	fields, err := fieldsOf(body)
	if err != nil {
		return b, fmt.Errorf("block %s: %w", f.name, err)
	}
	for _, inner := range fields {
		if inner.kind == label {
			b.Labels = append(b.Labels, inner.name)
		}
	}
	b.Schema, err = schemaOf(body)
	return b, err
}

func typeOf(t reflect.Type) (wire.Type, error) {
	switch t.Kind() {
	case reflect.Slice:
		element, err := simpleTypeOf(t.Elem())
		return wire.ListOf(element), err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return "", fmt.Errorf("a map's keys are strings, not %s", t.Key())
		}
		element, err := simpleTypeOf(t.Elem())
		return wire.MapOf(element), err
	}
	return simpleTypeOf(t)
}

func simpleTypeOf(t reflect.Type) (wire.Type, error) {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return wire.TypeDuration, nil
	case reflect.TypeFor[Size]():
		return wire.TypeSize, nil
	case reflect.TypeFor[Path]():
		return wire.TypePath, nil
	}
	switch t.Kind() {
	case reflect.String:
		return wire.TypeString, nil
	case reflect.Bool:
		return wire.TypeBool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return wire.TypeInt, nil
	case reflect.Float32, reflect.Float64:
		return wire.TypeFloat, nil
	}
	return "", fmt.Errorf("a value of type %s can not be configured", t)
}
