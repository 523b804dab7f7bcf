package point

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// The numbers of the fields in plugin.proto.
const (
	batchSeq, batchPoints, batchBeat                                       = 1, 2, 3
	pointMeasurement, pointTags, pointFields, pointTime, pointUpdate       = 1, 2, 3, 4, 5
	tagKey, tagValue                                                       = 1, 2
	fieldKey, fieldFloat, fieldInt, fieldUint, fieldBool, fieldString, end = 1, 2, 3, 4, 5, 6, 7
)

// MaxPoints is how many points a batch may have: what is refused costs more than what is sent.
const MaxPoints = 10_000

// Batch is a message of a session. Its points are still as they were sent: each is read by itself with Unmarshal.
type Batch struct {
	Seq    uint64
	Points [][]byte
	// Beat is nil when the message carries none.
	Beat *wire.Beat
}

// errWire is the reason for a message or point that is no protobuf at all.
var errWire = errors.New("malformed protobuf")

// ParseBatch splits a message into its points. The points are parts of msg. An error means that the message as a whole
// makes no sense: whoever sends it does not speak the protocol.
func ParseBatch(msg []byte) (Batch, error) {
	var b Batch
	err := walk(msg, func(num protowire.Number, v value) error {
		switch {
		case num == batchSeq && v.kind == protowire.VarintType:
			b.Seq = v.bits
		case num == batchPoints && v.kind == protowire.BytesType:
			if len(b.Points) == MaxPoints {
				return fmt.Errorf("it has more than %d points", MaxPoints)
			}
			b.Points = append(b.Points, v.bytes)
		case num == batchBeat && v.kind == protowire.BytesType:
			b.Beat = new(wire.Beat)
			if err := proto.Unmarshal(v.bytes, b.Beat); err != nil {
				return fmt.Errorf("beat: %w", errWire)
			}
		}
		return nil
	})
	if err != nil {
		return Batch{}, fmt.Errorf("reading a batch: %w", err)
	}
	return b, nil
}

// Unmarshal reads the point from its bytes in a batch. The error is the reason to refuse the point.
func (p *Point) Unmarshal(raw []byte) error {
	*p = Point{Tags: p.Tags[:0], Fields: p.Fields[:0]}
	return walk(raw, func(num protowire.Number, v value) error {
		switch {
		case num == pointMeasurement && v.kind == protowire.BytesType:
			p.Measurement = v.bytes
		case num == pointTags && v.kind == protowire.BytesType:
			return p.unmarshalTag(v.bytes)
		case num == pointFields && v.kind == protowire.BytesType:
			return p.unmarshalField(v.bytes)
		case num == pointTime && v.kind == protowire.Fixed64Type:
			p.Time = int64(v.bits)
		case num == pointUpdate && v.kind == protowire.VarintType:
			p.Update = v.bits != 0
		}
		return nil
	})
}

func (p *Point) unmarshalTag(raw []byte) error {
	if len(p.Tags) == maxTags {
		return fmt.Errorf("more than %d tags", maxTags)
	}
	var tag Tag
	err := walk(raw, func(num protowire.Number, v value) error {
		switch {
		case num == tagKey && v.kind == protowire.BytesType:
			tag.Key = v.bytes
		case num == tagValue && v.kind == protowire.BytesType:
			tag.Value = v.bytes
		}
		return nil
	})
	p.Tags = append(p.Tags, tag)
	return err
}

func (p *Point) unmarshalField(raw []byte) error {
	if len(p.Fields) == maxFields {
		return fmt.Errorf("more than %d fields", maxFields)
	}
	var f Field
	err := walk(raw, func(num protowire.Number, v value) error {
		switch {
		case num == fieldKey && v.kind == protowire.BytesType:
			f.Key = v.bytes
		case num > fieldKey && num < end:
			return f.set(num, v)
		}
		return nil
	})
	p.Fields = append(p.Fields, f)
	return err
}

// set takes the value of one member of the oneof; the last one on the wire wins.
func (f *Field) set(num protowire.Number, v value) error {
	*f = Field{Key: f.Key, bits: v.bits}
	want := protowire.VarintType
	switch num {
	case fieldFloat:
		f.Kind, want = Float, protowire.Fixed64Type
	case fieldInt:
		f.Kind, f.bits = Int, uint64(protowire.DecodeZigZag(v.bits))
	case fieldUint:
		f.Kind, f.wide = Int, v.bits > math.MaxInt64
	case fieldBool:
		f.Kind = Bool
	case fieldString:
		f.Kind, f.text, want = String, v.bytes, protowire.BytesType
	}
	if v.kind != want {
		return errWire
	}
	return nil
}

// value is one field of a message: bits of a number, or bytes.
type value struct {
	kind  protowire.Type
	bits  uint64
	bytes []byte
}

// walk calls visit for each field of a message. Fields of other kinds than plugin.proto uses, such as those of a later
// version, are passed over by visit.
func walk(msg []byte, visit func(protowire.Number, value) error) error {
	for len(msg) > 0 {
		num, kind, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return errWire
		}
		msg = msg[n:]
		v := value{kind: kind}
		switch kind {
		case protowire.VarintType:
			v.bits, n = protowire.ConsumeVarint(msg)
		case protowire.Fixed64Type:
			v.bits, n = protowire.ConsumeFixed64(msg)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(msg)
		default:
			n = protowire.ConsumeFieldValue(num, kind, msg)
		}
		if n < 0 {
			return errWire
		}
		if err := visit(num, v); err != nil {
			return err
		}
		msg = msg[n:]
	}
	return nil
}
