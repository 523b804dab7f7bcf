package socket

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
)

// Peer is the process at the other end of a connection.
type Peer struct {
	// Process is who it was when it connected. Of one that had ended before it was looked at there are the number and the user
	// alone.
	identity.Process

	pidfd int // -1 where the kernel has none
	hello bool
	is    int // its user by now
}

// SO_PEERPIDFD is of Linux 6.5, SO_PASSRIGHTS of 6.16.
const (
	soPeerPidfd  = 77
	soPassRights = 83
)

// newPeer finds out who has connected.
func newPeer(fd int) (*Peer, error) {
	by, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, fmt.Errorf("asking who has connected: %w", err)
	}
	if by.Pid <= 0 {
		return nil, errors.New("a process of another system has connected, which has no number here")
	}
	p := &Peer{pidfd: -1}
	if pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, soPeerPidfd); err == nil {
		p.pidfd = pidfd
	}
	p.Process, err = identity.Of(int(by.Pid), 0)
	// The number may have come to another process already.
	if err == nil && !slices.Contains([]int{p.UID, p.EUID}, int(by.Uid)) || p.pidfd >= 0 && !running(p.pidfd, 0) {
		err = identity.ErrGone
	}
	if err != nil {
		p.Process = identity.Process{PID: int(by.Pid), UID: int(by.Uid), EUID: int(by.Uid), Session: identity.NoLogin, LoginUID: identity.NoLogin}
	}
	p.is = p.UID
	return p, nil
}

// stays says whether the process still runs a while later. One that ends closes its connections before it is gone.
func (p *Peer) stays(a time.Duration) bool {
	if p.pidfd >= 0 {
		return running(p.pidfd, a)
	}
	const step = 20 * time.Millisecond
	for end := time.Now().Add(a); time.Now().Before(end); time.Sleep(step) {
		if _, err := identity.Of(p.PID, p.Birth); p.Birth == 0 || err != nil {
			return false
		}
	}
	return true
}

// running says whether the process has not ended after a while.
func running(pidfd int, after time.Duration) bool {
	polled := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for end := time.Now().Add(after); ; {
		n, err := unix.Poll(polled, int(max(0, time.Until(end)).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n == 0
		}
	}
}

func (p *Peer) close() {
	if p.pidfd >= 0 {
		_ = unix.Close(p.pidfd)
	}
}
