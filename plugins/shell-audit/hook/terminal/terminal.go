// Package terminal runs a shell on a pseudo terminal of its own, for tests and benchmarks: what is typed goes through
// readline or its like, as it does for a person.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ready is what a shell must print when it shows a prompt, once each. Terminals take it for a title and show nothing.
const Ready = "\x1b]777;ready\x07"

// What a shell reads at its start to print Ready with each prompt, and nothing else that a person would only look at.
const (
	BashReady = "PS1=$'\\\\[\\e]777;ready\\a\\\\]$ '\n"
	ZshReady  = "PS1=$'%{\\e]777;ready\\a%}%% '\nunsetopt prompt_sp zle_bracketed_paste 2>/dev/null\nunset zle_bracketed_paste\n"
	FishReady = "function fish_prompt; echo '> '; end\nfunction ready --on-event fish_prompt; printf '\\e]777;ready\\a'; end\nset -g fish_greeting\n"
)

// Terminal is a shell that one types into.
type Terminal struct {
	cmd    *exec.Cmd
	master *os.File
	done   chan struct{}

	mu      sync.Mutex
	output  bytes.Buffer // what was printed and not yet taken by Prompt
	all     bytes.Buffer
	changed chan struct{} // closed at the next change
	ended   bool
}

// Start starts a command as the leader of a session on a new terminal of 24 by 200.
func Start(cmd *exec.Cmd) (*Terminal, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a pseudo terminal: %w", err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	slave, err := slaveOf(fd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening a pseudo terminal: %w", err), master.Close())
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, true, 0
	if c := cmd.SysProcAttr.Credential; c != nil {
		err = slave.Chown(int(c.Uid), int(c.Gid))
	}
	if err == nil {
		err = cmd.Start()
	}
	err = errors.Join(err, slave.Close())
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	t := &Terminal{cmd: cmd, master: master, done: make(chan struct{}), changed: make(chan struct{})}
	go t.read()
	return t, nil
}

func slaveOf(master int) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200}); err != nil {
		return nil, err
	}
	return os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
}

// read takes what is printed until the terminal has no more users.
func (t *Terminal) read() {
	defer close(t.done)
	buffer := make([]byte, 32<<10)
	for {
		n, err := t.master.Read(buffer)
		t.mu.Lock()
		t.output.Write(buffer[:n])
		t.all.Write(buffer[:n])
		t.ended = err != nil
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Prompt waits for the next prompt and returns what came before it.
func (t *Terminal) Prompt(ctx context.Context) (string, error) { return t.Expect(ctx, Ready) }

// Expect waits for a text and returns what came before it.
func (t *Terminal) Expect(ctx context.Context, text string) (string, error) {
	for {
		t.mu.Lock()
		at := bytes.Index(t.output.Bytes(), []byte(text))
		if at >= 0 {
			before := string(t.output.Next(at))
			t.output.Next(len(text))
			t.mu.Unlock()
			return before, nil
		}
		ended, changed, have := t.ended, t.changed, t.output.String()
		t.mu.Unlock()
		if ended {
			return have, fmt.Errorf("the shell ended before it printed %q, after %q", text, have)
		}
		select {
		case <-ctx.Done():
			return have, fmt.Errorf("waiting for %q after %q: %w", text, have, ctx.Err())
		case <-changed:
		}
	}
}

// Type types keys as they are.
func (t *Terminal) Type(keys string) error {
	_, err := t.master.WriteString(keys)
	return err
}

// Run types a line, and returns what is printed until the next prompt, the echo of the line included.
func (t *Terminal) Run(ctx context.Context, line string) (string, error) {
	if err := t.Type(line + "\r"); err != nil {
		return "", err
	}
	return t.Prompt(ctx)
}

// Output is all that was ever printed.
func (t *Terminal) Output() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

// PID is the shell's.
func (t *Terminal) PID() int { return t.cmd.Process.Pid }

// Wait waits for the shell to end by itself.
func (t *Terminal) Wait() error {
	err := t.cmd.Wait()
	return err
}

// Close hangs up, ends the shell, and waits for it.
func (t *Terminal) Close() {
	_ = t.master.Close()
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
	<-t.done
}
