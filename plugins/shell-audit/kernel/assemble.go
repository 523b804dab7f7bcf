package kernel

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The kinds of records that an audited execve has. All have the event's number.
const (
	recordSyscall   = 1300
	recordPath      = 1302
	recordCwd       = 1307
	recordExecve    = 1309
	recordEnd       = 1320
	recordProctitle = 1327
)

// maxOpen is how many events may wait for more of their records.
const maxOpen = 1024

// events puts the records of the kernel's audit together. It is one goroutine's.
type events struct {
	all     bool
	serials serials
	open    map[uint32]*audited
	broken  uint64 // events of which what matters did not come
}

// audited is an event of which records have come.
type audited struct {
	exec             Exec
	syscall, execve  bool // which records have come
	failed           bool
	arch, call       uint32
	argc             int
	have             int // arguments so far
	title            []string
	since            time.Time
	told             int // bytes of arguments that were kept
	current, partial int // which argument the last part was of
}

// take takes a record, and returns the program that is complete by it, if one is.
func (a *events) take(kind uint16, record []byte, now time.Time) (Exec, bool, error) {
	at, serial, rest, err := parseStamp(record)
	if err != nil {
		return Exec{}, false, err
	}
	a.serials.note(serial, now)
	e := a.open[serial]
	switch kind {
	case recordSyscall, recordExecve, recordPath, recordCwd, recordProctitle:
		if e == nil {
			if a.open == nil {
				a.open = map[uint32]*audited{}
			}
			if len(a.open) >= maxOpen {
				a.evict()
			}
			e = &audited{since: now, current: -1}
			e.exec.At, e.exec.LoginUID, e.exec.Session = at, NoLogin, NoLogin
			a.open[serial] = e
		}
	case recordEnd:
		if e == nil {
			a.broken++ // all else was lost
			return Exec{}, false, nil
		}
		delete(a.open, serial)
		exec, ok := a.whole(e)
		return exec, ok, nil
	default:
		return Exec{}, false, nil
	}
	e.add(kind, rest)
	return Exec{}, false, nil
}

// settle tells what waits for an end that will not come.
func (a *events) settle(now time.Time, tell func(Exec)) {
	a.serials.settle(now)
	for serial, e := range a.open {
		if now.Sub(e.since) < late {
			continue
		}
		delete(a.open, serial)
		if exec, ok := a.whole(e); ok {
			tell(exec)
		}
	}
}

// evict gives up the oldest.
func (a *events) evict() {
	var oldest uint32
	var e *audited
	for serial, other := range a.open {
		if e == nil || other.since.Before(e.since) {
			oldest, e = serial, other
		}
	}
	delete(a.open, oldest)
	a.broken++
}

// whole returns the program of an event, if it is one that was started, and in scope.
func (a *events) whole(e *audited) (Exec, bool) {
	switch {
	case !e.syscall:
		a.broken++ // whose it was is not known
		return Exec{}, false
	case !e.execve && !isExec(e.arch, e.call), e.failed:
		return Exec{}, false
	case !a.all && e.exec.Terminal == "" && e.exec.LoginUID == NoLogin:
		return Exec{}, false
	}
	if e.have < e.argc || !e.execve {
		e.exec.Truncated = true
		if e.have == 0 {
			e.exec.Args = e.title // which the kernel cuts
		}
	}
	if len(e.exec.Args) > 0 && e.exec.Path == "" {
		e.exec.Path = e.exec.Args[0]
	}
	return e.exec, true
}

// add takes what a record says.
func (e *audited) add(kind uint16, rest []byte) {
	for name, value := range fields(rest) {
		switch kind {
		case recordSyscall:
			e.syscall = true
			e.addSyscall(name, value)
		case recordCwd:
			if name == "cwd" {
				e.exec.Cwd = untrusted(value)
			}
		case recordProctitle:
			if name == "proctitle" {
				e.title = split([]byte(untrusted(value)))
			}
		case recordExecve:
			e.execve = true
			e.addArgument(name, value)
		}
	}
}

