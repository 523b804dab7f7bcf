// Package record is version 1 of what the shells' hooks write: one record a line that was typed, appended to a file with
// one write and sent as the same bytes over a socket.
//
//	1 <kind> <raw|url> <shell> <pid> <start> <seq> <hist> <t0> <t1> <rc> <cwdlen> <cmdlen> <fulllen>\n<cwd><cmd>\0
//
// All that stands in a record is a claim of whoever wrote it. What it promises is that bytes which anybody may have
// written cost little:
//
//   - Parse takes a record as it is defined or refuses it with the reason. It never panics, and allocates by what is there,
//     never by a length that is claimed.
//   - A Reader passes what is no record, says how many bytes that were and why, and loses none of the records around
//     it: not the one behind a record that was torn off, and not those behind any amount of noise. Its memory is bounded.
package record

import (
	"strings"
	"time"
)

// Limits of a record. Texts are measured as they are encoded.
const (
	MaxCwd     = 1 << 10
	MaxCommand = 16 << 10
	MaxSize    = 18 << 10 // of a record with its header and its NUL
	maxHeader  = MaxSize - MaxCwd - MaxCommand - 1
	maxShell   = 16
)

// Kind says what a record tells of.
type Kind byte

const (
	Start    Kind = 'S' // a command is about to run
	End      Kind = 'E' // the command of the Start with the same PID, Start and Started has ended
	Complete Kind = 'C' // both in one, written afterwards
	Hello    Kind = 'H' // a shell has begun to report; its command holds claims
	Lost     Kind = 'X' // records could not be written; its command holds the claims count and reason
)

// Micros is a time in microseconds since 1970; 0 is not known.
type Micros int64

// Time returns the time; the zero time if it is not known.
func (m Micros) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m))
}

// NoHistory and NoExitCode say that a number is not known.
const (
	NoHistory  = -1
	NoExitCode = -1
)

// Record is one record. PID and Birth tell shells apart, Seq counts the records of one shell from 1.
type Record struct {
	Kind    Kind
	Shell   string
	PID     int
	Birth   int64 // when the shell's process began, in the kernel's ticks since boot
	Seq     int64
	History int64 // the number in the shell's history, or NoHistory
	Started Micros
	Ended   Micros
	Exit    int // the exit status, or NoExitCode
	Cwd     string
	Command string
	// Full is the length of the command before it was cut, in bytes of the encoding that the hook chose; at least
	// what is here.
	Full int64
	// Truncated says that Command is only the beginning.
	Truncated bool
}

// separator parts the claims of a Hello or a Lost.
const separator = "\x1f"

// Claim returns the claim of that name in a Hello or a Lost; the first if there are several, "" if there is none.
func (r Record) Claim(name string) string {
	if r.Kind != Hello && r.Kind != Lost {
		return ""
	}
	for claim := range strings.SplitSeq(r.Command, separator) {
		if key, value, ok := strings.Cut(claim, "="); ok && key == name {
			return value
		}
	}
	return ""
}

// Claims joins names and values in turn to the command of a Hello or a Lost. The separator in a value becomes a space.
func Claims(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(pairs[i] + "=" + strings.ReplaceAll(pairs[i+1], separator, " "))
	}
	return b.String()
}
