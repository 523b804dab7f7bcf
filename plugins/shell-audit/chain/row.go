package chain

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Kind says what of a row a link covers.
type Kind byte

const (
	Start Kind = 'S' // a command's row without what its end adds
	End   Kind = 'E' // what the end of a command adds, and the number of the link of its start
	Whole Kind = 'W' // all of a row
	Epoch Kind = 'K' // a row that ends an epoch: the links after it have another key
)

// The names of the fields that hold links, and of the measurements that have more than a Whole.
const (
	FieldSeq    = "chain_seq"
	FieldMAC    = "chain_mac"
	FieldEndSeq = "end_chain_seq"
	FieldEndMAC = "end_chain_mac"

	Commands    = "shell_command"
	Checkpoints = "shell_chain"

	fieldEpoch = "epoch"
	fieldWhat  = "what"
	epochBegan = "epoch"
)

var (
	// ownTags are those that the plugin sets. The daemon adds others, which no link covers.
	ownTags = []string{"kind", "shell", "source", "user"}
	// endFields are what the end of a command adds to its row.
	endFields = []string{"duration_us", "exit_code"}
	// linkFields are in no link.
	linkFields = []string{FieldSeq, FieldMAC, FieldEndSeq, FieldEndMAC}
)

// Row is a point, as the plugin emits it and as it is read back from where it is stored.
type Row struct {
	Measurement string
	Time        int64 // Unix nanoseconds
	Tags        []Value
	Fields      []Value
}

// Value is a tag or a field of a row.
type Value struct {
	Name string
	kind byte
	text string
	bits uint64
}

// Values that can be stored, and are read back as what they are.
func String(name, v string) Value { return Value{Name: name, kind: 's', text: v} }
func Int(name string, v int64) Value {
	return Value{Name: name, kind: 'i', bits: uint64(v)}
}
func Float(name string, v float64) Value {
	return Value{Name: name, kind: 'f', bits: math.Float64bits(v)}
}
func Bool(name string, v bool) Value {
	value := Value{Name: name, kind: 'b'}
	if v {
		value.bits = 1
	}
	return value
}

// Text and Integer return what a String or an Int holds.
func (v Value) Text() string   { return v.text }
func (v Value) Integer() int64 { return int64(v.bits) }

func epochRow(at Point, time int64) Row {
	r := Row{Measurement: Checkpoints, Time: time, Fields: []Value{
		String(fieldWhat, epochBegan), Int(fieldEpoch, int64(at.Epoch)),
	}}
	if at.Seq > 0 {
		r.Fields = append(r.Fields, Int(FieldSeq, int64(at.Seq)), String(FieldMAC, at.MAC.String()))
	}
	return r
}

// Canonical appends the bytes that a link of that kind covers: measurement, time, the plugin's own tags and the fields,
// each in the order of their names and with their lengths. It does not depend on how a row is stored, only on what.
//
// Where a START and an END have merged to one row, the bytes of either are the same as before.
func (r Row) Canonical(dst []byte, kind Kind) []byte {
	dst = appendText(dst, r.Measurement)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Time))
	for _, tag := range sorted(r.Tags) {
		if slices.Contains(ownTags, tag.Name) && tag.text != "" {
			dst = appendText(appendText(dst, tag.Name), tag.text)
		}
	}
	dst = append(dst, 0, 0, 0, 0) // no name is empty: here the fields begin
	for _, f := range sorted(r.Fields) {
		isEnd := slices.Contains(endFields, f.Name)
		switch {
		case kind == End && f.Name == FieldSeq: // whose end it is
		case slices.Contains(linkFields, f.Name), kind == Start && isEnd, kind == End && !isEnd:
			continue
		}
		dst = append(appendText(dst, f.Name), f.kind)
		if f.kind == 's' {
			dst = appendText(dst, f.text)
		} else {
			dst = binary.BigEndian.AppendUint64(dst, f.bits)
		}
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func sorted(values []Value) []Value {
	byName := func(a, b Value) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(values, byName) {
		return values
	}
	values = slices.Clone(values)
	slices.SortFunc(values, byName)
	return values
}

// Links returns the links that a row holds: none, one, or that of a start and that of its end.
func (r Row) Links() ([]Link, error) {
	kind := Whole
	if r.Measurement == Checkpoints && r.field(fieldWhat).text == epochBegan {
		kind = Epoch
	}
	if r.Measurement == Commands && (r.field(FieldEndSeq).Name != "" || r.field("exit_code").Name == "" && r.field("duration_us").Name == "") {
		kind = Start
	}
	var links []Link
	for _, l := range []struct {
		seq, mac string
		kind     Kind
	}{{FieldSeq, FieldMAC, kind}, {FieldEndSeq, FieldEndMAC, End}} {
		seq, mac := r.field(l.seq), r.field(l.mac)
		if seq.Name == "" && mac.Name == "" {
			continue
		}
		m, err := ParseMAC(mac.text)
		if err != nil || seq.kind != 'i' || seq.Integer() < 1 {
			return nil, fmt.Errorf("row of %s at %d has the link %s=%d %s=%.80q, which is none",
				r.Measurement, r.Time, l.seq, seq.Integer(), l.mac, mac.text)
		}
		links = append(links, Link{Seq: uint64(seq.Integer()), Kind: l.kind, Bytes: r.Canonical(nil, l.kind), MAC: m})
	}
	return links, nil
}

func (r Row) field(name string) Value {
	for _, f := range r.Fields {
		if f.Name == name {
			return f
		}
	}
	return Value{}
}

// Any returns what the value holds: a string, an int64, a float64 or a bool.
func (v Value) Any() any {
	switch v.kind {
	case 's':
		return v.text
	case 'i':
		return int64(v.bits)
	case 'f':
		return math.Float64frombits(v.bits)
	}
	return v.bits == 1
}

// Sort puts tags and fields in the order of their names.
func (r *Row) Sort() { r.Tags, r.Fields = sorted(r.Tags), sorted(r.Fields) }
