package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// readGroup is the group of the kernel's audit to which everybody with the right may listen, and nobody can be held up by.
const readGroup = 1

// auditor listens to what the kernel's audit tells everybody.
type auditor struct {
	fd      int
	control *control
	rules   [][]byte // ours
	before  uint32   // what the kernel had lost when it began
	logger  hclog.Logger

	mu     sync.Mutex
	events events
}

// errNoRules says that nobody has the start of programs audited.
var errNoRules = errors.New("no rule has programs audited: add one with auditctl -a always,exit -F arch=b64 -S execve,execveat, or set audit_rules")

// openAuditor begins to listen. Its second result says what could not be found out.
func openAuditor(o Options, logger hclog.Logger) (_ *auditor, doubt string, err error) {
	a := &auditor{fd: -1, events: events{all: o.All}, logger: logger}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.fd, err = auditSocket(readGroup); err != nil {
		return nil, "", err
	}
	size := 8 << 20
	if o.ring != 0 {
		size = o.ring
	}
	// Without the right to force it the kernel gives as much as it gives to all.
	if err := unix.SetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size); err != nil {
		_ = unix.SetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
	if a.control, err = openControl(); err != nil {
		return nil, "", err
	}
	status, err := a.control.status()
	if errors.Is(err, unix.EPERM) && !o.AuditRules {
		return a, "it could not be asked whether programs are audited, without CAP_AUDIT_CONTROL", nil
	}
	if err != nil {
		return nil, "", err
	}
	if status.enabled == 0 {
		return nil, "", errors.New("the kernel's audit is switched off: auditctl -e 1 switches it on")
	}
	a.before = status.lost
	if o.AuditRules {
		a.rules, err = a.control.addRules()
		return a, "", err
	}
	rules, err := a.control.rules()
	if err != nil {
		return nil, "", err
	}
	for _, rule := range rules {
		if auditsExec(rule) {
			return a, "", nil
		}
	}
	return nil, "", errNoRules
}

func (a *auditor) run(ctx context.Context, tell func(Event)) error {
	told := func(e Exec) {
		e.Birth = birthOf(e.PID, e.At)
		tell(e)
	}
	buffer := make([]byte, 64<<10)
	polled := []unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLIN}}
	for settled := time.Now(); ; {
		ending := ctx.Err() != nil
		if ending {
			// Nothing new comes from now on; what is there is told.
			_ = unix.SetsockoptInt(a.fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, readGroup)
		}
		n, from, err := unix.Recvfrom(a.fd, buffer, unix.MSG_DONTWAIT)
		now := time.Now()
		switch {
		case errors.Is(err, unix.EAGAIN):
			if ending {
				a.settle(now.Add(late), told)
				return nil
			}
			const pause = 100 // ms
			_, _ = unix.Poll(polled, pause)
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS): // what was lost leaves a gap in the numbers
		case err != nil:
			return fmt.Errorf("listening to the kernel's audit: %w", err)
		default:
			if from, ok := from.(*unix.SockaddrNetlink); !ok || from.Pid != 0 || n < unix.NLMSG_HDRLEN {
				continue // not the kernel
			}
			if e, ok := a.take(buffer[:n], now); ok {
				told(e)
			}
		}
		if now.Sub(settled) >= late/4 {
			settled = now
			a.settle(now, told)
		}
	}
}

// settle tells what waits for records that will not come, and counts what did not come.
func (a *auditor) settle(now time.Time, told func(Exec)) {
	var waiting []Exec
	a.mu.Lock()
	a.events.settle(now, func(e Exec) { waiting = append(waiting, e) })
	a.mu.Unlock()
	for _, e := range waiting {
		told(e)
	}
}

// take takes a message.
func (a *auditor) take(message []byte, now time.Time) (Exec, bool) {
	const kindAt = 4
	kind := binary.NativeEndian.Uint16(message[kindAt:])
	record := message[unix.NLMSG_HDRLEN:]
	for len(record) > 0 && record[len(record)-1] == 0 {
		record = record[:len(record)-1]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e, ok, err := a.events.take(kind, record, now)
	if err != nil {
		a.logger.Debug("a message of the kernel's audit was not understood", "kind", kind, "error", err)
	}
	return e, ok
}

// birthOf reads when a process began; 0 if it is gone, or its number is that of one that began later.
func birthOf(pid int, before time.Time) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	s, err := parseStat(text)
	if err != nil || bootTime().Add(time.Duration(s.birth)*tick).After(before.Add(2*tick)) {
		return 0
	}
	return s.birth
}

// drops counts the gaps, and what the kernel's audit says that it has lost itself, be it for others who listen.
func (a *auditor) drops() (uint64, error) {
	status, err := a.control.status()
	if err != nil && !errors.Is(err, unix.EPERM) {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.events.serials.lost + a.events.broken
	if err == nil {
		n += uint64(status.lost - a.before)
	}
	return n, nil
}

func (a *auditor) close() {
	if a.control != nil {
		if err := a.control.removeRules(a.rules); err != nil {
			a.logger.Warn("a rule of the kernel's audit stays", "error", err)
		}
		a.control.close()
	}
	if a.fd >= 0 {
		_ = unix.Close(a.fd)
	}
}
