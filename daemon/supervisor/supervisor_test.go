package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/redaction"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// testIntake takes points and acknowledges them, unless it is told to hold them.
type testIntake struct {
	mu     sync.Mutex
	points []string // line protocol
	hold   bool
	held   []func()
}

func (i *testIntake) Take(points [][]byte, done func([]*wire.Refusal)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, raw := range points {
		var p point.Point
		if err := p.Unmarshal(raw); err != nil {
			panic(err)
		}
		i.points = append(i.points, string(p.AppendLine(nil)))
	}
	if i.hold {
		i.held = append(i.held, func() { done(nil) })
		return
	}
	done(nil)
}

func (i *testIntake) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.points)
}

func (i *testIntake) first() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.points[0]
}

// trial is a supervisor with one plugin.
type trial struct {
	t          *testing.T
	supervisor *Supervisor
	intake     *testIntake
	log        *logBuffer
	stop       func()
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func start(t *testing.T, config string, env map[string]string) *trial {
	t.Helper()
	return startSpec(t, Spec{Env: env, Interval: time.Hour, Timeout: time.Hour, Config: []byte(config), Ticks: true})
}

func startSpec(t *testing.T, spec Spec) *trial {
	t.Helper()
	r := &trial{t: t, intake: &testIntake{}, log: &logBuffer{}}
	// A socket's path must be short, and those of t.TempDir are not.
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r.supervisor = New(Options{RunDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state"),
		Logger: hclog.New(&hclog.LoggerOptions{Output: r.log, Level: hclog.Info}), Version: "test"})
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec.Name = "p"
	if spec.Path == "" {
		spec.Path = program
	}
	r.supervisor.Apply([]Plugin{{spec, r.intake}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.supervisor.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("the supervisor did not stop")
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *trial) state() State { return r.supervisor.State("p") }

// until waits for the condition.
func (r *trial) until(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %s: %s; the state is %+v, and the log\n%s", patience, what, r.state(), r.log)
		}
	}
}

func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// freeze stops a process and waits until it has stopped: until then it may still answer.
func freeze(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") T ") {
			return
		}
	}
	t.Fatalf("process %d does not stop", pid)
}

func TestAPluginsPointsAreTakenAndItStopsByItself(t *testing.T) {
	r := start(t, `{"points": 2500}`, nil)
	r.until("2500 points", func() bool { return r.intake.count() == 2500 })
	st := r.state()
	if st.Phase != Ready || st.Pid == 0 || st.Restarts != 0 {
		t.Errorf("state is %+v", st)
	}
	begun := time.Now()
	r.stop()
	if took := time.Since(begun); took > 5*drainTime {
		t.Errorf("stopping took %s", took)
	}
	if !gone(st.Pid) || r.state().Phase != Stopped {
		t.Errorf("the process is there, or the state %+v", r.state())
	}
	if strings.Contains(r.log.String(), "without draining") {
		t.Errorf("the plugin did not drain:\n%s", r.log)
	}
}

func TestStoppingWaitsForTheAcknowledgementOfWhatWasEmitted(t *testing.T) {
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	r.stop()
	slow := start(t, `{"points": 1}`, nil)
	slow.intake.mu.Lock()
	slow.intake.hold = true
	slow.intake.mu.Unlock()
	slow.until("a held point", func() bool {
		slow.intake.mu.Lock()
		defer slow.intake.mu.Unlock()
		return len(slow.intake.held) == 1
	})
	pid := slow.state().Pid
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		slow.stop()
	}()
	slow.until("stopping", func() bool { return slow.state().Phase == Stopping })
	if gone(pid) {
		t.Fatal("the plugin ended before its point was acknowledged")
	}
	slow.intake.held[0]()
	<-stopped
	if strings.Contains(slow.log.String(), "without draining") {
		t.Errorf("the plugin did not drain:\n%s", slow.log)
	}
}

