// Package identity finds out from the kernel who a process is: whose, since when, on which terminal, in which session; and what
// a user is called.
//
// What it says of a process is of that process: it is read again, or asked for through a descriptor of the process, whether the
// number has come to another meanwhile. What the process could have made up itself (its name, its environment) is not read.
package identity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is what the kernel says of a process.
type Process struct {
	PID, Parent int
	Birth       int64 // in the kernel's ticks since boot
	UID, EUID   int
	// Terminal is the one that controls it, such as pts/3; "" if none does.
	Terminal string
	// Session is the number that the kernel gave the login, LoginUID the user who logged in; NoLogin if none has.
	Session, LoginUID uint32
	// Attested says that LoginUID was set by a program that logs people in. Who has none can set it to anybody.
	Attested bool
	// Exe is the program, Cwd the directory; "" where they can not be read.
	Exe, Cwd string
}

// NoLogin is the number of no user and no session.
const NoLogin = 1<<32 - 1

// ErrGone says that the process has ended, or that its number is another's now.
var ErrGone = errors.New("the process has ended")

// Of finds out who a process is. If birth is not 0 it must have begun then.
func Of(pid int, birth int64) (Process, error) {
	p, err := of(pid)
	if err != nil {
		return Process{}, err
	}
	if birth != 0 && p.Birth != birth {
		return Process{}, ErrGone
	}
	for _, link := range []struct {
		name string
		to   *string
	}{{"exe", &p.Exe}, {"cwd", &p.Cwd}} {
		// A process that has just ended has neither, and where rights are missing they stay empty.
		*link.to, _ = os.Readlink(path(pid, link.name))
	}
	if p.LoginUID != NoLogin {
		p.Attested = attested(p)
	}
	if again, err := of(pid); err != nil || again.Birth != p.Birth {
		return Process{}, ErrGone
	}
	return p, nil
}

func path(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// of reads what is needed to tell a process from others, and to climb to its parents.
func of(pid int) (Process, error) {
	p := Process{PID: pid}
	text, err := os.ReadFile(path(pid, "stat"))
	if err != nil {
		return p, ErrGone
	}
	var terminal int
	if p.Parent, terminal, p.Birth, err = parseStat(text); err != nil {
		return p, fmt.Errorf("process %d: %w", pid, err)
	}
	p.Terminal = terminalName(terminal)
	if text, err = os.ReadFile(path(pid, "status")); err != nil {
		return p, ErrGone
	}
	if p.UID, p.EUID, err = parseStatus(text); err != nil {
		return p, fmt.Errorf("process %d: %w", pid, err)
	}
	p.LoginUID, p.Session = number(pid, "loginuid"), number(pid, "sessionid")
	return p, nil
}

// number reads a file of a number; NoLogin if there is none, as in a kernel without audit.
func number(pid int, name string) uint32 {
	text, err := os.ReadFile(path(pid, name))
	if err != nil {
		return NoLogin
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return NoLogin
	}
	return uint32(n)
}

// parseStat reads /proc/PID/stat. The name in it may be anything, a parenthesis too.
func parseStat(text []byte) (parent, terminal int, birth int64, err error) {
	wrong := errors.New("its stat can not be understood")
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, 0, 0, wrong
	}
	fields := strings.Fields(string(text[end+1:]))
	// These are numbered from the state, the third of all.
	const stateAt, parentAt, terminalAt, birthAt = 3, 4, 7, 22
	if len(fields) <= birthAt-stateAt {
		return 0, 0, 0, wrong
	}
	if parent, err = strconv.Atoi(fields[parentAt-stateAt]); err == nil {
		if terminal, err = strconv.Atoi(fields[terminalAt-stateAt]); err == nil {
			birth, err = strconv.ParseInt(fields[birthAt-stateAt], 10, 64)
		}
	}
	if err != nil {
		return 0, 0, 0, wrong
	}
	return parent, terminal, birth, nil
}

// parseStatus reads the users of /proc/PID/status.
func parseStatus(text []byte) (uid, euid int, err error) {
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "Uid:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			break
		}
		if uid, err = strconv.Atoi(fields[0]); err == nil {
			euid, err = strconv.Atoi(fields[1])
		}
		return uid, euid, err
	}
	return 0, 0, errors.New("its status has no users")
}

// terminalName is the name of a terminal of that number, below /dev.
func terminalName(number int) string {
	major, minor := number>>8&0xfff, number&0xff|number>>12&0xfff00
	const console, firstPts, lastPts, serial = 4, 136, 143, 64
	switch {
	case number == 0:
		return ""
	case major >= firstPts && major <= lastPts:
		return "pts/" + strconv.Itoa((major-firstPts)<<20|minor)
	case major == console && minor < serial:
		return "tty" + strconv.Itoa(minor)
	case major == console:
		return "ttyS" + strconv.Itoa(minor-serial)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

// logins are the programs that log people in and set the user of a login.
var logins = []string{"sshd", "sshd-session", "sshd-auth", "login", "systemd", "systemd-executor", "(systemd)", "cron", "crond", "atd",
	"gdm-session-worker", "sddm-helper", "lightdm", "xrdp-sesman", "agetty", "in.telnetd", "dropbear", "cockpit-session"}

// attested says whether it was one of logins that set the user of p's login: the first process of those above p that have it
// is root's, and such a program.
func attested(p Process) bool {
	const highest = 100
	top := p
	for range highest {
		if top.Parent <= 1 {
			break
		}
		above, err := of(top.Parent)
		if err != nil {
			return false
		}
		if above.LoginUID != p.LoginUID || above.Session != p.Session {
			break
		}
		top = above
	}
	if top.PID == p.PID || top.UID != 0 || top.EUID != 0 {
		return false
	}
	exe, err := os.Readlink(path(top.PID, "exe"))
	return err == nil && slices.Contains(logins, filepath.Base(strings.TrimSuffix(exe, " (deleted)")))
}
