package sdk

import (
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Point is one point: a measurement, tags that people group and filter by, fields, and a time. Series (measurement and
// tags) and time together identify it: a second one with the same overwrites the first.
//
//	out.Emit(sdk.NewPoint("disk").Tag("mount", "/").Float("used_percent", 71.5).Int("inodes", 123456))
type Point struct {
	measurement string
	tags        []byte // encoded, as the fields are
	fields      []byte
	time        time.Time
	update      bool
	// room is what tags and fields of most points find place in, so that a point takes one allocation.
	room [roomForTags + roomForFields]byte
}

const (
	roomForTags   = 96
	roomForFields = 96
	// roomForMore is what the fields get once they do not find place there: such points have many.
	roomForMore = 1 << 10
)

// NewPoint starts a point.
func NewPoint(measurement string) *Point {
	p := &Point{measurement: measurement}
	p.tags, p.fields = p.room[:0:roomForTags], p.room[roomForTags:roomForTags]
	return p
}

// The numbers of the fields in plugin.proto.
const (
	wireBatchSeq         protowire.Number = 1
	wireBatchPoints      protowire.Number = 2
	wireBatchBeat        protowire.Number = 3
	wirePointMeasurement protowire.Number = 1
	wirePointTags        protowire.Number = 2
	wirePointFields      protowire.Number = 3
	wirePointTime        protowire.Number = 4
	wirePointUpdate      protowire.Number = 5
	wireKey              protowire.Number = 1
	wireTagValue         protowire.Number = 2
	wireFieldFloat       protowire.Number = 2
	wireFieldInt         protowire.Number = 3
	wireFieldUint        protowire.Number = 4
	wireFieldBool        protowire.Number = 5
	wireFieldString      protowire.Number = 6
)

// Tag adds a tag. A tag with an empty value counts as absent. Tags have few different values: each combination is a
// series of its own for ever; what differs every time is a field.
func (p *Point) Tag(key, value string) *Point {
	p.tags = appendPair(p.tags, wirePointTags, key, sizeText(value), func(b []byte) []byte {
		return appendText(b, wireTagValue, value)
	})
	return p
}

// CheckTag says what keeps a text from being the value of a tag: the daemon would refuse a point with it.
func CheckTag(value string) error { return wire.CheckTag(value) }

// Float adds a field. A number that is not finite can not be stored; the daemon leaves such a field out and counts it.
func (p *Point) Float(key string, v float64) *Point {
	return p.field(key, 1+8, func(b []byte) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(b, wireFieldFloat, protowire.Fixed64Type), math.Float64bits(v))
	})
}

// Seconds adds a duration as a field in seconds, the unit of all times that are stored.
func (p *Point) Seconds(key string, v time.Duration) *Point { return p.Float(key, v.Seconds()) }

// Int adds a field.
func (p *Point) Int(key string, v int64) *Point {
	return p.varint(wireFieldInt, key, protowire.EncodeZigZag(v))
}

// Uint adds a field. It is stored as an integer; a point with a value above 2⁶³-1 is refused.
func (p *Point) Uint(key string, v uint64) *Point { return p.varint(wireFieldUint, key, v) }

// Bool adds a field.
func (p *Point) Bool(key string, v bool) *Point {
	return p.varint(wireFieldBool, key, protowire.EncodeBool(v))
}

// String adds a field. It must be UTF-8.
func (p *Point) String(key, v string) *Point {
	return p.field(key, sizeText(v), func(b []byte) []byte { return appendText(b, wireFieldString, v) })
}

// At sets the point's time.
func (p *Point) At(t time.Time) *Point {
	p.time = t
	return p
}

// Update marks the point as one that completes an earlier one of the same series and time. It carries all fields again.
func (p *Point) Update() *Point {
	p.update = true
	return p
}

func (p *Point) varint(num protowire.Number, key string, v uint64) *Point {
	return p.field(key, 1+protowire.SizeVarint(v), func(b []byte) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
	})
}

func (p *Point) field(key string, size int, value func([]byte) []byte) *Point {
	if need := 1 + protowire.SizeBytes(sizeText(key)+size); need > cap(p.fields)-len(p.fields) {
		p.fields = slices.Grow(p.fields, max(need, roomForMore))
	}
	p.fields = appendPair(p.fields, wirePointFields, key, size, value)
	return p
}

// appendPair appends a tag or a field: a message of a key and a value, which takes size bytes.
func appendPair(b []byte, num protowire.Number, key string, size int, value func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(sizeText(key)+size))
	b = appendText(b, wireKey, key)
	return value(b)
}

func appendText(b []byte, num protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), text)
}

// sizeText is the size of a text with the tag before it; all numbers of plugin.proto are below 16 and take one byte.
func sizeText(text string) int { return 1 + protowire.SizeBytes(len(text)) }

// encode appends the point as an element of a batch. when is the time of a point that has none.
func (p *Point) encode(b []byte, when time.Time) []byte {
	if !p.time.IsZero() {
		when = p.time
	}
	size := sizeText(p.measurement) + len(p.tags) + len(p.fields) + 1 + 8
	if p.update {
		size += 2
	}
	b = protowire.AppendTag(b, wireBatchPoints, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = appendText(b, wirePointMeasurement, p.measurement)
	b = append(b, p.tags...)
	b = append(b, p.fields...)
	b = protowire.AppendFixed64(protowire.AppendTag(b, wirePointTime, protowire.Fixed64Type), uint64(nanoseconds(when)))
	if p.update {
		b = protowire.AppendVarint(protowire.AppendTag(b, wirePointUpdate, protowire.VarintType), 1)
	}
	return b
}

// MarshalBinary returns the point as the message Point of the contract, for those who want to look at it: package
// sdktest does. A point that gets its time only when it is emitted has none.
func (p *Point) MarshalBinary() ([]byte, error) {
	element := p.encode(nil, time.Time{})
	_, _, n := protowire.ConsumeTag(element)
	_, m := protowire.ConsumeVarint(element[n:])
	return element[n+m:], nil
}

// nanoseconds is the time on the wire. One that it can not say becomes 0, which the daemon refuses with that reason.
func nanoseconds(t time.Time) int64 {
	if year := t.Year(); year < 1678 || year > 2261 {
		return 0
	}
	return t.UnixNano()
}
