package point

import (
	"slices"
	"strconv"
	"unicode/utf8"
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

// kind says where a byte is special.
type kind uint8

// The places where line protocol wants a backslash before a byte, and what no name may have or has to be looked at.
const (
	measurementSpecial kind = 1 << iota
	keySpecial
	stringSpecial
	controlCharacter
	notASCII
)

// kinds are those of each byte. Most texts are short and plain, so that one look at each byte is quicker than searches.
var kinds = func() (k [256]kind) {
	for c := range k {
		switch {
		case c < ' ':
			k[c] = controlCharacter
		case c >= utf8.RuneSelf:
			k[c] = notASCII
		}
	}
	for special, characters := range map[kind]string{measurementSpecial: ", ", keySpecial: ",= ", stringSpecial: `"\`} {
		for _, c := range []byte(characters) {
			k[c] |= special
		}
	}
	return k
}()

func appendEscaped(dst, text []byte, special kind) []byte {
	if len(text) > longText {
		// Room is made once: growing again and again would leave several times as much garbage.
		n := len(text)
		for _, c := range text {
			if kinds[c]&special != 0 {
				n++
			}
		}
		dst = slices.Grow(dst, n)
	}
	from := 0
	for i, c := range text {
		if kinds[c]&special != 0 {
			dst = append(dst, text[from:i]...)
			dst = append(dst, '\\')
			from = i
		}
	}
	return append(dst, text[from:]...)
}
