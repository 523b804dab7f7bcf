// Package pythonload holds the plugin python-load, which is written in Python, to the contract.
package pythonload

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/examples/plugins/trial"
)

func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("./build", dir).CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return filepath.Join(dir, "python-load")
}

// source writes a file like /proc/loadavg.
func source(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "loadavg")
	if err := os.WriteFile(file, []byte("1.50 0.75 0.25 3/456 7890\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func start(t *testing.T, arguments string) *trial.Trial {
	t.Helper()
	return trial.Start(t, build(t), "plugin \"python-load\" {\n"+arguments+"\n}\n")
}

func ready(r *trial.Trial) func() bool {
	return func() bool { return r.State().Phase == supervisor.Ready }
}

func TestItsPointsAreTakenAndItStopsByItself(t *testing.T) {
	t.Parallel()
	before := time.Now().UnixNano()
	r := start(t, "interval = \"1h\"\nfile = \""+source(t)+"\"")
	r.Until("a point", func() bool { return len(r.Points()) > 0 })
	line := regexp.MustCompile(`^load load1=1\.5,load5=0\.75,load15=0\.25,tasks=456i (\d+)$`)
	match := line.FindStringSubmatch(r.Points()[0])
	if match == nil {
		t.Fatalf("the point is %s", r.Points()[0])
	}
	if stamp, _ := strconv.ParseInt(match[1], 10, 64); stamp < before || stamp > time.Now().UnixNano() {
		t.Errorf("its time is %d", stamp)
	}
	r.StopDrained()
}

func TestItsCommandGetsTheConfigurationOnADescriptor(t *testing.T) {
	t.Parallel()
	program := build(t)
	config, err := os.CreateTemp(t.TempDir(), "config")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = config.Close() }()
	if _, err := config.WriteAt([]byte(`{"file": "`+source(t)+`", "per_cpu": false}`), 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "command", "show")
	cmd.Env, cmd.ExtraFiles = []string{"VEDETTE_CONFIG_FD=3"}, []*os.File{config}
	out, err := cmd.Output()
	if err != nil || string(out) != "load1 1.5\nload5 0.75\nload15 0.25\ntasks 456\n" {
		t.Errorf("it printed %q, %v", out, err)
	}
	if out, err := exec.Command(program, "command", "show").Output(); err != nil || !strings.HasPrefix(string(out), "load1 ") {
		t.Errorf("without a configuration it printed %q, %v", out, err)
	}
}

func TestItTicksOnAGridThatDoesNotDrift(t *testing.T) {
	t.Parallel()
	r := start(t, "interval = \"1s\"")
	r.Until("5 points", func() bool { return len(r.Points()) >= 5 })
	r.StopDrained()
	var times []int64
	for _, p := range r.Points()[:5] {
		fields := strings.Fields(p)
		at, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, at)
	}
	// Each tick starts late by what the machine makes it wait; with a drift those would add up.
	if span := time.Duration(times[4] - times[0]); span < 3500*time.Millisecond {
		t.Errorf("five ticks span %s", span)
	}
}

func TestItKeepsTheWindowAndDrainsWhatWasEmitted(t *testing.T) {
	t.Parallel()
	r := start(t, "interval = \"100ms\"")
	r.Hold()
	r.Until("more ticks than the window has room for", func() bool { return r.State().Beat.GetPoints() > supervisor.Window+10 })
	if held := r.Held(); held != supervisor.Window {
		t.Errorf("%d batches are without acknowledgement, and the window is %d", held, supervisor.Window)
	}
	pid := r.State().Pid
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.Stop()
	}()
	r.Until("stopping", func() bool { return r.State().Phase == supervisor.Stopping })
	select {
	case <-stopped:
		t.Error("the plugin ended before its points were acknowledged")
	case <-time.After(500 * time.Millisecond):
	}
	r.Release()
	<-stopped
	r.Gone(pid)
	if strings.Contains(r.Log(), "without draining") {
		t.Errorf("it did not drain:\n%s", r.Log())
	}
	points := r.Points()
	slices.Sort(points)
	if n := len(points); n <= 20 || len(slices.Compact(points)) != n {
		t.Errorf("%d points came, and not each of them once", n)
	}
}

