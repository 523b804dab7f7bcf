package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Element splits list(string) and map(string) into the kind, "list" or "map", and the type of the elements. The kind of
// a simple type is empty.
func (t Type) Element() (kind string, element Type) {
	for _, kind := range []string{"list", "map"} {
		if inner, ok := strings.CutPrefix(string(t), kind+"("); ok {
			return kind, Type(strings.TrimSuffix(inner, ")"))
		}
	}
	return "", t
}

// Known reports whether it is a type of the contract.
func (t Type) Known() bool {
	_, element := t.Element()
	switch element {
	case TypeString, TypeBool, TypeInt, TypeFloat, TypeDuration, TypeSize, TypePath:
		return true
	}
	return false
}

// ParseText reads a value from the text of a manifest: a default, or one of the values that are allowed. It returns what
// JSON has for it: a string, a bool, an int64, a float64 (for a duration, seconds), a []any or a map[string]any.
func ParseText(typ Type, text string) (any, error) {
	kind, element := typ.Element()
	switch kind {
	case "list":
		var texts []any
		if err := decodeJSON(text, &texts); err != nil {
			return nil, fmt.Errorf("%s is no list in JSON: %w", text, err)
		}
		list := make([]any, len(texts))
		for i, t := range texts {
			v, err := ParseText(element, fmt.Sprint(t))
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case "map":
		var texts map[string]any
		if err := decodeJSON(text, &texts); err != nil {
			return nil, fmt.Errorf("%s is no object in JSON: %w", text, err)
		}
		object := map[string]any{}
		for key, t := range texts {
			v, err := ParseText(element, fmt.Sprint(t))
			if err != nil {
				return nil, fmt.Errorf("%q: %w", key, err)
			}
			object[key] = v
		}
		return object, nil
	}
	switch typ {
	case TypeString, TypePath:
		return text, nil
	case TypeDuration:
		d, err := ParseDuration(text)
		return d.Seconds(), err
	case TypeSize:
		return ParseSize(text)
	case TypeBool:
		switch text {
		case "true", "false":
			return text == "true", nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", text)
	case TypeInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number of at most 64 bits", text)
		}
		return n, nil
	case TypeFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fmt.Errorf("%q is no number", text)
		}
		return f, nil
	}
	return nil, fmt.Errorf("the type %q is not known", typ)
}

// decodeJSON keeps numbers as they are written.
func decodeJSON(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// DefaultValue is the value of an attribute that is left out: see ParseText. It is nil if there is none.
func (a *Attribute) DefaultValue() (any, error) {
	if a.Default == "" {
		return nil, nil
	}
	return ParseText(a.Type, a.Default)
}

// CheckTag says what keeps a text from being the value of a tag: InfluxDB's line protocol can not write it.
func CheckTag(text string) error {
	switch {
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 }):
		return errors.New("has a control character")
	case strings.HasSuffix(text, "\\"):
		return errors.New("ends with a backslash")
	}
	return nil
}

// Any is the value of a field: a float64, int64, uint64, bool or string; nil if it has none.
func (f *Field) Any() any {
	switch v := f.GetValue().(type) {
	case *Field_Float:
		return v.Float
	case *Field_Int:
		return v.Int
	case *Field_Uint:
		return v.Uint
	case *Field_Bool:
		return v.Bool
	case *Field_String_:
		return v.String_
	}
	return nil
}
