// Package point is a point as the daemon handles it: read off the wire, checked, stamped with the vantage point's tags
// and written as InfluxDB line protocol.
//
// A plugin is not trusted to send sound points, and one bad point must cost neither its neighbours nor the daemon.
// So a batch is walked as bytes: a point that can not be stored is refused by itself, with a reason, and nothing is
// allocated for a point. The texts of a Point are parts of the message that it was read from and are valid as long as
// the message is.
//
// What Check lets pass, InfluxDB stores as it is: that is the promise that the fuzz tests hold.
package point

import (
	"math"
)

// Point is one point. Its zero value is ready for Unmarshal, which reuses the slices of earlier use.
type Point struct {
	Measurement []byte
	Tags        []Tag
	Fields      []Field
	// Time is in nanoseconds since 1970, UTC.
	Time int64
	// Update says that the point completes an earlier one of the same series and time.
	Update bool
}

// Tag is what points are grouped and filtered by.
type Tag struct {
	Key, Value []byte
}

// Kind is the type of a field's value.
type Kind uint8

// The types that InfluxDB 1.x and 2.x both store.
const (
	Missing Kind = iota
	Float
	Int
	Bool
	String
)

// Field is a value of a point.
type Field struct {
	Key  []byte
	Kind Kind

	bits uint64 // the float's bits, the integer, or 0 and 1
	text []byte
	// wide marks an unsigned integer that no int64 holds; Check refuses the point.
	wide bool
}

// FieldOf makes a field of a float64, an int64, a bool or a string. Of anything else it makes one without a value.
func FieldOf(key string, value any) Field {
	f := Field{Key: []byte(key)}
	switch v := value.(type) {
	case float64:
		f.Kind, f.bits = Float, math.Float64bits(v)
	case int64:
		f.Kind, f.bits = Int, uint64(v)
	case bool:
		f.Kind = Bool
		if v {
			f.bits = 1
		}
	case string:
		f.Kind, f.text = String, []byte(v)
	}
	return f
}

// Any is the value of a field as FieldOf takes it, or nil if it has none.
func (f *Field) Any() any {
	switch f.Kind {
	case Float:
		return f.Float()
	case Int:
		return f.Int()
	case Bool:
		return f.Bool()
	case String:
		return string(f.text)
	}
	return nil
}

// Float is the value of a field of kind Float.
func (f *Field) Float() float64 { return math.Float64frombits(f.bits) }

// Int is the value of a field of kind Int.
func (f *Field) Int() int64 { return int64(f.bits) }

// Bool is the value of a field of kind Bool.
func (f *Field) Bool() bool { return f.bits != 0 }

// Text is the value of a field of kind String.
func (f *Field) Text() []byte { return f.text }
