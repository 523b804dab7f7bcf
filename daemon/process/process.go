// Package process starts children that do not outlive the daemon, whatever ends it, and whose own children do not
// outlive them.
//
// A child leads a process group of its own, so that a Ctrl-C in the terminal reaches the daemon alone and the daemon
// can end the child together with all that the child started. On Linux the kernel sends the child a signal when the
// daemon dies. The kernel ties that signal to the thread that started the child, not to the process; a Go runtime ends
// threads at will; so all children are started by one goroutine that keeps its thread for ever.
package process

import (
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
)

// Child is a process that was started.
type Child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of cmd.Wait; set before done is closed

	mu     sync.Mutex
	reaped bool // the pid may belong to somebody else by now
}

// Start starts cmd in a process group of its own. The kernel sends it onDeath when the daemon dies. When the child
// ends, what is left of its group is killed.
func Start(cmd *exec.Cmd, onDeath syscall.Signal) (*Child, error) {
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Setpgid = true
	setDeathSignal(&attr, onDeath)
	cmd.SysProcAttr = &attr
	if err := startOnLastingThread(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	c := &Child{cmd: cmd, done: make(chan struct{})}
	go c.wait()
	return c, nil
}

// wait reaps the child, after what is left of its group: as long as the child is not reaped, no other group can have
// its number.
func (c *Child) wait() {
	if waitForEnd(c.Pid()) {
		c.mu.Lock()
		_ = syscall.Kill(-c.Pid(), syscall.SIGKILL)
		c.reaped = true
		c.mu.Unlock()
	}
	c.err = c.cmd.Wait()
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	close(c.done)
}

// Pid of the child; also the number of its process group.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended and its output, where exec copies it, was read.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is what exec's Wait returned. It is valid once Done is closed.
func (c *Child) Err() error { return c.err }

// Signal sends sig to every process of the child's group. It is no error if the child has ended.
func (c *Child) Signal(sig syscall.Signal) error { return c.signal(-c.Pid(), sig) }

// SignalLeader sends sig to the child alone. It is no error if the child has ended.
func (c *Child) SignalLeader(sig syscall.Signal) error { return c.signal(c.Pid(), sig) }

func (c *Child) signal(to int, sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return nil
	}
	if err := syscall.Kill(to, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to process %d of %s: %w", sig, to, c.cmd.Path, err)
	}
	return nil
}
