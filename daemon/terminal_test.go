package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a person's terminal with vedette in it.
type terminal struct {
	t    *testing.T
	keys *os.File
	said *output
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended and all that it said was read
}

// terminal runs vedette at a terminal.
func (s *site) terminal(args ...string) *terminal {
	s.t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 200}); err != nil {
		s.t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer screen.Close()
	term := &terminal{t: s.t, keys: keys, said: &output{}, done: make(chan struct{})}
	term.cmd = exec.Command(filepath.Join(programs, "vedette"), args...)
	term.cmd.Dir, term.cmd.Env = s.home, append(environment(s.home), "TERM=xterm")
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = screen, screen, screen
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(term.done)
		// It ends with an error when the last process has closed the terminal.
		buffer := make([]byte, 4096)
		for {
			n, err := keys.Read(buffer)
			_, _ = term.said.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		_ = term.cmd.Process.Kill()
		_ = term.cmd.Wait()
		<-term.done
		_ = keys.Close()
		_, _ = s.said.Write([]byte(term.said.String()))
	})
	return term
}

// types types something, once the terminal shows something.
func (term *terminal) types(when, keys string) {
	term.t.Helper()
	term.waitFor(when)
	if _, err := term.keys.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) waitFor(text string) {
	term.t.Helper()
	waitUntil(term.t, fmt.Sprintf("the terminal shows %q", text), patience, func() bool { return strings.Contains(term.said.String(), text) })
}

func TestShellAtATerminalHasAPromptAndAHistoryWithoutPasswords(t *testing.T) {
	t.Parallel()
	s := newSite(t, `plugin "not-installed-here" {}`)
	term := s.terminal("influx", "shell")
	term.types("vedette> ", "help\r")
	term.types("use DATABASE", "use other.records\r")
	term.types("other.records> ", "format yaml\r")
	term.types("none of table, json and csv", "SHOW MEASUREMENTS\r")
	term.types("there is no data in", "CREATE USER x WITH PASSWORD 'y'\r")
	// Ctrl-C gives a line up, arrow up brings the last one that is remembered, and Ctrl-D leaves.
	term.types("PASSWORD", "half of a question\x03")
	term.types("^C", "\x1b[A")
	term.types("other.records> SHOW MEASUREMENTS", "\x15\x04")
	<-term.done
	if err := term.cmd.Wait(); err != nil {
		t.Error(err)
	}
	history, err := os.ReadFile(s.path(".local", "state", "vedette", "influx_history"))
	if err != nil || !strings.Contains(string(history), "SHOW MEASUREMENTS\n") || strings.Contains(string(history), "PASSWORD") {
		t.Errorf("history:\n%s, %v", history, err)
	}
	if info, err := os.Stat(s.path(".local", "state", "vedette", "influx_history")); err == nil && info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
}
