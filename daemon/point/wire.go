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
	points := 0
	for m := (message{rest: msg}); m.next(); {
		if m.is(batchPoints, protowire.BytesType) {
			points++
		}
	}
	if points > MaxPoints {
		return Batch{}, fmt.Errorf("reading a batch: it has more than %d points", MaxPoints)
	}
	if points > 0 {
		b.Points = make([][]byte, 0, points)
	}
	m := message{rest: msg}
	for m.next() {
		switch {
		case m.is(batchPoints, protowire.BytesType):
			b.Points = append(b.Points, m.bytes)
		case m.is(batchSeq, protowire.VarintType):
			b.Seq = m.bits
		case m.is(batchBeat, protowire.BytesType):
			b.Beat = new(wire.Beat)
			if err := proto.Unmarshal(m.bytes, b.Beat); err != nil {
				return Batch{}, fmt.Errorf("reading a batch: beat: %w", errWire)
			}
		}
	}
	if m.err != nil {
		return Batch{}, fmt.Errorf("reading a batch: %w", m.err)
	}
	return b, nil
}

// Unmarshal reads the point from its bytes in a batch. The error is the reason to refuse the point.
func (p *Point) Unmarshal(raw []byte) error {
	*p = Point{Tags: p.Tags[:0], Fields: p.Fields[:0]}
	m := message{rest: raw}
	for m.next() {
		switch {
		case m.is(pointFields, protowire.BytesType):
			if err := p.unmarshalField(m.bytes); err != nil {
				return err
			}
		case m.is(pointTags, protowire.BytesType):
			if err := p.unmarshalTag(m.bytes); err != nil {
				return err
			}
		case m.is(pointMeasurement, protowire.BytesType):
			p.Measurement = m.bytes
		case m.is(pointTime, protowire.Fixed64Type):
			p.Time = int64(m.bits)
		case m.is(pointUpdate, protowire.VarintType):
			p.Update = m.bits != 0
		}
	}
	return m.err
}

func (p *Point) unmarshalTag(raw []byte) error {
	if len(p.Tags) == maxTags {
		return fmt.Errorf("more than %d tags", maxTags)
	}
	p.Tags = append(p.Tags, Tag{})
	tag := &p.Tags[len(p.Tags)-1]
	m := message{rest: raw}
	for m.next() {
		switch {
		case m.is(tagKey, protowire.BytesType):
			tag.Key = m.bytes
		case m.is(tagValue, protowire.BytesType):
			tag.Value = m.bytes
		}
	}
	return m.err
}

func (p *Point) unmarshalField(raw []byte) error {
	if len(p.Fields) == maxFields {
		return fmt.Errorf("more than %d fields", maxFields)
	}
	p.Fields = append(p.Fields, Field{})
	f := &p.Fields[len(p.Fields)-1]
	m := message{rest: raw}
	for m.next() {
		switch {
		case m.is(fieldKey, protowire.BytesType):
			f.Key = m.bytes
		case m.num > fieldKey && m.num < end:
			if err := f.set(&m); err != nil {
				return err
			}
		}
	}
	return m.err
}

// set takes the value of one member of the oneof; the last one on the wire wins.
func (f *Field) set(v *message) error {
	*f = Field{Key: f.Key, bits: v.bits}
	want := protowire.VarintType
	switch v.num {
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

// message is a message that is walked field by field. Of each field it has the bits of a number, or bytes; those of other
// kinds than plugin.proto uses, such as a later version may have, have neither.
type message struct {
	rest  []byte
	num   protowire.Number
	kind  protowire.Type
	bits  uint64
	bytes []byte
	err   error
}

func (m *message) is(num protowire.Number, kind protowire.Type) bool {
	return m.num == num && m.kind == kind
}

// next goes to the next field. It returns false at the end, and where the message is malformed.
func (m *message) next() bool {
	rest := m.rest
	if len(rest) == 0 {
		return false
	}
	n := 1
	if tag := rest[0]; tag < 0x80 && tag >= 1<<3 {
		// Nearly all fields have a small number and, if they are bytes, a small length: one byte each.
		m.num, m.kind = protowire.Number(tag>>3), protowire.Type(tag&7)
		if m.kind == protowire.BytesType && len(rest) >= 2 && rest[1] < 0x80 && len(rest) >= 2+int(rest[1]) {
			end := 2 + int(rest[1])
			m.bytes, m.rest = rest[2:end], rest[end:]
			return true
		}
	} else if m.num, m.kind, n = protowire.ConsumeTag(rest); n < 0 {
		m.err = errWire
		return false
	}
	rest = rest[n:]
	switch m.kind {
	case protowire.VarintType:
		m.bits, n = protowire.ConsumeVarint(rest)
	case protowire.Fixed64Type:
		m.bits, n = protowire.ConsumeFixed64(rest)
	case protowire.BytesType:
		m.bytes, n = protowire.ConsumeBytes(rest)
	default:
		n = protowire.ConsumeFieldValue(m.num, m.kind, rest)
	}
	if n < 0 {
		m.err = errWire
		return false
	}
	m.rest = rest[n:]
	return true
}