func TestAKilledPluginIsStartedAgain(t *testing.T) {
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	if err := syscall.Kill(r.state().Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("a second point", func() bool { return r.intake.count() == 2 })
	if st := r.state(); st.Restarts != 1 || st.Phase != Ready {
		t.Errorf("state is %+v", st)
	}
	if !strings.Contains(r.log.String(), "signal: killed") {
		t.Errorf("the log does not say how it ended:\n%s", r.log)
	}
}

func TestAPluginThatEndsAgainAndAgainHasFailed(t *testing.T) {
	r := start(t, `{"mode": "exit"}`, nil)
	r.until("failed", func() bool { return r.state().Phase == Failed })
	if st := r.state(); st.Restarts != crashLoop-1 || !strings.Contains(st.Cause, "ended by itself: exit status 7") {
		t.Errorf("state is %+v", st)
	}
}

func TestTheStackOfAPanicIsInTheCause(t *testing.T) {
	r := start(t, `{"mode": "panic"}`, nil)
	r.until("a crash", func() bool { return r.state().Cause != "" })
	if cause := r.state().Cause; !strings.Contains(cause, "panic: out of ideas") || !strings.Contains(cause, "plugin_test.go") {
		t.Errorf("the cause is %s", cause)
	}
}

func TestARefusedConfigurationFailsAtOnceAndNamesThePlace(t *testing.T) {
	r := start(t, `{"mode": "refuse"}`, nil)
	r.until("failed", func() bool { return r.state().Phase == Failed })
	if st := r.state(); st.Restarts != 0 || !strings.HasSuffix(st.Cause, "target.0.url: no such \uFFFD[31mscheme") {
		t.Errorf("state is %+v", st)
	}
}

func TestASecretThatAPluginRepeatsIsInNoCauseAndInNoLog(t *testing.T) {
	const token = "not-for-the-log"
	r := startSpec(t, Spec{Interval: time.Hour, Timeout: time.Hour, Config: []byte(`{"mode": "leak", "token": "` + token + `"}`), Secrets: []string{token}})
	r.until("failed", func() bool { return r.state().Phase == Failed })
	st := r.state()
	if text := fmt.Sprintf("%+v %s", st, r.log); strings.Contains(text, token) || !strings.Contains(st.Cause, "the token "+redaction.Mark+" is wrong") {
		t.Errorf("state and log are %s", text)
	}
	if said := strings.Count(r.log.String(), "plain: "+redaction.Mark); said != 1 {
		t.Errorf("the plugin's own words are %d times in the log", said)
	}
}

func TestAPluginThatDoesNotStopIsKilledWithItsChildren(t *testing.T) {
	r := start(t, `{"mode": "hang"}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	pid := r.state().Pid
	members := group(t, pid)
	if len(members) < 2 {
		t.Fatalf("the plugin has no child: %v", members)
	}
	begun := time.Now()
	r.stop()
	if took := time.Since(begun); took > 5*(drainTime+killGrace) {
		t.Errorf("stopping took %s", took)
	}
	// One that was killed is gone once its parent, or process 1, has noticed.
	for _, member := range members {
		r.until("a process to be gone", func() bool { return gone(member) })
	}
}

func TestAFrozenPluginDoesNotKeepTheDaemonFromStopping(t *testing.T) {
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	pid := r.state().Pid
	freeze(t, pid)
	r.stop()
	if !gone(pid) {
		t.Error("the frozen plugin is still there")
	}
}

func TestAFrozenPluginIsReplaced(t *testing.T) {
	t.Parallel()
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	frozen := r.state().Pid
	freeze(t, frozen)
	r.until("degraded", func() bool { return r.state().Phase == Degraded })
	r.until("another process", func() bool { st := r.state(); return st.Phase == Ready && st.Pid != frozen })
	if !gone(frozen) || r.state().Restarts != 1 || !strings.Contains(r.log.String(), "no sign of life for") {
		t.Errorf("state is %+v, and the log\n%s", r.state(), r.log)
	}
}

func TestWhereAPluginHangsIsInTheLog(t *testing.T) {
	t.Parallel()
	r := startSpec(t, Spec{Interval: 100 * time.Millisecond, Timeout: 100 * time.Millisecond, Ticks: true, Config: []byte(`{"mode": "hang"}`)})
	r.until("hung", func() bool { return strings.Contains(r.state().Cause, "last tick began") })
	for _, want := range []string{"SIGQUIT: quit", "(*testPlugin).Collect", "plugin_test.go"} {
		if log := r.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%.5000s", want, log)
		}
	}
}

func TestBeatsThatHaveWaitedAreNoHang(t *testing.T) {
	s := session{longestTick: 4 * beatInterval}
	long := time.Now().Add(-time.Hour).UnixNano()
	for i := range 10 {
		if err := s.checkTick(&wire.Beat{LastTick: long + int64(i)}); err != nil {
			t.Fatalf("beat %d of a collector that ticks: %v", i, err)
		}
	}
	for i := range 4 {
		if err := s.checkTick(&wire.Beat{LastTick: long + 9}); err != nil {
			t.Fatalf("after %d beats of the same tick: %v", i+1, err)
		}
	}
	var hangs hung
	if err := s.checkTick(&wire.Beat{LastTick: long + 9}); !errors.As(err, &hangs) {
		t.Errorf("after five beats of the same tick: %v", err)
	}
}

// group lists the processes of the group that pid leads.
func group(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var members []int
	for _, file := range stats {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// pid (name) state ppid pgrp
		var state string
		var parent, pgrp int
		rest := content[strings.LastIndexByte(string(content), ')')+1:]
		if _, err := fmt.Sscan(string(rest), &state, &parent, &pgrp); err == nil && pgrp == pid {
			member, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			members = append(members, member)
		}
	}
	return members
}

func TestNothingThatAPluginWritesHarmsTheDaemonOrThePlugin(t *testing.T) {
	r := start(t, `{"mode": "junk", "points": 1}`, map[string]string{"JUNK": "1"})
	r.until("a point", func() bool { return r.intake.count() == 1 })
	r.stop()
	log := r.log.String()
	for _, want := range []string{"hello, I am no handshake", "1|1|unix|/nonsense|grpc|", "rest of a long line was dropped", "p: 1"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%.3000s", want, log)
		}
	}
	if strings.ContainsAny(log, "\x1b\x00") {
		t.Error("control characters reached the log")
	}
	if strings.Contains(log, "without draining") {
		t.Errorf("the plugin did not drain:\n%.3000s", log)
	}
}

func TestAPluginSeesOnlyTheEnvironmentThatItMay(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "hush")
	t.Setenv("TZ", "Asia/Shanghai")
	r := start(t, `{"mode": "environment"}`, map[string]string{"OWN": "yes"})
	r.until("a point", func() bool { return r.intake.count() > 0 })
	got := r.intake.first()
	if strings.Contains(got, "hush") || !strings.Contains(got, "OWN=yes") || !strings.Contains(got, "TZ=Asia/Shanghai") || !strings.Contains(got, "PATH=") {
		t.Errorf("the plugin sees %s", got)
	}
}

func TestTheRunDirectoryIsSweptAndPrivate(t *testing.T) {
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	dir := r.supervisor.plugins[0].runDir
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the run directory is %v, %v", info, err)
	}
	r.stop()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the run directory is still there: %v", err)
	}
}
