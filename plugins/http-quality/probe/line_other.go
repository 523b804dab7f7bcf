//go:build !linux

package probe

import "syscall"

const canBind = false

// control prepares a socket before it is bound or connected.
func (l *Line) control(_, _ string, _ syscall.RawConn) error { return nil }
