package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// argument is an attribute of a target block that the command line sets: it has the attribute's type and default, and what
// the attribute allows.
type argument struct {
	*wire.Attribute
	block string // within that of the target, or empty
	value any    // as wire.ParseText has it; nil unless it is set
	wrong error
}

// flagNames are flags that are not named as their attribute is, which takes several at once.
var flagNames = map[string]string{"headers": "header"}

// notOfOneProbe are attributes of a target that a single probe has no use for, and url, which is no flag.
var notOfOneProbe = []string{"url", "app", "labels", "interval", "retries", "retry_delay"}

// addArguments adds a flag for each attribute of a target block and of its expectations, but for maps of expectations, which
// no flag could hold well.
func addArguments(flags *pflag.FlagSet, schema *wire.Schema) []*argument {
	var all []*argument
	add := func(block string, s *wire.Schema) {
		for i := range s.Attributes {
			a := &argument{Attribute: &s.Attributes[i], block: block}
			kind, _ := a.Attribute.Type.Element()
			if slices.Contains(notOfOneProbe, a.Name) || block != "" && kind == "map" {
				continue
			}
			usage := a.Doc
			if len(a.OneOf) > 0 {
				usage += " One of " + strings.Join(a.OneOf, ", ") + "."
			}
			f := flags.VarPF(a, a.flag(), "", usage)
			f.DefValue = a.Default
			if a.Attribute.Type == wire.TypeBool {
				f.NoOptDefVal = "true"
			}
			all = append(all, a)
		}
	}
	for _, b := range schema.Blocks {
		if b.Name != "target" {
			continue
		}
		add("", &b.Schema)
		for _, inner := range b.Schema.Blocks {
			add(inner.Name, &inner.Schema)
		}
	}
	return all
}

func (a *argument) flag() string {
	if name, ok := flagNames[a.Name]; ok {
		return name
	}
	return strings.ReplaceAll(a.Name, "_", "-")
}

// Set implements pflag.Value. It returns no error, for what is printed of that repeats the text, which may be a secret.
func (a *argument) Set(text string) error {
	err := a.set(text)
	if err == nil {
		err = a.Check(a.value)
	}
	if err != nil && a.wrong == nil {
		a.wrong = fmt.Errorf("--%s: %w", a.flag(), err)
	}
	return nil
}

func (a *argument) set(text string) (err error) {
	switch kind, element := a.Attribute.Type.Element(); kind {
	case "list":
		list, _ := a.value.([]any)
		for part := range strings.SplitSeq(text, ",") {
			v, err := wire.ParseText(element, strings.TrimSpace(part))
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		a.value = list
		return nil
	case "map":
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" {
			return errors.New("it must be NAME:VALUE")
		}
		if a.value == nil {
			a.value = map[string]any{}
		}
		a.value.(map[string]any)[name] = strings.TrimLeft(value, " ")
		return nil
	}
	a.value, err = wire.ParseText(a.Attribute.Type, text)
	return err
}

// String implements pflag.Value. It shows nothing that was set: it may be a secret.
func (a *argument) String() string { return "" }

// Type implements pflag.Value; it stands in the help.
func (a *argument) Type() string {
	switch kind, _ := a.Attribute.Type.Element(); kind {
	case "list":
		return "list"
	case "map":
		return "name:value"
	}
	return string(a.Attribute.Type)
}

// block is a block of the configuration as JSON.
type block map[string]json.RawMessage

// with is the block of a target with what the command line sets.
func (b block) with(arguments []*argument) (block, error) {
	result := maps.Clone(b)
	for _, a := range arguments {
		if a.value == nil {
			continue
		}
		at := result
		if a.block != "" {
			at = block{}
			if raw, ok := result[a.block]; ok {
				if err := json.Unmarshal(raw, &at); err != nil {
					return nil, fmt.Errorf("reading the block %s: %w", a.block, err)
				}
			}
			if at == nil { // it was null
				at = block{}
			}
		}
		if err := at.put(a); err != nil {
			return nil, err
		}
		if a.block != "" {
			raw, err := json.Marshal(at)
			if err != nil {
				return nil, err
			}
			result[a.block] = raw
		}
	}
	return result, nil
}

// put sets an attribute. Of a map it sets elements; names of headers are the same in any case.
func (b block) put(a *argument) error {
	value := a.value
	if set, ok := value.(map[string]any); ok {
		merged := map[string]any{}
		if raw, ok := b[a.Name]; ok {
			if err := json.Unmarshal(raw, &merged); err != nil {
				return fmt.Errorf("reading %s: %w", a.Name, err)
			}
		}
		for name := range set {
			maps.DeleteFunc(merged, func(known string, _ any) bool { return strings.EqualFold(known, name) })
		}
		if merged == nil { // it was null
			merged = map[string]any{}
		}
		maps.Copy(merged, set)
		value = merged
	}
	raw, err := json.Marshal(value)
	b[a.Name] = raw
	return err
}
