package socket

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// errEnd says that the other side has closed.
var errEnd = errors.New("closed")

// errAgain says that there is no message yet.
var errAgain = errors.New("no message yet")

// bufferSize is that of the longest message that is read, with room to see that one is longer than a record.
const bufferSize = 32 << 10

// controlSize has room for credentials, and for the descriptors of one that sends more than it should.
var controlSize = unix.CmsgSpace(unix.SizeofUcred) + unix.CmsgSpace(253*4)

// receive reads one message from a socket, and returns whose it is.
func receive(fd int, p *Peer, buffer, control []byte) (r record.Record, uid int, err error) {
	n, controls, flags, _, err := unix.Recvmsg(fd, buffer, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return r, 0, errAgain
	case err != nil:
		return r, 0, errEnd
	}
	credentials, descriptors, err := parseControl(control[:controls])
	for _, d := range descriptors {
		_ = unix.Close(d)
	}
	switch {
	// The end comes with credentials too.
	case n == 0:
		return r, 0, errEnd
	case err != nil:
		return r, 0, err
	case len(descriptors) > 0 || flags&unix.MSG_CTRUNC != 0:
		return r, 0, errors.New("a message with descriptors")
	case flags&unix.MSG_TRUNC != 0:
		return r, 0, fmt.Errorf("a message of more than %d bytes", len(buffer))
	case credentials == nil:
		return r, 0, errors.New("a message without credentials")
	}
	if err := p.sent(credentials); err != nil {
		return r, 0, err
	}
	if r, err = record.Parse(buffer[:n]); err != nil {
		return r, 0, err
	}
	if r.PID != p.PID || p.Birth != 0 && r.Birth != p.Birth {
		return r, 0, fmt.Errorf("a record of process %d was sent by %d: %w", r.PID, p.PID, ErrMismatch)
	}
	return r, int(credentials.Uid), nil
}

func parseControl(control []byte) (*unix.Ucred, []int, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, nil, errors.New("a message whose credentials can not be understood")
	}
	var credentials *unix.Ucred
	var descriptors []int
	for i := range messages {
		switch m := &messages[i]; {
		case m.Header.Level != unix.SOL_SOCKET:
		case m.Header.Type == unix.SCM_RIGHTS:
			if more, err := unix.ParseUnixRights(m); err == nil {
				descriptors = append(descriptors, more...)
			}
		case m.Header.Type == unix.SCM_CREDENTIALS:
			credentials, err = unix.ParseUnixCredentials(m)
		}
	}
	return credentials, descriptors, err
}

// ErrMismatch says that a message was not sent by the process whose connection it came over.
var ErrMismatch = errors.New("credentials do not agree")

// sent says whether the peer itself has sent a message. The kernel's word with the message is the real user, and root may
// say anything there; that of the connection is the effective one, and nobody may.
func (p *Peer) sent(by *unix.Ucred) error {
	if int(by.Pid) != p.PID {
		return fmt.Errorf("the connection of process %d was used by process %d of user %d: %w", p.PID, by.Pid, by.Uid, ErrMismatch)
	}
	if int(by.Uid) == p.is {
		return nil
	}
	// It may have become another user since: the kernel knows.
	now, err := identity.Of(p.PID, p.Birth)
	if err == nil && now.UID == int(by.Uid) {
		p.is = now.UID
		return nil
	}
	return fmt.Errorf("process %d of user %d claims to be user %d: %w", p.PID, p.is, by.Uid, ErrMismatch)
}
