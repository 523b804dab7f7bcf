package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/point"
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
	if st := r.state(); st.Restarts != crashLoop-1 || !strings.Contains(st.Cause, "exit status 7") {
		t.Errorf("state is %+v", st)
	}
}

func TestAPluginThatHasFailedIsTriedAgainOnAReload(t *testing.T) {
	t.Parallel()
	r := start(t, `{"mode": "refuse"}`, nil)
	r.until("failed", func() bool { return r.state().Phase == Failed })
	same := Plugin{r.supervisor.plugins[0].spec, r.intake}
	for n := range 3 {
		if c := r.supervisor.Apply([]Plugin{same}); !slices.Equal(c.Restarted, []string{"p"}) || c.Kept != nil {
			t.Errorf("the changes are %+v", c)
		}
		r.until("another try", func() bool { st := r.state(); return st.Restarts == n+1 && st.Phase == Failed })
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
	for _, member := range members {
		if !gone(member) {
			t.Errorf("process %d is still there", member)
		}
	}
}

func TestAFrozenPluginDoesNotKeepTheDaemonFromStopping(t *testing.T) {
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	pid := r.state().Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
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
	if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
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

func TestOnlyThePinnedProgramIsRun(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	catalog := NewCatalog(filepath.Dir(program))
	_, sum, err := catalog.Inspect(program, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := startSpec(t, Spec{Interval: time.Hour, Timeout: time.Hour, Config: []byte(`{"points": 1}`), SHA256: sum, Pinned: true})
	r.until("a point", func() bool { return r.intake.count() == 1 })
	executed, err := os.Readlink("/proc/" + strconv.Itoa(r.state().Pid) + "/exe")
	if err != nil || executed != program {
		t.Errorf("the program that runs is %s, %v", executed, err)
	}
	other := startSpec(t, Spec{Interval: time.Hour, Timeout: time.Hour, Config: []byte(`{"points": 1}`), SHA256: strings.Repeat("0", 64), Pinned: true})
	other.until("refused", func() bool { return other.state().Cause != "" })
	if cause := other.state().Cause; !strings.Contains(cause, "has changed: its SHA256 is "+sum) || other.intake.count() > 0 {
		t.Errorf("the cause is %s", cause)
	}
}

func TestApplyTouchesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	kept := r.state().Pid
	same := Plugin{r.supervisor.plugins[0].spec, r.intake}
	spec := func(name string, points int) Plugin {
		s := same.Spec
		s.Name, s.Config = name, fmt.Appendf(nil, `{"points": %d}`, points)
		return Plugin{s, &testIntake{}}
	}
	ready := func(name string) func() bool {
		return func() bool { return r.supervisor.State(name).Phase == Ready }
	}
	pid := func(name string) int { return r.supervisor.State(name).Pid }

	first, second := spec("a", 1), spec("b", 1)
	if c := r.supervisor.Apply([]Plugin{first, same, second}); !slices.Equal(c.Started, []string{"a", "b"}) || !slices.Equal(c.Kept, []string{"p"}) || c.Stopped != nil || c.Restarted != nil {
		t.Errorf("the changes are %+v", c)
	}
	r.until("a", ready("a"))
	r.until("b", ready("b"))
	a, b := pid("a"), pid("b")

	changed := spec("b", 2)
	if c := r.supervisor.Apply([]Plugin{same, changed}); !slices.Equal(c.Stopped, []string{"a"}) || !slices.Equal(c.Restarted, []string{"b"}) || !slices.Equal(c.Kept, []string{"p"}) || c.Started != nil {
		t.Errorf("the changes are %+v", c)
	}
	if !gone(a) || !gone(b) {
		t.Error("a plugin that was stopped or changed has its old process")
	}
	r.until("the points of the changed plugin", func() bool { return changed.Intake.(*testIntake).count() == 2 })
	if r.state().Pid != kept || pid("a") != 0 || r.intake.count() != 1 {
		t.Errorf("the plugin that did not change was touched: %+v", r.state())
	}
	r.stop()
	if !gone(kept) || pid("b") != 0 {
		t.Error("a plugin is left")
	}
	if c := r.supervisor.Apply([]Plugin{same}); len(c.Kept) != 1 {
		t.Errorf("after the stop the changes are %+v", c)
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

func script(t *testing.T, body string) (catalog *Catalog, name string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return NewCatalog(dir), "plugin"
}

func TestPluginsThatDoNotDescribeThemselvesAreRefusedWithTheReason(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"fails":        {"echo 'no \033[1mluck' >&2; exit 3", "exit status 3: no \uFFFD[1mluck"},
		"no JSON":      {"echo hello", "printed no manifest"},
		"nothing":      {"", "printed no manifest"},
		"no name":      {"echo '{}'", "without a name or a role"},
		"newer":        {`echo '{"name":"x","version":"9","roles":["collector"],"protocols":[2,3]}'`, "speaks protocol [2 3] and this daemon 1: upgrade the daemon"},
		"older":        {`echo '{"name":"x","version":"9","roles":["collector"],"protocols":[0]}'`, "upgrade the plugin"},
		"too much":     {"yes | head -c 5000000", "more than 4194304 bytes"},
		"never ends":   {"sleep 300 & sleep 300", "took longer than 5s"},
		"child stays":  {`sleep 300 & echo '{"name":"x","version":"9","roles":["collector"],"protocols":[0]}'`, "upgrade the plugin"},
		"reads a lot":  {`echo "$HOME$SECRET_OF_THE_DAEMON" >&2; test -z "$HOME" && cat; exit 1`, "exit status 1"},
		"not a script": {"exit 0\n\x00\xff", "printed no manifest"},
	}
	t.Setenv("SECRET_OF_THE_DAEMON", "hush")
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog, plugin := script(t, tc.body)
			_, err := catalog.Manifest(plugin)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("error %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestTheCatalogListsProgramsThatMayBePlugins(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a": 0o700, "b": 0o755, "notes.txt": 0o600, "vedette": 0o700, "influxd": 0o700} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	catalog := NewCatalog(dir)
	if got := catalog.Names(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("names are %v", got)
	}
	if _, err := catalog.Manifest("notes.txt"); err == nil || !strings.Contains(err.Error(), "must be an executable file") {
		t.Errorf("error %v", err)
	}
	if _, err := catalog.Manifest("influxd"); err == nil || !os.IsNotExist(err) && !strings.Contains(err.Error(), "there is no plugin") {
		t.Errorf("error %v", err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m, err := catalog.Manifest(program)
	if err != nil || m.Name != "test-plugin" || m.Version != "1.2.3" {
		t.Errorf("manifest %+v, %v", m, err)
	}
}

func TestInstancesArePutOffByTheirOwnPartOfHalfAnInterval(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 100 {
		name := fmt.Sprint("p", i)
		off := splay(name, time.Minute)
		if off < 0 || off >= 30*time.Second || off != splay(name, time.Minute) {
			t.Errorf("%s is put off by %s", name, off)
		}
		seen[off.Truncate(time.Second)] = true
	}
	if len(seen) < 15 {
		t.Errorf("a hundred instances have %d different seconds", len(seen))
	}
	if off := splay("p", 1); off != 0 {
		t.Errorf("without an interval it is put off by %s", off)
	}
}