func TestItGivesSignsOfLife(t *testing.T) {
	t.Parallel()
	r := start(t, "interval = \"1h\"")
	r.Until("a beat", func() bool { return r.State().Beat != nil })
	if b := r.State().Beat; b.Ticks != 1 || b.Points != 1 || b.LastTick == 0 || b.DroppedPoints != 0 {
		t.Errorf("the beat is %v", b)
	}
	r.StopDrained()
}

func TestItRefusesAConfigurationAndNamesThePlace(t *testing.T) {
	t.Parallel()
	r := start(t, "file = \"/proc/no-such-file\"")
	r.Until("failed", func() bool { return r.State().Phase == supervisor.Failed })
	if cause := r.State().Cause; !strings.Contains(cause, "file: the load can not be read") {
		t.Errorf("the cause is %s", cause)
	}
}

func TestABadTickIsLoggedAndCostsNotTheNextOnes(t *testing.T) {
	t.Parallel()
	file := source(t)
	r := start(t, "interval = \"1s\"\nfile = \""+file+"\"")
	r.Until("a point", func() bool { return len(r.Points()) > 0 })
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Until("an error in the log", func() bool {
		return strings.Contains(r.Log(), "[ERROR] python-load: collection failed") && strings.Contains(r.Log(), "ValueError")
	})
	seen := len(r.Points())
	if err := os.WriteFile(file, []byte("9 9 9 9/9 9"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Until("points again", func() bool { return len(r.Points()) > seen })
	r.StopDrained()
}

func TestSignalsDoNotKeepItFromDraining(t *testing.T) {
	t.Parallel()
	r := start(t, "interval = \"1s\"")
	r.Until("ready", ready(r))
	pid := r.State().Pid
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	seen := len(r.Points())
	r.Until("two points more", func() bool { return len(r.Points()) >= seen+2 })
	if now := r.State().Pid; now != pid {
		t.Errorf("process %d has become %d", pid, now)
	}
	r.StopDrained()
}

func TestAKilledOneIsReplaced(t *testing.T) {
	t.Parallel()
	r := start(t, "interval = \"1h\"")
	r.Until("a point", func() bool { return len(r.Points()) == 1 })
	if err := syscall.Kill(r.State().Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.Until("a second point", func() bool { return len(r.Points()) == 2 })
	r.StopDrained()
}

func TestItEndsSoonAfterItsDaemon(t *testing.T) {
	t.Parallel()
	p := trial.Dial(t, build(t))
	begun := time.Now()
	if err := p.Lifeline.Close(); err != nil {
		t.Fatal(err)
	}
	err := <-p.Ended
	if took := time.Since(begun); err == nil || err.Error() != "signal: killed" || took > 10*time.Second {
		t.Errorf("it ended with %v after %s", err, took)
	}
}

func TestItEndsByItselfWhenItIsShutDown(t *testing.T) {
	t.Parallel()
	p := trial.Dial(t, build(t))
	ctx, cancel := context.WithTimeout(context.Background(), trial.Patience)
	defer cancel()
	if err := p.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if err := <-p.Ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestOnlyItsDaemonIsAnswered(t *testing.T) {
	t.Parallel()
	r := start(t, "interval = \"1h\"")
	r.Until("ready", ready(r))
	stranger, _ := trial.Certificate(t)
	for name, certificates := range map[string][]tls.Certificate{"without a certificate": nil, "with another certificate": {stranger}} {
		// The run directory, whose path is short enough for a socket's.
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: trial.Patience}, "unix", "/proc/"+strconv.Itoa(r.State().Pid)+"/cwd/plugin",
			&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: certificates})
		if err != nil {
			continue // refused within the handshake: TLS 1.2
		}
		if err := conn.SetReadDeadline(time.Now().Add(trial.Patience)); err != nil {
			t.Fatal(err)
		}
		// A server of HTTP/2 speaks first.
		if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a client %s was answered: %v", name, err)
		}
		_ = conn.Close()
	}
	r.StopDrained()
}
