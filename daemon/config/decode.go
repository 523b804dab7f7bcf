package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// decoder turns bodies into values by their schemas and gathers all that is wrong on the way.
type decoder struct {
	eval      *hcl.EvalContext
	diags     hcl.Diagnostics
	sensitive []hcl.Range
}

// decoded is the value of a body and where its parts stand.
type decoded struct {
	value  object
	ranges map[string]hcl.Range // of attributes that are there
	failed map[string]bool      // attributes whose value is wrong, and was reported
	all    hcl.Range
}

// at is the range of an attribute's value, or of the block if the attribute is not there.
func (b *decoded) at(name string) hcl.Range {
	if r, ok := b.ranges[name]; ok {
		return r
	}
	return b.all
}

func (d *decoder) fail(at hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at,
	})
}

// decode reads a body that has what the schema says and nothing else.
func (d *decoder) decode(body hcl.Body, schema wire.Schema) *decoded {
	content, diags := body.Content(bodySchema(schema))
	d.diags = append(d.diags, diags...)
	return d.content(content, schema, body.MissingItemRange())
}

// partial reads what the schema says and returns the rest of the body.
func (d *decoder) partial(body hcl.Body, schema wire.Schema) (*decoded, hcl.Body) {
	content, rest, diags := body.PartialContent(bodySchema(schema))
	d.diags = append(d.diags, diags...)
	return d.content(content, schema, body.MissingItemRange()), rest
}

func bodySchema(schema wire.Schema) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, a := range schema.Attributes {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.Name, Required: a.Required})
	}
	for _, b := range schema.Blocks {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: b.Name, LabelNames: b.Labels})
	}
	return s
}

func (d *decoder) content(content *hcl.BodyContent, schema wire.Schema, all hcl.Range) *decoded {
	b := &decoded{value: object{}, ranges: map[string]hcl.Range{}, failed: map[string]bool{}, all: all}
	for _, a := range schema.Attributes {
		if attribute, ok := content.Attributes[a.Name]; ok {
			b.ranges[a.Name] = attribute.Expr.Range()
			if a.Sensitive {
				d.sensitive = append(d.sensitive, attribute.Range)
			}
			value, ok := d.value(attribute, a.Type)
			if ok {
				b.value[a.Name] = value
				continue
			}
			b.failed[a.Name] = true
		}
		if a.Default != "" {
			b.value[a.Name] = d.defaultValue(a)
		}
	}
	for _, s := range schema.Blocks {
		d.blocks(b, s, content.Blocks.OfType(s.Name))
	}
	return b
}

// blocks decodes the blocks of one type: into an object if it stands at most once, and otherwise into a list.
func (d *decoder) blocks(b *decoded, schema wire.Block, blocks hcl.Blocks) {
	if schema.Required && len(blocks) == 0 {
		d.fail(b.all, "Missing "+schema.Name+" block", "At least one %s block is required.", schema.Name)
	}
	list := []object{}
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		value := d.decode(block.Body, schema.Schema).value
		for i, label := range schema.Labels {
			value[label] = block.Labels[i]
		}
		key := strings.Join(block.Labels, "\x00")
		if first, ok := seen[key]; ok && (schema.Single || len(schema.Labels) > 0) {
			name := strings.Join(append([]string{schema.Name}, quoted(block.Labels)...), " ")
			d.fail(block.DefRange, "Duplicate "+schema.Name+" block", "There is one block %s already, at %s.", name, position(first))
			continue
		}
		seen[key] = block.DefRange
		list = append(list, value)
	}
	switch {
	case !schema.Single:
		b.value[schema.Name] = list
	case len(list) > 0:
		b.value[schema.Name] = list[0]
	}
}

func quoted(labels []string) []string {
	var list []string
	for _, l := range labels {
		list = append(list, fmt.Sprintf("%q", l))
	}
	return list
}

