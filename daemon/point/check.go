package point

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Limits on a point. InfluxDB refuses a series key above 65,535 bytes; the rest keeps a hostile plugin cheap.
const (
	maxTags      = 128
	maxFields    = 1024
	maxSeriesKey = 65_400
	maxText      = 1 << 20

	// InfluxDB keeps the two ends of the range for itself.
	minTime = math.MinInt64 + 2
	maxTime = math.MaxInt64 - 1
)

var reserved = []byte("time")

// Check makes the point storable, or says why it is not: the error is the reason to refuse it. It removes what may
// go without harm: tags without a value, which InfluxDB takes for absent, and numbers that are not finite, which it can
// not store. dropped counts these numbers. Afterwards the tags are sorted by key.
func (p *Point) Check() (dropped int, err error) {
	if err := checkName("measurement", p.Measurement); err != nil {
		return 0, err
	}
	if err := checkBackslashes(p.Measurement); err != nil {
		return 0, fmt.Errorf("measurement %s %w", quote(p.Measurement), err)
	}
	if p.Measurement[0] == '#' {
		return 0, fmt.Errorf("measurement %s starts with #, which makes it a comment", quote(p.Measurement))
	}
	if p.Time == 0 || p.Time < minTime || p.Time > maxTime {
		return 0, errors.New("time is not set or out of range")
	}
	if err := p.checkTags(); err != nil {
		return 0, err
	}
	return p.checkFields()
}

func (p *Point) checkTags() error {
	p.Tags = slices.DeleteFunc(p.Tags, func(t Tag) bool { return len(t.Value) == 0 })
	p.sortTags()
	size := len(p.Measurement)
	for i, t := range p.Tags {
		if err := checkName("tag", t.Key); err != nil {
			return err
		}
		if bytes.Equal(t.Key, reserved) {
			return errors.New(`a tag can not be called "time"`)
		}
		if i > 0 && bytes.Equal(t.Key, p.Tags[i-1].Key) {
			return fmt.Errorf("tag %s is there twice", quote(t.Key))
		}
		if err := checkText(t.Value); err != nil {
			return fmt.Errorf("value of tag %s %w", quote(t.Key), err)
		}
		size += len(t.Key) + len(t.Value) + 2
	}
	// Escaping makes a key longer, at most twice.
	if size > maxSeriesKey/2 && len(p.appendSeries(nil)) > maxSeriesKey {
		return fmt.Errorf("measurement and tags are longer than %d bytes", maxSeriesKey)
	}
	return nil
}

// sortTags sorts the tags by key. They are few, and most often sorted already but for those of the vantage point.
func (p *Point) sortTags() {
	const few = 16
	if len(p.Tags) > few {
		slices.SortFunc(p.Tags, func(a, b Tag) int { return bytes.Compare(a.Key, b.Key) })
		return
	}
	for i := 1; i < len(p.Tags); i++ {
		for j := i; j > 0 && bytes.Compare(p.Tags[j].Key, p.Tags[j-1].Key) < 0; j-- {
			p.Tags[j], p.Tags[j-1] = p.Tags[j-1], p.Tags[j]
		}
	}
}

func (p *Point) checkFields() (dropped int, err error) {
	before := len(p.Fields)
	p.Fields = slices.DeleteFunc(p.Fields, func(f Field) bool {
		return f.Kind == Float && (math.IsNaN(f.Float()) || math.IsInf(f.Float(), 0))
	})
	dropped = before - len(p.Fields)
	if len(p.Fields) == 0 {
		if dropped > 0 {
			return dropped, errors.New("no field has a finite value")
		}
		return dropped, errors.New("there are no fields")
	}
	text := 0
	var seen keys
	for i := range p.Fields {
		f := &p.Fields[i]
		if err := checkName("field", f.Key); err != nil {
			return dropped, err
		}
		if err := checkBackslashes(f.Key); err != nil {
			return dropped, fmt.Errorf("field %s %w", quote(f.Key), err)
		}
		switch {
		case bytes.Equal(f.Key, reserved):
			return dropped, errors.New(`a field can not be called "time"`)
		case seen.add(f.Key) && slices.ContainsFunc(p.Fields[:i], func(o Field) bool { return bytes.Equal(o.Key, f.Key) }):
			// InfluxDB would keep one of them without a word.
			return dropped, fmt.Errorf("field %s is there twice", quote(f.Key))
		case f.Kind == Missing:
			return dropped, fmt.Errorf("field %s has no value", quote(f.Key))
		case f.wide:
			return dropped, fmt.Errorf("field %s is above 9223372036854775807, the largest integer that is stored", quote(f.Key))
		case f.Kind == String && !utf8.Valid(f.text):
			return dropped, fmt.Errorf("field %s is not valid UTF-8", quote(f.Key))
		}
		text += len(f.Key) + len(f.text)
	}
	if text > maxText {
		return dropped, fmt.Errorf("fields are longer than %d bytes", maxText)
	}
	return dropped, nil
}

// keys tells keys that may have been there before from those that were not, without comparing each with each.
type keys [4]uint64

// add notes a key, which is not empty, and says whether there may have been the same before.
func (k *keys) add(key []byte) bool {
	n := len(key)
	hash := uint8(n)*7 + key[0]*31 + key[n/2]*13 + key[n-1]*17
	bit := uint64(1) << (hash % 64)
	before := k[hash/64]&bit != 0
	k[hash/64] |= bit
	return before
}

func checkName(what string, name []byte) error {
	if len(name) == 0 {
		return fmt.Errorf("a %s has no name", what)
	}
	if err := checkText(name); err != nil {
		return fmt.Errorf("%s %s %w", what, quote(name), err)
	}
	return nil
}

// checkText says what makes a name or tag value impossible to write as line protocol.
func checkText(text []byte) error {
	var all kind
	for _, c := range text {
		all |= kinds[c]
	}
	if all&controlCharacter != 0 {
		return errors.New("has a control character")
	}
	if text[len(text)-1] == '\\' {
		return errors.New("ends with a backslash")
	}
	if all&notASCII != 0 && !utf8.Valid(text) {
		return errors.New("is not valid UTF-8")
	}
	return nil
}

// checkBackslashes says whether InfluxDB would misread the name of a measurement or a field. It takes a backslash in it for
// the beginning of an escape where one could be, and knows no escape for the backslash. In tags it is not so.
func checkBackslashes(name []byte) error {
	i := bytes.IndexByte(name, '\\')
	if i < 0 {
		return nil
	}
	for ; i < len(name)-1; i++ {
		if next := name[i+1]; name[i] == '\\' && (kinds[next]&keySpecial != 0 || next == '"') {
			return errors.New("has a backslash before a comma, an equals sign, a space or a quote")
		}
	}
	return nil
}

// quote shows a name from a plugin in an error: escaped, and not longer than a line of a log bears.
func quote(text []byte) string {
	const most = 64
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "…"
	}
	return strconv.Quote(string(text))
}

// Stamp adds the tags that the point does not have yet: a tag that the plugin set wins.
func (p *Point) Stamp(tags []Tag) {
	own := len(p.Tags)
	for _, t := range tags {
		has := slices.ContainsFunc(p.Tags[:own], func(o Tag) bool { return bytes.Equal(o.Key, t.Key) && len(o.Value) > 0 })
		if !has {
			p.Tags = append(p.Tags, t)
		}
	}
}
