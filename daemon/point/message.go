package point

import "google.golang.org/protobuf/encoding/protowire"

// AppendMessage appends the point as Unmarshal reads it.
func (p *Point) AppendMessage(dst []byte) []byte {
	dst = appendBytes(dst, pointMeasurement, p.Measurement)
	for i := range p.Tags {
		t := &p.Tags[i]
		dst = protowire.AppendTag(dst, pointTags, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(bytesSize(t.Key)+bytesSize(t.Value)))
		dst = appendBytes(appendBytes(dst, tagKey, t.Key), tagValue, t.Value)
	}
	for i := range p.Fields {
		f := &p.Fields[i]
		dst = protowire.AppendTag(dst, pointFields, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(bytesSize(f.Key)+f.valueSize()))
		dst = f.appendValue(appendBytes(dst, fieldKey, f.Key))
	}
	dst = protowire.AppendTag(dst, pointTime, protowire.Fixed64Type)
	dst = protowire.AppendFixed64(dst, uint64(p.Time))
	if p.Update {
		dst = protowire.AppendTag(dst, pointUpdate, protowire.VarintType)
		dst = protowire.AppendVarint(dst, 1)
	}
	return dst
}

// All numbers of fields are small, so a tag is one byte.

func bytesSize(b []byte) int { return 1 + protowire.SizeBytes(len(b)) }

func appendBytes(dst []byte, num protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), b)
}

func (f *Field) valueSize() int {
	switch f.Kind {
	case Float:
		return 1 + protowire.SizeFixed64()
	case Int:
		if f.wide {
			return 1 + protowire.SizeVarint(f.bits)
		}
		return 1 + protowire.SizeVarint(protowire.EncodeZigZag(f.Int()))
	case Bool:
		return 1 + protowire.SizeVarint(f.bits)
	case String:
		return bytesSize(f.text)
	}
	return 0
}

func (f *Field) appendValue(dst []byte) []byte {
	switch f.Kind {
	case Float:
		return protowire.AppendFixed64(protowire.AppendTag(dst, fieldFloat, protowire.Fixed64Type), f.bits)
	case Int:
		if f.wide {
			return protowire.AppendVarint(protowire.AppendTag(dst, fieldUint, protowire.VarintType), f.bits)
		}
		return protowire.AppendVarint(protowire.AppendTag(dst, fieldInt, protowire.VarintType), protowire.EncodeZigZag(f.Int()))
	case Bool:
		return protowire.AppendVarint(protowire.AppendTag(dst, fieldBool, protowire.VarintType), f.bits)
	case String:
		return appendBytes(dst, fieldString, f.text)
	}
	return dst
}
