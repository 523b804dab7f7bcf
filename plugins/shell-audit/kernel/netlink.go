package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's audit messages that are asked or answered.
const (
	auditGet       = 1000
	auditAddRule   = 1011
	auditDelRule   = 1012
	auditListRules = 1013
)

// auditStatus is how the kernel's audit is set.
type auditStatus struct{ enabled, owner, lost uint32 }

// control asks the kernel's audit. It never becomes its owner.
type control struct {
	fd int

	mu  sync.Mutex // of one question and its answers
	seq uint32
}

func openControl() (*control, error) {
	fd, err := auditSocket(0)
	if err != nil {
		return nil, err
	}
	const answer = 5 // seconds
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answer}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("asking the kernel's audit: %w", err)
	}
	return &control{fd: fd}, nil
}

// auditSocket opens a socket that also hears the groups of a mask.
func auditSocket(groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return -1, fmt.Errorf("opening a socket of the kernel's audit: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: it needs CAP_AUDIT_READ, or root", err)
		}
		return -1, fmt.Errorf("listening to the kernel's audit: %w", err)
	}
	return fd, nil
}

func (c *control) close() { _ = unix.Close(c.fd) }

// ask sends a message and returns the answers of its kind, until the last one.
func (c *control) ask(kind uint16, payload []byte) ([][]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	flags := uint16(unix.NLM_F_REQUEST)
	if kind != auditGet && kind != auditListRules {
		flags |= unix.NLM_F_ACK // there is no other answer
	}
	m := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(payload)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = binary.NativeEndian.AppendUint16(m, flags)
	m = binary.NativeEndian.AppendUint32(m, c.seq)
	m = append(binary.NativeEndian.AppendUint32(m, 0), payload...)
	if err := unix.Sendto(c.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var answers [][]byte
	buffer := make([]byte, 16<<10)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		n, from, err := unix.Recvfrom(c.fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if from, ok := from.(*unix.SockaddrNetlink); !ok || from.Pid != 0 {
			continue // the kernel is 0
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Seq != c.seq:
			case m.Header.Type == unix.NLMSG_ERROR:
				if len(m.Data) < 4 {
					return nil, errors.New("the answer can not be understood")
				}
				if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
					return nil, unix.Errno(-code)
				}
				return answers, nil
			case m.Header.Type == unix.NLMSG_DONE:
				return answers, nil
			case m.Header.Type == kind:
				answers = append(answers, bytes.Clone(m.Data))
				if kind == auditGet {
					return answers, nil
				}
			}
		}
	}
	return nil, errors.New("no answer came")
}

func (c *control) status() (auditStatus, error) {
	answers, err := c.ask(auditGet, nil)
	if err == nil && (len(answers) != 1 || len(answers[0]) < 7*4) {
		err = errors.New("the answer can not be understood")
	}
	if err != nil {
		return auditStatus{}, fmt.Errorf("asking how the kernel's audit is set: %w", err)
	}
	field := func(i int) uint32 { return binary.NativeEndian.Uint32(answers[0][4*i:]) }
	return auditStatus{enabled: field(1), owner: field(3), lost: field(6)}, nil
}
