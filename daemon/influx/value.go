package influx

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Value is one cell of an answer: null, text, a boolean or a number. A number keeps the digits that InfluxDB sent, so
// that integers beyond 2^53 and nanoseconds stay exact. InfluxDB writes a float without a fraction as an integer, so
// whether 3 is an integer field is for SHOW FIELD KEYS to say.
type Value struct{ raw any } // nil, string, bool or json.Number

// UnmarshalJSON reads one cell.
func (v *Value) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		var s string
		err := json.Unmarshal(data, &s)
		v.raw = s
		return err
	case 't', 'f':
		v.raw = data[0] == 't'
	case 'n':
		v.raw = nil
	case '[', '{':
		return fmt.Errorf("a cell is neither null, text, boolean nor number: %s", shorten(string(data)))
	default:
		v.raw = json.Number(data)
	}
	return nil
}

// MarshalJSON writes the cell as it was read.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.raw) }

// IsNull says whether there is no value.
func (v Value) IsNull() bool { return v.raw == nil }

// Text returns a text, and whether the value is one.
func (v Value) Text() (string, bool) {
	s, ok := v.raw.(string)
	return s, ok
}

// Bool returns a boolean, and whether the value is one.
func (v Value) Bool() (value, ok bool) {
	value, ok = v.raw.(bool)
	return value, ok
}

// Int returns an integer, and whether the value is one that an int64 holds.
func (v Value) Int() (int64, bool) {
	n, ok := v.raw.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// Float returns a number, and whether the value is one.
func (v Value) Float() (float64, bool) {
	n, ok := v.raw.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// Time returns a time, in either format that a Reader can ask for, and whether the value is one.
func (v Value) Time() (time.Time, bool) {
	if ns, ok := v.Int(); ok {
		return time.Unix(0, ns).UTC(), true
	}
	s, ok := v.raw.(string)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// String shows the value to people; null is empty.
func (v Value) String() string {
	switch raw := v.raw.(type) {
	case string:
		return raw
	case bool:
		return strconv.FormatBool(raw)
	case json.Number:
		return raw.String()
	}
	return ""
}
