// Package pointtest gives tests points as the daemon reads them off the wire.
package pointtest

import (
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk"
)

// Read is a plugin's point as the daemon reads it.
func Read(t testing.TB, of *sdk.Point) *point.Point {
	t.Helper()
	raw, err := of.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	p := new(point.Point)
	if err := p.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	return p
}

// Of is a point of values, of which those that isTag says are tags.
func Of(t testing.TB, measurement string, at time.Time, values map[string]any, isTag func(key string) bool) *point.Point {
	t.Helper()
	p := sdk.NewPoint(measurement).At(at)
	for key, value := range values {
		switch value := value.(type) {
		case float64:
			p.Float(key, value)
		case int:
			p.Int(key, int64(value))
		case bool:
			p.Bool(key, value)
		case string:
			if isTag(key) {
				p.Tag(key, value)
			} else {
				p.String(key, value)
			}
		default:
			t.Fatalf("%s: a point has no value of the type %T", key, value)
		}
	}
	return Read(t, p)
}
