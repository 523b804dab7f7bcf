package main

import (
	"os/exec"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/process"
)

// daemon is a running `vedette run`.
type daemon struct {
	*site
	cmd   *exec.Cmd
	child *process.Child
	out   output // what it has said, on both ways
}

// start starts the daemon of the site, with the configuration that it finds there.
func (s *site) start() *daemon {
	s.t.Helper()
	d := &daemon{site: s}
	d.cmd = exec.Command(s.vedette, "run")
	d.cmd.Dir, d.cmd.Env = s.home, environment(s.home)
	d.cmd.Stdout, d.cmd.Stderr = tee{&d.out, &s.said}, tee{&d.out, &s.said}
	// It does not outlive the tests, also when they run out of time; and it gets its signals from them alone.
	child, err := process.Start(d.cmd, syscall.SIGKILL)
	if err != nil {
		s.t.Fatal(err)
	}
	d.child = child
	s.t.Cleanup(d.end)
	return d
}

// startReady starts the daemon and waits until all of it is up.
func (s *site) startReady() *daemon {
	s.t.Helper()
	d := s.start()
	d.waitReady()
	return d
}

func (d *daemon) waitReady() console.Status {
	d.t.Helper()
	return d.waitStatus("InfluxDB and the plugins are ready", func(st console.Status) bool {
		for _, p := range st.Plugins {
			if p.State != "ready" {
				return false
			}
		}
		return st.InfluxDB.State == "ready" || st.InfluxDB.State == "connected"
	})
}

// waitStatus waits for a status that fits.
func (d *daemon) waitStatus(what string, fits func(console.Status) bool) console.Status {
	d.t.Helper()
	var last console.Status
	waitUntil(d.t, what, patience, func() bool {
		d.wantAlive(what)
		st, err := d.status()
		last = st
		return err == nil && fits(st)
	})
	return last
}

func (d *daemon) wantAlive(during string) {
	d.t.Helper()
	select {
	case <-d.child.Done():
		d.t.Fatalf("the daemon ended (%s) while the test waits until %s", d.cmd.ProcessState, during)
	default:
	}
}

// end leaves no daemon to the next test. It lets one that still runs stop as it should, for what it says then.
func (d *daemon) end() {
	d.signal(syscall.SIGCONT)
	d.signal(syscall.SIGTERM)
	select {
	case <-d.child.Done():
	case <-time.After(patience):
		d.t.Error("the daemon does not stop")
		d.signal(syscall.SIGKILL)
		<-d.child.Done()
	}
}

func (d *daemon) signal(sig syscall.Signal) { _ = d.cmd.Process.Signal(sig) }

// kill is kill -9 of the daemon alone. What it has started is left to itself.
func (d *daemon) kill() {
	d.signal(syscall.SIGKILL)
	<-d.child.Done()
}

// exit waits for the daemon's end and returns its exit code, -1 after a signal.
func (d *daemon) exit(deadline time.Duration) int {
	d.t.Helper()
	select {
	case <-d.child.Done():
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(deadline):
		d.t.Fatalf("the daemon does not end within %s", deadline)
		return 0
	}
}
