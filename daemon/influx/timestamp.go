package influx

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
)

// timestamp reads the nanoseconds at the end of a line. A line without any is dated by the server when it arrives, and
// so is newer than all others.
func timestamp(line []byte) int64 {
	line = bytes.TrimRight(line, " \r\n")
	if i := bytes.LastIndexByte(line, ' '); i >= 0 {
		if t, err := strconv.ParseInt(string(line[i+1:]), 10, 64); err == nil {
			return t
		}
	}
	return math.MaxInt64
}

func byTime(a, b []byte) int { return cmp.Compare(timestamp(a), timestamp(b)) }
