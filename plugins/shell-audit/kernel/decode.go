package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// tick is the unit of the kernel's times of birth: a hundredth of a second wherever eBPF runs.
const tick = 10 * time.Millisecond

// decode returns the event that a record of the ring tells. Boot is when the system was booted.
func decode(b []byte, boot time.Time) (Event, error) {
	if len(b) < exitLength {
		return nil, fmt.Errorf("a record of %d bytes", len(b))
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	now, born := u64(atNow), u64(atBirth)
	at, birth := boot.Add(time.Duration(now)), int64(born/uint64(tick))
	switch kind := u32(atKind); kind {
	case exitKind:
		return Exit{At: at, PID: int(u32(atPID)), Birth: birth, Code: exitCode(u32(atCode)), Lasted: time.Duration(now - min(now, born))}, nil
	case execKind:
		if len(b) < execLength {
			return nil, fmt.Errorf("a record of %d bytes for a program", len(b))
		}
		path, args := uint64(u32(atPathLen)), uint64(u32(atArgsLen))
		if uint64(len(b)) < execLength+path+args {
			return nil, fmt.Errorf("a record of %d bytes for a path of %d and arguments of %d", len(b), path, args)
		}
		e := Exec{
			At: at, PID: int(u32(atPID)), Parent: int(u32(atParent)), Birth: birth, Group: int(u32(atGroup)), UID: int(u32(atUID)), EUID: int(u32(atEUID)),
			LoginUID: u32(atLogin), Session: u32(atSession), Size: int64(u64(atSize)),
			Terminal: terminalName(text(b[atTTY : atTTY+ttyLength])), Comm: text(b[atComm : atComm+commLength]),
			Path: text(b[execLength : execLength+path]),
		}
		e.Args = split(b[execLength+path : execLength+path+args])
		e.Truncated = u32(atUnread) != 0 || e.Size > int64(args)
		return e, nil
	default:
		return nil, fmt.Errorf("a record of kind %d", kind)
	}
}

// exitCode is what a shell makes of a status of wait.
func exitCode(status uint32) int {
	if signal := status & 0x7f; signal != 0 {
		return 128 + int(signal)
	}
	return int(status >> 8 & 0xff)
}

// split takes arguments apart, behind each of which there is a NUL unless it is cut.
func split(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(b, []byte{0})), "\x00")
}

// text is what stands before the first NUL.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// terminalName is the name below /dev of what the kernel calls pts3.
func terminalName(name string) string {
	if number, ok := strings.CutPrefix(name, "pts"); ok && number != "" && number[0] != '/' {
		return "pts/" + number
	}
	return name
}
