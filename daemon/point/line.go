package point

import (
	"bytes"
	"slices"
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

// longText is from how many bytes on it pays to know beforehand how long a text gets.
const longText = 4 << 10

// The characters that line protocol wants a backslash before.
const (
	measurementSpecial = ", "
	keySpecial         = ",= "
	stringSpecial      = `"\`
)

func appendEscaped(dst, text []byte, special string) []byte {
	if len(text) > longText {
		// Room is made once: growing again and again would leave several times as much garbage.
		n := len(text)
		for _, c := range []byte(special) {
			n += bytes.Count(text, []byte{c})
		}
		dst = slices.Grow(dst, n)
	}
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
