package influx

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// LetterFilter chooses dead letters. What is empty does not matter.
type LetterFilter struct {
	Measurement string    `json:"measurement,omitempty"`
	Reason      string    `json:"reason,omitempty"` // a part of it
	Lane        Lane      `json:"lane,omitempty"`
	Since       time.Time `json:"since,omitzero"`
	Until       time.Time `json:"until,omitzero"` // not included
}

// IsZero says whether the filter chooses all letters.
func (f LetterFilter) IsZero() bool { return f == LetterFilter{} }

// Match says whether the filter chooses the letter.
func (f LetterFilter) Match(l DeadLetter) bool {
	return (f.Measurement == "" || l.Measurement() == f.Measurement) &&
		strings.Contains(l.Reason, f.Reason) &&
		(f.Lane == "" || f.Lane == l.Lane) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) &&
		(f.Until.IsZero() || l.Time.Before(f.Until))
}

// Measurement is the name in the line; it may be empty, for the line may be anything.
func (l DeadLetter) Measurement() string {
	part, _ := cutMeasurement(l.Line)
	var name strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) && measurementEnds.escaped(part[i+1]) {
			i++
		}
		name.WriteByte(part[i])
	}
	return name.String()
}

// quotedLine is where InfluxDB repeats a line in its reason.
var quotedLine = regexp.MustCompile(`(?s)unable to parse '.*': `)

// Kind is the reason without what differs from line to line.
func (l DeadLetter) Kind() string { return quotedLine.ReplaceAllString(l.Reason, "unable to parse: ") }

// MarshalJSON writes the letter as it is on disk.
func (l DeadLetter) MarshalJSON() ([]byte, error) {
	s := storedLetter{Time: l.Time, Lane: l.Lane, Reason: l.Reason}
	if utf8.Valid(l.Line) {
		s.Line = string(l.Line)
	} else {
		s.Bytes = l.Line
	}
	return json.Marshal(s)
}
