package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// procEntry is a process of a site's daemon, or the daemon itself.
type procEntry struct {
	pid   int
	state string // R, S, T, …
	line  string // its command line
}

func (p procEntry) String() string { return fmt.Sprintf("process %d (%s, %s)", p.pid, p.state, p.line) }

// processes finds all processes that belong to the site: whatever has its directory in the command line, as the
// working directory or in the environment, so that also what a plugin has started is seen. A process that has ended and
// was not reaped yet has neither.
func (s *site) processes() []procEntry {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.t.Fatal(err)
	}
	var found []procEntry
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		if strings.Contains(cwd+"\x00"+string(line)+"\x00"+string(env), s.home) {
			found = append(found, procEntry{pid, stateOf(pid), strings.ReplaceAll(strings.Trim(string(line), "\x00"), "\x00", " ")})
		}
	}
	return found
}

// stateOf is the state letter of a process; nothing if there is none.
func stateOf(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The name of the program stands in parentheses and may hold anything.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// wantProcesses checks that the running daemon has a plugin and an InfluxDB, so that their absence later means
// something.
func (d *daemon) wantProcesses(n int) {
	d.t.Helper()
	if found := d.processes(); len(found) != n {
		d.t.Fatalf("the daemon has %d processes, want %d: %v", len(found), n, found)
	}
}

// waitGone waits until no process of the site is left.
func (s *site) waitGone(deadline time.Duration) {
	s.t.Helper()
	var left []procEntry
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if left = s.processes(); len(left) == 0 {
			return
		}
	}
	s.t.Fatalf("after %s there is still %v", deadline, left)
}

// waitStopped waits until a process that was sent SIGSTOP has stopped.
func waitStopped(t *testing.T, pid int) {
	t.Helper()
	waitUntil(t, "the process has stopped", patience, func() bool { return stateOf(pid) == "T" })
}
