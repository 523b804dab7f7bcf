package wire

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Violation says that a value has the right type and is not allowed all the same.
type Violation struct {
	// Value is what is not allowed: of a list or map, the element, or nothing if it is their number.
	Value any
	// Rule says what it must be. It does not repeat the value, which may be a secret.
	Rule string
}

func (v *Violation) Error() string { return v.Rule }

// Check holds a value, as ParseText returns it, against what the attribute allows. The error is a Violation.
func (a *Attribute) Check(value any) error {
	switch v := value.(type) {
	case []any:
		if err := checkCount(len(v), a.Min, a.Max); err != nil {
			return err
		}
		for _, e := range v {
			if err := a.checkChoice(e); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		if err := checkCount(len(v), a.Min, a.Max); err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := a.checkChoice(v[key]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := a.checkChoice(value); err != nil {
		return err
	}
	for _, bound := range []struct {
		text, words string
		wrong       int
	}{{a.Min, "at least", -1}, {a.Max, "at most", 1}} {
		if bound.text == "" {
			continue
		}
		limit, err := ParseText(a.Type, bound.text)
		if err != nil {
			return err
		}
		if order(value, limit) == bound.wrong {
			return &Violation{value, fmt.Sprintf("must be %s %s", bound.words, bound.text)}
		}
	}
	return nil
}

func (a *Attribute) checkChoice(value any) error {
	if len(a.OneOf) == 0 {
		return nil
	}
	_, element := a.Type.Element()
	for _, choice := range a.OneOf {
		if v, err := ParseText(element, choice); err == nil && v == value {
			return nil
		}
	}
	return &Violation{value, "must be one of " + strings.Join(a.OneOf, ", ")}
}

// CheckCount holds the number of blocks against what the block allows.
func (b *Block) CheckCount(n int) error {
	if b.Min > 0 && n < b.Min {
		return &Violation{Rule: "must stand at least " + times(b.Min)}
	}
	if b.Max > 0 && n > b.Max {
		return &Violation{Rule: "must stand at most " + times(b.Max)}
	}
	return nil
}

func checkCount(n int, least, most string) error {
	// Schema.Check has seen that these are numbers.
	if limit, err := strconv.Atoi(least); err == nil && n < limit {
		return &Violation{Rule: "must have at least " + elements(limit)}
	}
	if limit, err := strconv.Atoi(most); err == nil && n > limit {
		return &Violation{Rule: "must have at most " + elements(limit)}
	}
	return nil
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func elements(n int) string {
	if n == 1 {
		return "one element"
	}
	return fmt.Sprintf("%d elements", n)
}

// order compares two numbers of the same type.
func order(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	}
	return 0
}

// Check finds the mistakes of a schema's author: types that are not known, names that are no identifiers of HCL or that stand twice, bounds that mean
// nothing, and defaults that the schema itself does not allow.
func (s *Schema) Check() error {
	seen := map[string]bool{}
	var errs []error
	claim := func(kind, name string) {
		errs = append(errs, checkIdentifier(kind, name))
		if seen[name] {
			errs = append(errs, fmt.Errorf("the name %s stands twice", name))
		}
		seen[name] = true
	}
	for i := range s.Attributes {
		claim("attribute", s.Attributes[i].Name)
		if err := s.Attributes[i].checkSelf(); err != nil {
			errs = append(errs, fmt.Errorf("attribute %s: %w", s.Attributes[i].Name, err))
		}
	}
	for _, b := range s.Blocks {
		claim("block", b.Name)
		for _, label := range b.Labels {
			errs = append(errs, checkIdentifier("label", label))
		}
		if b.Min < 0 || b.Max < 0 || b.Max > 0 && b.Min > b.Max {
			errs = append(errs, fmt.Errorf("block %s: min %d and max %d leave nothing", b.Name, b.Min, b.Max))
		}
		if err := b.Schema.Check(); err != nil {
			errs = append(errs, fmt.Errorf("block %s: %w", b.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (a *Attribute) checkSelf() error {
	if !a.Type.Known() {
		return fmt.Errorf("the type %q is not known", a.Type)
	}
	kind, element := a.Type.Element()
	if a.Tags && a.Type != MapOf(TypeString) {
		return fmt.Errorf("the keys of a map of texts may be tags, and this is a %s", a.Type)
	}
	for _, choice := range a.OneOf {
		if _, err := ParseText(element, choice); err != nil {
			return fmt.Errorf("one_of: %w", err)
		}
	}
	bound := a.Type
	if kind != "" {
		bound = TypeInt
	}
	var limits []any
	for _, text := range []string{a.Min, a.Max} {
		if text == "" {
			continue
		}
		switch bound {
		case TypeInt, TypeFloat, TypeDuration, TypeSize:
		default:
			return fmt.Errorf("a %s has no min and no max", a.Type)
		}
		v, err := ParseText(bound, text)
		if err != nil {
			return fmt.Errorf("min or max: %w", err)
		}
		limits = append(limits, v)
	}
	if len(limits) == 2 && order(limits[0], limits[1]) > 0 {
		return fmt.Errorf("min %s is above max %s", a.Min, a.Max)
	}
	value, err := a.DefaultValue()
	if err == nil && value != nil {
		err = a.Check(value)
	}
	if err != nil {
		return fmt.Errorf("the default %s: %w", a.Default, err)
	}
	return nil
}
