package kernel

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// stat is what is needed of /proc/PID/stat.
type stat struct {
	parent, terminal int
	birth            int64
}

// parseStat reads /proc/PID/stat. The name in it may be anything, a parenthesis too.
func parseStat(text []byte) (s stat, err error) {
	wrong := errors.New("its stat can not be understood")
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return s, wrong
	}
	fields := strings.Fields(string(text[end+1:]))
	// These are numbered from the state, the third of all.
	const stateAt, parentAt, terminalAt, birthAt = 3, 4, 7, 22
	if len(fields) <= birthAt-stateAt {
		return s, wrong
	}
	var errs [3]error
	s.parent, errs[0] = strconv.Atoi(fields[parentAt-stateAt])
	s.terminal, errs[1] = strconv.Atoi(fields[terminalAt-stateAt])
	s.birth, errs[2] = strconv.ParseInt(fields[birthAt-stateAt], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return stat{}, wrong
	}
	return s, nil
}
