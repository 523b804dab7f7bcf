package influx

import "bytes"

// The types of fields, in the words of InfluxDB.
const (
	typeFloat    = "float"
	typeInteger  = "integer"
	typeUnsigned = "unsigned"
	typeString   = "string"
	typeBoolean  = "boolean"
)

// charset is the characters that end a part of a line unless a backslash stands before them, the backslash itself, and
// the newline, which always does. Before any other character a backslash is one.
type charset [256]bool

var (
	measurementEnds = newCharset(", ")
	keyEnds         = newCharset(",= ")
)

func newCharset(ends string) *charset {
	set := &charset{'\\': true, '\n': true}
	for i := range len(ends) {
		set[ends[i]] = true
	}
	return set
}

// escaped says whether a backslash before c makes it a character as others.
func (s *charset) escaped(c byte) bool { return s[c] && c != '\\' && c != '\n' }

// cutMeasurement returns the measurement of a line, still escaped, and what follows it.
func cutMeasurement(line []byte) (measurement, rest []byte) {
	for len(line) > 0 && (line[0] == ' ' || line[0] == '\t' || line[0] == '\r' || line[0] == '\n' || line[0] == 0) {
		line = line[1:]
	}
	n := end(line, measurementEnds)
	return line[:n], line[n:]
}

// cutTags returns what follows the tags: the fields and the time. ok is false if there is nothing.
func cutTags(rest []byte) (fields []byte, ok bool) {
	// The tags: what ends a key or a value belongs to the next one, until the space before the fields.
	for len(rest) > 0 && rest[0] != ' ' {
		rest = rest[1:]
		rest = rest[end(rest, keyEnds):]
	}
	for len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	return rest, len(rest) > 0
}

// nextField takes the first field off: its key, still escaped, and its type. ok is false if there is no field, or none
// that InfluxDB could read.
func nextField(fields []byte) (key []byte, kind string, rest []byte, ok bool) {
	n := end(fields, keyEnds)
	if n == 0 || n+1 >= len(fields) || fields[n] != '=' {
		return nil, "", nil, false
	}
	key, value := fields[:n], fields[n+1:]
	switch value[0] {
	case '"':
		n, kind = endOfString(value), typeString
		if n < 0 {
			return nil, "", nil, false
		}
	case 't', 'T', 'f', 'F':
		n, kind = endOfNumber(value), typeBoolean
	default:
		n, kind = endOfNumber(value), typeFloat
		if n == 0 {
			return nil, "", nil, false
		}
		switch value[n-1] {
		case 'i':
			kind = typeInteger
		case 'u':
			kind = typeUnsigned
		}
	}
	rest = value[n:]
	if len(rest) > 0 && rest[0] == ',' {
		return key, kind, rest[1:], true
	}
	// A space: the timestamp follows, or nothing.
	return key, kind, nil, true
}

// end is where text meets one of the characters without a backslash before it.
func end(text []byte, characters *charset) int {
	for i := 0; i < len(text); i++ {
		if !characters[text[i]] {
			continue
		}
		if text[i] != '\\' {
			return i
		}
		if i+1 < len(text) && characters.escaped(text[i+1]) {
			i++
		}
	}
	return len(text)
}

// endOfString is where what follows a string in quotes begins; less than 0 if it has no end.
func endOfString(value []byte) int {
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '"':
			return i + 1
		case '\\':
			i++ // whatever it stands before
		}
	}
	return -1
}

func endOfNumber(value []byte) int {
	for i, c := range value {
		if c == ',' || c == ' ' || c == '\r' || c == '\n' {
			return i
		}
	}
	return len(value)
}

// isName says whether a part of a line, escaped for these characters, is the name.
func isName(part []byte, characters *charset, name string) bool {
	if bytes.IndexByte(part, '\\') < 0 {
		return string(part) == name
	}
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) && characters.escaped(part[i+1]) {
			i++
		}
		if name == "" || name[0] != part[i] {
			return false
		}
		name = name[1:]
	}
	return name == ""
}
