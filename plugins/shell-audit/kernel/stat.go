package kernel

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
)

// stat is what is needed of /proc/PID/stat.
type stat struct {
	ended                   bool // and nobody has waited for it
	parent, group, terminal int
	birth                   int64
	// image tells one program of a process from the next one: where its arguments lie. 0 if the kernel does not say.
	image uint64
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
	const stateAt, parentAt, groupAt, terminalAt, birthAt, imageAt = 3, 4, 5, 7, 22, 48
	if len(fields) <= imageAt-stateAt {
		return s, wrong
	}
	s.ended = fields[0] == "Z" || fields[0] == "X"
	var errs [5]error
	s.parent, errs[0] = strconv.Atoi(fields[parentAt-stateAt])
	s.group, errs[1] = strconv.Atoi(fields[groupAt-stateAt])
	s.terminal, errs[2] = strconv.Atoi(fields[terminalAt-stateAt])
	s.birth, errs[3] = strconv.ParseInt(fields[birthAt-stateAt], 10, 64)
	s.image, errs[4] = strconv.ParseUint(fields[imageAt-stateAt], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return stat{}, wrong
	}
	return s, nil
}

// Running says whether a process that began at birth, in ticks, has not ended. Where birth is 0 any of that number will do.
func Running(pid int, birth int64) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	s, err := parseStat(text)
	return err == nil && !s.ended && (birth == 0 || s.birth == birth)
}