// value evaluates an attribute. The result is ready to be JSON; it is false if the value is null or wrong.
func (d *decoder) value(a *hcl.Attribute, typ wire.Type) (any, bool) {
	v, diags := a.Expr.Value(d.eval)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		return nil, false
	}
	result, err := convertTo(v, typ, filepath.Dir(a.Range.Filename))
	if err != nil {
		d.fail(a.Expr.Range(), "Invalid value", "The argument %q is wrong: %s.", a.Name, err)
		return nil, false
	}
	return result, true
}

// defaultValue is the value of an attribute that is left out. A default that its type does not take is a mistake of
// the plugin's author.
func (d *decoder) defaultValue(a wire.Attribute) any {
	v := cty.StringVal(a.Default)
	if a.Type != wire.TypeString && a.Type != wire.TypeDuration {
		expr, diags := hclsyntax.ParseExpression([]byte(a.Default), "default of "+a.Name, hcl.InitialPos)
		if !diags.HasErrors() {
			v, diags = expr.Value(nil)
		}
		d.diags = append(d.diags, diags...)
	}
	result, err := convertTo(v, a.Type, "")
	if err != nil {
		d.fail(hcl.Range{Filename: "default of " + a.Name}, "Invalid default", "The plugin's own default %q is wrong: %s.", a.Default, err)
	}
	return result
}

var ctyTypes = map[wire.Type]cty.Type{
	wire.TypeString:   cty.String,
	wire.TypeBool:     cty.Bool,
	wire.TypeInt:      cty.Number,
	wire.TypeFloat:    cty.Number,
	wire.TypeDuration: cty.String,
	wire.TypePath:     cty.String,
}

// convertTo makes the value fit the type and ready to be JSON. A relative path is relative to the directory.
func convertTo(v cty.Value, typ wire.Type, dir string) (any, error) {
	if element, ok := elementOf(typ, "list"); ok {
		v, err := convert.Convert(v, cty.List(ctyTypes[element]))
		if err != nil {
			return nil, err
		}
		list := []any{}
		for _, e := range v.AsValueSlice() {
			converted, err := convertTo(e, element, dir)
			if err != nil {
				return nil, err
			}
			list = append(list, converted)
		}
		return list, nil
	}
	if element, ok := elementOf(typ, "map"); ok {
		v, err := convert.Convert(v, cty.Map(ctyTypes[element]))
		if err != nil {
			return nil, err
		}
		object := map[string]any{}
		for key, e := range v.AsValueMap() {
			if object[key], err = convertTo(e, element, dir); err != nil {
				return nil, fmt.Errorf("%q: %w", key, err)
			}
		}
		return object, nil
	}
	want, ok := ctyTypes[typ]
	if !ok {
		return nil, fmt.Errorf("its type %q is not known to this daemon", typ)
	}
	v, err := convert.Convert(v, want)
	if err != nil {
		return nil, err
	}
	if v.IsNull() {
		return nil, fmt.Errorf("null is no %s", typ)
	}
	switch typ {
	case wire.TypeBool:
		return v.True(), nil
	case wire.TypeDuration:
		duration, err := ParseDuration(v.AsString())
		return duration.Seconds(), err
	case wire.TypePath:
		path := v.AsString()
		if path == "" || filepath.IsAbs(path) {
			return path, nil
		}
		return filepath.Abs(filepath.Join(dir, path))
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

func elementOf(typ wire.Type, kind string) (wire.Type, bool) {
	inner, ok := strings.CutPrefix(string(typ), kind+"(")
	if !ok {
		return "", false
	}
	return wire.Type(strings.TrimSuffix(inner, ")")), true
}

func (o object) json() []byte {
	data, err := json.Marshal(o)
	if err != nil {
		panic("config: a decoded body is no JSON: " + err.Error())
	}
	return data
}

// position is a place in the form that editors and terminals make clickable.
func position(r hcl.Range) string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

// sorted orders diagnostics by file and place; those without a place come first.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		switch {
		case a.Subject == nil || b.Subject == nil:
			return boolCompare(a.Subject != nil, b.Subject != nil)
		case a.Subject.Filename != b.Subject.Filename:
			return strings.Compare(a.Subject.Filename, b.Subject.Filename)
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	return diags
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
