package sdk

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Decode reads what is configured for a command into a configuration struct, or a part of it into the struct of a block.
// What is absent gets its default; from no JSON at all come the defaults alone. Nothing is validated.
func Decode[C any](config []byte) (c C, err error) {
	if len(config) == 0 {
		config = []byte("{}")
	}
	if err := decode(config, reflect.ValueOf(&c).Elem()); err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	return c, nil
}

// decode fills a configuration struct from the JSON that the daemon sent. The daemon has checked it against the
// schema, so an error here means that the two do not agree on the protocol.
func decode(data []byte, into reflect.Value) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	fields, err := fieldsOf(into.Type())
	if err != nil {
		return err
	}
	for _, f := range fields {
		raw, ok := object[f.name]
		if !ok {
			// The daemon fills defaults in. Only what did not come from it lacks them.
			if raw, err = defaultOf(f); err != nil {
				return fmt.Errorf("the default of %s: %w", f.name, err)
			}
		}
		if raw == nil || string(raw) == "null" {
			continue
		}
		if err := decodeValue(raw, into.FieldByIndex(f.index)); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// defaultOf is the default of an attribute as JSON; nil if it has none.
func defaultOf(f field) (json.RawMessage, error) {
	text, ok := f.tag.Lookup("default")
	if !ok {
		return nil, nil
	}
	typ, err := typeOf(f.typ)
	if err != nil {
		return nil, err
	}
	value, err := wire.ParseText(typ, text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

func decodeValue(raw json.RawMessage, into reflect.Value) error {
	switch {
	case into.Type() == reflect.TypeFor[time.Duration]():
		var seconds float64
		if err := json.Unmarshal(raw, &seconds); err != nil {
			return err
		}
		into.SetInt(int64(math.Round(seconds * float64(time.Second))))
		return nil
	case into.Kind() == reflect.Struct:
		return decode(raw, into)
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return decodeValue(raw, into.Elem())
	case into.Kind() == reflect.Slice:
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return err
		}
		into.Set(reflect.MakeSlice(into.Type(), len(elements), len(elements)))
		for i, element := range elements {
			if err := decodeValue(element, into.Index(i)); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	case into.Kind() == reflect.Map:
		var elements map[string]json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return err
		}
		into.Set(reflect.MakeMapWithSize(into.Type(), len(elements)))
		for key, element := range elements {
			value := reflect.New(into.Type().Elem()).Elem()
			if err := decodeValue(element, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			into.SetMapIndex(reflect.ValueOf(key).Convert(into.Type().Key()), value)
		}
		return nil
	}
	return json.Unmarshal(raw, into.Addr().Interface())
}
