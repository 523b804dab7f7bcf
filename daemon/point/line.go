package point

import (
	"bytes"
	"strconv"
)

// AppendLine appends the point as one line of line protocol, without a newline at its end. The point must have passed
// Check. A string field may hold raw newlines: InfluxDB takes them, and no escape for them exists, so lines must be
// kept apart by their length.
func (p *Point) AppendLine(dst []byte) []byte {
	dst = p.appendSeries(dst)
	sep := byte(' ')
	for i := range p.Fields {
		f := &p.Fields[i]
		dst = append(dst, sep)
		dst = appendEscaped(dst, f.Key, keySpecial)
		dst = append(dst, '=')
		switch f.Kind {
		case Float:
			dst = strconv.AppendFloat(dst, f.Float(), 'g', -1, 64)
		case Int:
			dst = strconv.AppendInt(dst, f.Int(), 10)
			dst = append(dst, 'i')
		case Bool:
			dst = strconv.AppendBool(dst, f.Bool())
		case String:
			dst = append(dst, '"')
			dst = appendEscaped(dst, f.text, stringSpecial)
			dst = append(dst, '"')
		}
		sep = ','
	}
	dst = append(dst, ' ')
	return strconv.AppendInt(dst, p.Time, 10)
}

func (p *Point) appendSeries(dst []byte) []byte {
	dst = appendEscaped(dst, p.Measurement, measurementSpecial)
	for _, t := range p.Tags {
		dst = append(dst, ',')
		dst = appendEscaped(dst, t.Key, keySpecial)
		dst = append(dst, '=')
		dst = appendEscaped(dst, t.Value, keySpecial)
	}
	return dst
}

// The characters that line protocol wants a backslash before.
const (
	measurementSpecial = ", "
	keySpecial         = ",= "
	stringSpecial      = `"\`
)

func appendEscaped(dst, text []byte, special string) []byte {
	for {
		i := bytes.IndexAny(text, special)
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, '\\', text[i])
		text = text[i+1:]
	}
}
