package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
)

const (
	// drainDeadline is five times what a stop may take; goneDeadline what the end after a kill may take.
	drainDeadline = 25 * time.Second
	goneDeadline  = 10 * time.Second
)

func TestInterruptDrainsAndLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		signals []syscall.Signal
	}{
		{"SIGINT", []syscall.Signal{syscall.SIGINT}},
		{"SIGTERM", []syscall.Signal{syscall.SIGTERM}},
		{"two SIGINTs at once", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}},
		{"SIGINT and SIGTERM at once", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := busySite(t)
			d := s.startReady()
			d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 20 })
			d.wantProcesses(3)
			for _, sig := range c.signals {
				d.signal(sig)
			}
			if code := d.exit(drainDeadline); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if left := s.processes(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if text := d.out.String(); strings.Contains(text, "without draining") || strings.Contains(text, "is killed") {
				t.Error("the stop was not a drain")
			}
			if _, err := s.status(); err == nil {
				t.Error("a daemon answers after the end")
			}
		})
	}
}

// A terminal sends its Ctrl-C to every process of the foreground group; a service manager to every process of the unit.
func TestInterruptOfEveryProcessStillDrains(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.startReady()
	st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 20 })
	for _, pid := range []int{st.Plugins[0].Pid, d.cmd.Process.Pid} {
		if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(d.out.String(), "without draining") {
		t.Error("the stop was not a drain")
	}
	s.waitGone(goneDeadline)
}

func TestInterruptDuringTheStartEndsTheDaemon(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.start()
	waitUntil(t, "InfluxDB is being started", patience, func() bool { return len(s.processes()) > 1 })
	d.signal(syscall.SIGINT)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.waitGone(goneDeadline)
}

func TestKillingTheDaemonLeavesNoProcessBehind(t *testing.T) {
	for _, c := range []struct {
		name    string
		stopped func(console.Status) []int
	}{
		{"all run", func(console.Status) []int { return nil }},
		{"InfluxDB is stopped", func(st console.Status) []int { return []int{st.InfluxDB.Pid} }},
		{"the plugin is stopped", func(st console.Status) []int { return []int{st.Plugins[0].Pid} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := busySite(t)
			d := s.start()
			st := d.waitReady()
			d.wantProcesses(3)
			for _, pid := range c.stopped(st) {
				hold(t, pid)
			}
			d.kill()
			s.waitGone(goneDeadline)
		})
	}
}