func (e *audited) addSyscall(name, value string) {
	number := func() int {
		n, _ := strconv.ParseUint(value, 10, 32)
		return int(n)
	}
	switch x := &e.exec; name {
	case "arch":
		n, _ := strconv.ParseUint(value, 16, 32)
		e.arch = uint32(n)
	case "syscall":
		e.call = uint32(number())
	case "success":
		e.failed = value != "yes"
	case "ppid":
		x.Parent = number()
	case "pid":
		x.PID = number()
	case "auid":
		x.LoginUID = uint32(number())
	case "ses":
		x.Session = uint32(number())
	case "uid":
		x.UID = number()
	case "euid":
		x.EUID = number()
	case "tty":
		if value != "(none)" {
			x.Terminal = terminalName(value)
		}
	case "comm":
		x.Comm = untrusted(value)
	case "exe":
		x.Path = untrusted(value)
	}
}

// addArgument takes argc, or an argument, or a part of a long one: a1 or a1[0], a1[1]…; a1_len is told before those.
func (e *audited) addArgument(name, value string) {
	if name == "argc" {
		e.argc, _ = strconv.Atoi(value)
		return
	}
	name, ok := strings.CutPrefix(name, "a")
	if !ok || strings.HasSuffix(name, "_len") {
		return
	}
	number, part, parts := strings.Cut(name, "[")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return
	}
	text := untrusted(value)
	e.exec.Size += int64(len(text))
	begins := n != e.current
	if begins {
		e.current, e.partial = n, 0
		e.have++
		e.exec.Size++
	}
	if parts {
		// A part that does not follow the one before it: something between was lost.
		if i, err := strconv.Atoi(strings.TrimSuffix(part, "]")); err != nil || i != e.partial {
			e.exec.Truncated = true
		}
		e.partial++
	}
	room := MaxArgs - e.told
	if begins {
		room--
	}
	if room < len(text) {
		e.exec.Truncated = true
		text = text[:max(room, 0)]
	}
	switch {
	case room < 0:
		return
	case begins:
		e.exec.Args = append(e.exec.Args, text)
		e.told += len(text) + 1
	default:
		e.exec.Args[len(e.exec.Args)-1] += text
		e.told += len(text)
	}
}

// parseStamp takes what each record begins with: audit(1700000000.123:456):
func parseStamp(record []byte) (at time.Time, serial uint32, rest []byte, err error) {
	wrong := errors.New("a record of the kernel's audit has no number")
	stamp, rest, ok := bytes.Cut(record, []byte("): "))
	if !ok {
		stamp, ok = bytes.CutSuffix(record, []byte("):")) // of an end nothing is said
		if !ok {
			stamp, ok = bytes.CutSuffix(record, []byte("): "))
		}
	}
	stamp, began := bytes.CutPrefix(stamp, []byte("audit("))
	when, number, parted := bytes.Cut(stamp, []byte(":"))
	seconds, millis, dotted := bytes.Cut(when, []byte("."))
	if !ok || !began || !parted || !dotted {
		return at, 0, nil, wrong
	}
	s, err1 := strconv.ParseInt(string(seconds), 10, 64)
	ms, err2 := strconv.ParseUint(string(millis), 10, 16)
	n, err3 := strconv.ParseUint(string(number), 10, 32)
	if errors.Join(err1, err2, err3) != nil || ms > 999 {
		return at, 0, nil, wrong
	}
	return time.Unix(s, int64(ms)*1e6), uint32(n), rest, nil
}

// fields are the name=value of a record. No value has a space: what has one is told in hexadecimal.
func fields(record []byte) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for field := range strings.FieldsSeq(string(record)) {
			if name, value, ok := strings.Cut(field, "="); ok && !yield(name, value) {
				return
			}
		}
	}
}

// untrusted decodes a text that a user has chosen: it is quoted, or hexadecimal if it has anything that is not plain.
func untrusted(value string) string {
	if text, ok := strings.CutPrefix(value, `"`); ok {
		return strings.TrimSuffix(text, `"`)
	}
	if text, err := hex.DecodeString(value); err == nil {
		return string(text)
	}
	return value // such as (null)
}
