package point

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// FuzzUnmarshal holds that any bytes are either refused or read as protobuf reads them, and that whatever passes Check
// is written as exactly one line which an independent parser reads back as the same point.
func FuzzUnmarshal(f *testing.F) {
	f.Add(marshal(f, &wire.Point{Measurement: "m", Time: noon, Tags: []*wire.Tag{tag("a b", `c\,=`)}, Fields: []*wire.Field{float("v", 1), text("s", "a\nb\"\\")}}))
	f.Add(marshal(f, &wire.Point{Measurement: `m\ x`, Time: -1, Fields: []*wire.Field{{Key: "u", Value: &wire.Field_Uint{Uint: 3}}, {Key: "b", Value: &wire.Field_Bool{Bool: true}}}}))
	f.Add([]byte{0x0a, 0x01, 'm', 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p Point
		var reference wire.Point
		unmarshal := p.Unmarshal(raw)
		if err := proto.Unmarshal(raw, &reference); err == nil && unmarshal == nil {
			sameAsProtobuf(t, &p, &reference)
		}
		if unmarshal != nil {
			return
		}
		var again Point
		if err := again.Unmarshal(p.AppendMessage(nil)); err != nil || !reflect.DeepEqual(normal(again), normal(p)) {
			t.Fatalf("written as a message again: %v\n%+v\n%+v", err, again, p)
		}
		if _, err := p.Check(); err != nil {
			return
		}
		readsBack(t, &p)
	})
}

// normal is a point without the difference between nothing and an empty text.
func normal(p Point) Point {
	c, _ := p.Clone()
	return *c
}

func sameAsProtobuf(t *testing.T, p *Point, reference *wire.Point) {
	t.Helper()
	if string(p.Measurement) != reference.Measurement || p.Time != reference.Time || p.Update != reference.Update ||
		len(p.Tags) != len(reference.Tags) || len(p.Fields) != len(reference.Fields) {
		t.Fatalf("read %+v, protobuf reads %v", p, reference)
	}
	for i, want := range reference.Fields {
		got := &p.Fields[i]
		same := string(got.Key) == want.Key
		switch v := want.Value.(type) {
		case *wire.Field_Float:
			same = same && got.Kind == Float && (got.Float() == v.Float || v.Float != v.Float)
		case *wire.Field_Int:
			same = same && got.Kind == Int && got.Int() == v.Int
		case *wire.Field_Uint:
			same = same && got.Kind == Int && uint64(got.Int()) == v.Uint
		case *wire.Field_Bool:
			same = same && got.Kind == Bool && got.Bool() == v.Bool
		case *wire.Field_String_:
			same = same && got.Kind == String && string(got.Text()) == v.String_
		default:
			same = same && got.Kind == Missing
		}
		if !same {
			t.Fatalf("field %d is %+v, protobuf reads %v", i, got, want)
		}
	}
}

func readsBack(t *testing.T, p *Point) {
	t.Helper()
	written := p.AppendLine(nil)
	// The decoder takes a carriage return for the end of a line; InfluxDB does not.
	if bytes.ContainsRune(written, '\r') {
		return
	}
	d := lineprotocol.NewDecoderWithBytes(written)
	if !d.Next() {
		t.Fatalf("no line in %q", written)
	}
	if m, err := d.Measurement(); err != nil || !bytes.Equal(m, p.Measurement) {
		t.Fatalf("measurement %q reads back as %q, %v", p.Measurement, m, err)
	}
	for _, want := range p.Tags {
		k, v, err := d.NextTag()
		if err != nil || !bytes.Equal(k, want.Key) || !bytes.Equal(v, want.Value) {
			t.Fatalf("tag %q=%q reads back as %q=%q, %v in %q", want.Key, want.Value, k, v, err, written)
		}
	}
	if k, _, err := d.NextTag(); k != nil || err != nil {
		t.Fatalf("one more tag %q, %v in %q", k, err, written)
	}
	for i := range p.Fields {
		want := &p.Fields[i]
		k, v, err := d.NextField()
		if err != nil || !bytes.Equal(k, want.Key) {
			t.Fatalf("field %q reads back as %q, %v in %q", want.Key, k, err, written)
		}
		var same bool
		switch want.Kind {
		case Float:
			same = v.FloatV() == want.Float()
		case Int:
			same = v.IntV() == want.Int()
		case Bool:
			same = v.BoolV() == want.Bool()
		case String:
			same = v.StringV() == string(want.Text())
		}
		if !same {
			t.Fatalf("field %q reads back as %v in %q", want.Key, v, written)
		}
	}
	when, err := d.Time(lineprotocol.Nanosecond, time.Time{})
	if err != nil || when.UnixNano() != p.Time {
		t.Fatalf("time %d reads back as %v, %v", p.Time, when, err)
	}
	if d.Next() {
		t.Fatalf("more than one line in %q", written)
	}
}
