package influx

import (
	"regexp"
	"strconv"
)

// conflict is a field that came with another type than InfluxDB has it with.
type conflict struct {
	measurement, field string
	given, existing    string // types
}

// conflictForm is how all releases say it. 1.8 writes the names as they are, 2.x as Go quotes them.
var conflictForm = regexp.MustCompile(`(?s)field type conflict: input field "(.*)" on measurement "(.*)" is type (\w+), already exists as type (\w+)`)

// conflictsIn reads what a refusal complains about: nothing, or one conflict, which may be meant in either quoting.
func conflictsIn(message string) []conflict {
	m := conflictForm.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	all := []conflict{{field: m[1], measurement: m[2], given: m[3], existing: m[4]}}
	field, err := strconv.Unquote(`"` + m[1] + `"`)
	if err != nil {
		return all
	}
	measurement, err := strconv.Unquote(`"` + m[2] + `"`)
	if err != nil || field == m[1] && measurement == m[2] {
		return all
	}
	return append(all, conflict{field: field, measurement: measurement, given: m[3], existing: m[4]})
}

// isIn says whether the line has the field with the type that was given.
func (c conflict) isIn(line []byte) bool {
	measurement, rest := cutMeasurement(line)
	return isName(measurement, measurementEnds, c.measurement) && c.isAmong(rest)
}

// isAmong is isIn for what follows the measurement.
func (c conflict) isAmong(rest []byte) bool {
	rest, ok := cutTags(rest)
	for ok {
		var key []byte
		var kind string
		key, kind, rest, ok = nextField(rest)
		if ok && kind == c.given && isName(key, keyEnds, c.field) {
			return true
		}
	}
	return false
}

// split parts the lines that the conflict is in from the others.
func (c conflict) split(lines [][]byte) (with, without [][]byte) {
	for i, line := range lines {
		if c.isIn(line) {
			if with == nil {
				without = append(make([][]byte, 0, len(lines)-1), lines[:i]...)
			}
			with = append(with, line)
		} else if with != nil {
			without = append(without, line)
		}
	}
	if with == nil {
		return nil, lines
	}
	return with, without
}
