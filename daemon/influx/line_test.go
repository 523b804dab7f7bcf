package influx

import (
	"bytes"
	"strings"
	"testing"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// field is a field as a test names it.
type field struct{ key, kind string }

// fieldsOf reads a line as conflicts are looked for in it.
func fieldsOf(line []byte) (measurement string, fields []field) {
	name, rest := cutMeasurement(line)
	rest, ok := cutTags(rest)
	for ok {
		var key []byte
		var kind string
		key, kind, rest, ok = nextField(rest)
		if ok {
			fields = append(fields, field{unescape(key, keyEnds), kind})
		}
	}
	return unescape(name, measurementEnds), fields
}

func unescape(part []byte, characters *charset) string {
	var name []byte
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) && characters.escaped(part[i+1]) {
			i++
		}
		name = append(name, part[i])
	}
	return string(name)
}

func TestLineIsReadWithItsNamesAndTypes(t *testing.T) {
	for line, want := range map[string]string{
		`m v=1`:                   "m: v float",
		`m v=1 5`:                 "m: v float",
		`m,a=b v=1i,w=2u 5`:       "m: v integer, w unsigned",
		`m,a=b,c=d v=t,w=F`:       "m: v boolean, w boolean",
		`m s="a, b=c \" \\"`:      "m: s string",
		"m s=\"a\nb=1i\",v=1 5\n": "m: s string, v float",
		`a\ b\,c,t=x\ y\,z\=q k\ e\=y\,=1,n=2i 5`: "a b,c: k e=y, float, n integer",
		`back\slash v\x=1`:                        `back\slash: v\x float`,
		`m s="open`:                               "m:",
		`m v=`:                                    "m:",
		`m v`:                                     "m:",
		`m`:                                       "m:",
		``:                                        ":",
		`店,t=茶 值="文",数=1i`:                        "店: 值 string, 数 integer",
	} {
		name, fields := fieldsOf([]byte(line))
		var words []string
		for _, f := range fields {
			words = append(words, f.key+" "+f.kind)
		}
		if got := strings.TrimSuffix(name+": "+strings.Join(words, ", "), " "); got != want {
			t.Errorf("%q is read as %q, want %q", line, got, want)
		}
	}
}

// FuzzLineIsReadAsTheDecoderReadsIt holds that whatever an independent parser takes for one line is read alike, and that
// any bytes are read without harm.
func FuzzLineIsReadAsTheDecoderReadsIt(f *testing.F) {
	for _, line := range []string{
		`m v=1 5`, `m,a=b v=1i,w=2u,x=t,s="a, b=\"c\\" 5`, `a\ b\,c,t=x\ y\,z\=q k\ e\=y\,=1 5`, "m s=\"a\nb\" 5",
		`m\\ v=1`, `m s="\"`, `m,t=\ v=1 v=1`, `m v=1 `, "m v=1\r\n", `m  v=1  5`, `\ v=1`, `m,t==1 v=1`, "m v=.5", "m v=1\t5",
	} {
		f.Add([]byte(line))
	}
	kinds := map[lineprotocol.ValueKind]string{lineprotocol.Float: typeFloat, lineprotocol.Int: typeInteger,
		lineprotocol.Uint: typeUnsigned, lineprotocol.String: typeString, lineprotocol.Bool: typeBoolean}
	f.Fuzz(func(t *testing.T, line []byte) {
		name, fields := fieldsOf(line)
		if len(fields) > 0 && !isName(mustMeasurement(line), measurementEnds, name) {
			t.Fatalf("%q is not its own name %q", line, name)
		}
		d := lineprotocol.NewDecoderWithBytes(bytes.Clone(line))
		if !d.Next() {
			return
		}
		measurement, err := d.Measurement()
		if err != nil {
			return
		}
		wantName := string(measurement)
		var want []field
		for {
			key, kind, _, err := d.NextFieldBytes()
			if err != nil {
				return
			}
			if key == nil {
				break
			}
			want = append(want, field{string(key), kinds[kind]})
		}
		if _, err := d.TimeBytes(); err != nil || d.Next() || len(want) == 0 {
			return // not one line
		}
		if first := bytes.TrimLeft(line, " \r\n"); len(first) > 0 && first[0] == '#' {
			return // the decoder passes over comments, which are never sent
		}
		if name != wantName || len(fields) != len(want) {
			t.Fatalf("%q is read as %q %q, the decoder reads %q %q", line, name, fields, wantName, want)
		}
		for i := range want {
			if fields[i] != want[i] {
				t.Fatalf("%q has field %d %q, the decoder reads %q", line, i, fields[i], want[i])
			}
		}
	})
}

func mustMeasurement(line []byte) []byte {
	name, _ := cutMeasurement(line)
	return name
}

func TestConflictIsReadInTheWordsOfBothReleases(t *testing.T) {
	for _, c := range []struct {
		message, line string
		want          bool
	}{
		{`partial write: field type conflict: input field "v" on measurement "m" is type string, already exists as type float dropped=1`,
			`m,t=1 a=1,v="x" 5`, true},
		{`partial write: field type conflict: input field "v" on measurement "m" is type string, already exists as type float dropped=1`,
			`m,t=1 a="x",v=1 5`, false},
		{`partial write: field type conflict: input field "v" on measurement "m" is type string, already exists as type float dropped=1`,
			`mm v="x" 5`, false},
		{`failure writing points to database: partial write: field type conflict: input field "v" on measurement "m" is type boolean, already exists as type integer dropped=3 for database: d for retention policy: autogen`,
			`m v=true 5`, true},
		// 1.8 writes names as they are, 2.x as Go quotes them.
		{`partial write: field type conflict: input field "a "b" c" on measurement "x\y" is type float, already exists as type string dropped=1`,
			`x\y a\ "b"\ c=1 5`, true},
		{`field type conflict: input field "a \"b\" c" on measurement "x\\y" is type float, already exists as type string dropped=1`,
			`x\y a\ "b"\ c=1 5`, true},
		{`field type conflict: input field "\u200b" on measurement "店" is type float, already exists as type string dropped=1`,
			"店 \u200b=1 5", true},
		{`field type conflict`, `m v=1`, false},
		{`unable to parse 'm v=': missing field value`, `m v=`, false},
	} {
		found := false
		for _, conflict := range conflictsIn(c.message) {
			with, without := conflict.split([][]byte{[]byte(c.line), []byte("other v=1")})
			found = found || len(with) == 1 && len(without) == 1
		}
		if found != c.want {
			t.Errorf("%q in %q: %v", c.message, c.line, found)
		}
	}
}
