// Package process starts children that do not outlive the daemon, whatever ends it.
//
// A child leads a process group of its own, so that a Ctrl-C in the terminal reaches the daemon alone and the daemon
// can end the child together with all that the child started. On Linux the kernel sends the child a signal when the
// daemon dies. The kernel ties that signal to the thread that started the child, not to the process; a Go runtime ends
// threads at will; so all children are started by one goroutine that keeps its thread for ever.
package process

import (
	"os/exec"
	"syscall"
)

// Start starts cmd in a process group of its own. The kernel sends it onDeath when the daemon dies.
func Start(cmd *exec.Cmd, onDeath syscall.Signal) error {
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Setpgid = true
	setDeathSignal(&attr, onDeath)
	cmd.SysProcAttr = &attr
	return startOnLastingThread(cmd)
}

// SignalGroup sends sig to every process of the group that the child with this pid leads. A group that is gone is no
// error.
func SignalGroup(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(-pid, sig); err != nil && err != syscall.ESRCH {
		return err
	}
	return nil
}
