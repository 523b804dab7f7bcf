package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// hold stops a process where it stands.
func hold(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitStopped(t, pid)
}

// release lets a process go on.
func release(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// settle holds the plugin until all that it has handed over is stored, and returns how much that is.
func (d *daemon) settle(plugin int) (taken uint64) {
	d.t.Helper()
	hold(d.t, plugin)
	taken = ^uint64(0)
	d.waitStatus("the queue is empty and stays so", func(st console.Status) bool {
		still := st.Queue.Points == 0 && st.Plugins[0].Points == taken
		taken = st.Plugins[0].Points
		return still
	})
	return taken
}

// A point is acknowledged once it is on disk. While InfluxDB takes none, all that were acknowledged are in the queue;
// after the kill all of them must arrive.
func TestKillingTheDaemonLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	var acknowledged int64
	var killed time.Time
	for round := range 4 {
		d := s.startReady()
		st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
		plugin := st.Plugins[0].Pid
		before := d.settle(plugin)
		if stored := s.count(killed); stored < acknowledged {
			t.Fatalf("after kill %d InfluxDB has %d points, but %d were acknowledged before", round, stored, acknowledged)
		}
		if st.InfluxDB.Rejected != 0 || st.InfluxDB.Expired != 0 || st.Queue.Lost != 0 {
			t.Errorf("points were set aside: %+v %+v", st.InfluxDB, st.Queue)
		}
		// The plugin stands still, so nothing is stored between the count and the moment when InfluxDB stands still too.
		stored := s.count(time.Now())
		hold(t, st.InfluxDB.Pid)
		release(t, plugin)
		waiting := uint64(60 * (round + 1))
		d.waitStatus(fmt.Sprintf("%d points wait on disk", waiting), func(st console.Status) bool { return st.Queue.Points >= waiting })
		hold(t, plugin)
		st = d.waitStatus("all points that were taken are in the queue", func(st console.Status) bool {
			// The daemon's own points are there too.
			return st.Queue.Points >= st.Plugins[0].Points-before
		})
		if round%2 == 1 {
			// This kill comes in the midst of work.
			release(t, plugin)
			d.waitStatus("more points come", func(now console.Status) bool { return now.Queue.Points > st.Queue.Points })
		}
		d.kill()
		killed = time.Now()
		s.waitGone(goneDeadline)
		acknowledged = stored + int64(st.Plugins[0].Points-before)
	}
}

func TestADrainedDaemonHasStoredAllThatItTook(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.startReady()
	st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 50 })
	d.signal(syscall.SIGINT)
	if code := d.exit(drainDeadline); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	ended, taken := time.Now(), int64(st.Plugins[0].Points)
	s.start()
	waitUntil(t, fmt.Sprintf("the %d points that were taken are in InfluxDB", taken), patience, func() bool { return s.count(ended) >= taken })
}

func TestAKilledInfluxDBIsStartedAgainAndPointsGoOn(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.startReady()
	before := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	d.settle(before.Plugins[0].Pid)
	killed := time.Now()
	stored := s.count(killed)
	if err := syscall.Kill(before.InfluxDB.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	release(t, before.Plugins[0].Pid)
	after := d.waitStatus("another InfluxDB stores points", func(st console.Status) bool {
		return st.InfluxDB.Restarts == 1 && st.InfluxDB.State == "ready" && st.InfluxDB.Stored > before.InfluxDB.Stored+20
	})
	if after.InfluxDB.Pid == before.InfluxDB.Pid || !strings.Contains(after.InfluxDB.Error, "killed") {
		t.Errorf("InfluxDB after its kill: %+v", after.InfluxDB)
	}
	if p := after.Plugins[0]; p.Pid != before.Plugins[0].Pid || p.Restarts != 0 {
		t.Errorf("the plugin was disturbed: %+v", p)
	}
	if again := s.count(killed); again < stored {
		t.Errorf("of %d points from before the kill %d are left", stored, again)
	}
	waitUntil(t, "new points are there", patience, func() bool { return s.count(time.Now()) > stored+20 })
}

func TestAKilledPluginIsStartedAgainAndCounted(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.start()
	before := d.waitReady().Plugins[0]
	if err := syscall.Kill(before.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := d.waitStatus("the plugin runs again", func(st console.Status) bool {
		p := st.Plugins[0]
		return p.State == "ready" && p.Restarts == 1 && p.Points > before.Points
	})
	if after.Plugins[0].Pid == before.Pid || after.InfluxDB.Restarts != 0 {
		t.Errorf("after the plugin's kill: %+v", after)
	}
	if !strings.Contains(d.out.String(), "signal: killed") {
		t.Error("the log does not say how the plugin ended")
	}
	out, _, _ := s.run("status", "-o", "csv")
	if fields := strings.Split(strings.Split(out, "\n")[1], ","); fields[len(fields)-1] != "1" {
		t.Errorf("status counts no restart:\n%s", out)
	}
}
