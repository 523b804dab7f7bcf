package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
)

// task is set in the environment of this program where it has to be another process: its value says what it does.
const task = "VEDETTE_TEST_TASK"

func TestMain(m *testing.M) {
	switch os.Getenv(task) {
	case "":
		os.Exit(m.Run())
	case "threads": // many, all of which end at once
		var ready, end sync.WaitGroup
		ready.Add(16)
		end.Add(1)
		for range 16 {
			go func() {
				ready.Done()
				end.Wait()
				syscall.RawSyscall(unix.SYS_EXIT_GROUP, 3, 0, 0)
			}()
		}
		ready.Wait()
		end.Done()
		select {}
	case "powerless":
		if err := loseRights(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "typeless":
		if err := unix.Mount("none", "/sys/kernel/btf", "tmpfs", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var r report
	s, err := Open(Options{Mode: Auto}, hclog.NewNullLogger())
	if err != nil {
		r.Auto = err.Error()
	} else {
		r.Status = s.Status()
		s.Close()
	}
	if _, err := Open(Options{Mode: EBPF}, hclog.NewNullLogger()); err != nil {
		r.EBPF = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

// report is what this program finds where something is missing.
type report struct {
	Status     Status
	Auto, EBPF string // errors
}

// loseRights gives up all rights of this thread, which the caller stays on.
func loseRights() error {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capset(&header, &data[0])
}

// again starts this program for a task.
func again(what string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), task+"="+what)
	return cmd
}

func TestEveryProgramOfABurstIsTold(t *testing.T) {
	const loops, each = 2, 2000
	nothing := program(t, "/bin/true", "nothing")
	h := listen(t, Options{Mode: EBPF, All: true}, 0)
	burst(t, nothing, loops, each)
	ours := func(e Exec) bool { return e.Path == nothing }
	until(t, "all have ended", func() bool { return len(h.exits(anyOf(h.execs(ours)))) >= loops*each })
	h.stop()
	var got, want []string
	for _, e := range h.execs(ours) {
		got = append(got, strings.Join(e.Args, " "))
	}
	for loop := range loops {
		for i := range each {
			want = append(want, fmt.Sprintf("%s %d %d", nothing, loop, i))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d programs were told of, %d were run", len(got), len(want))
	}
	if ends := len(h.exits(anyOf(h.execs(ours)))); ends != loops*each {
		t.Errorf("%d ends were told of", ends)
	}
	if n, err := h.source.Drops(); n != 0 || err != nil {
		t.Errorf("%d were dropped, %v", n, err)
	}
}

// burst runs a program again and again in loops side by side, with the numbers of the loop and of the run.
func burst(t testing.TB, path string, loops, each int) {
	t.Helper()
	var all sync.WaitGroup
	for loop := range loops {
		all.Go(func() {
			script := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do %q %d $i; i=$((i+1)); done`, each, path, loop)
			if out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
}

// anyOf is whether an end is that of one of the programs.
func anyOf(programs []Exec) func(Exit) bool {
	type process struct {
		pid   int
		birth int64
	}
	known := map[process]bool{}
	for _, e := range programs {
		known[process{e.PID, e.Birth}] = true
	}
	return func(e Exit) bool { return known[process{e.PID, e.Birth}] }
}

func TestWhatASlowReaderLosesIsCountedExactly(t *testing.T) {
	const loops, each = 2, 1000
	nothing := program(t, "/bin/true", "nothing")
	h := listen(t, Options{Mode: EBPF, All: true, ring: 64 << 10}, 5e6)
	burst(t, nothing, loops, each)
	h.stop()
	count, err := h.source.how.(*tracer).tally()
	if err != nil {
		t.Fatal(err)
	}
	drops, err := h.source.Drops()
	if err != nil {
		t.Fatal(err)
	}
	received := uint64(len(h.events) - len(h.execs(func(e Exec) bool { return e.Earlier })))
	if drops == 0 || count.seen < 2*loops*each || count.seen != received+count.dropped || drops < count.dropped {
		t.Errorf("the kernel has seen %d, %d were received, %d dropped", count.seen, received, drops)
	}
	ours := h.execs(func(e Exec) bool { return e.Path == nothing })
	if missing := loops*each - len(ours); missing < 1 || uint64(missing) > drops {
		t.Errorf("of %d, %d are missing, and %d were counted", loops*each, missing, drops)
	}
	t.Logf("seen %d = received %d + dropped %d", count.seen, received, count.dropped)
}

func TestAProgramIsToldWithAllThatTheKernelKnows(t *testing.T) {
	h := listen(t, Options{Mode: EBPF, All: true}, 0)
	sleep := program(t, "/bin/sleep", "so much sleep")
	cmd := exec.Command("/bin/sh", "-c", `exec "$0" 600`, sleep)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 60001, Gid: 60001}}
	cmd.Dir = "/"
	openPath(t, sleep)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() { _ = cmd.Process.Kill() }()
	until(t, "it became sleep", func() bool { return len(h.execs(ofPID(pid))) == 2 })
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseStat(text)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	programs := h.execs(ofPID(pid))
	e := programs[1]
	if e.Parent != os.Getpid() || e.Birth != s.birth || e.Group != unix.Getpgrp() || e.UID != 60001 || e.EUID != 60001 || e.LoginUID != NoLogin || e.Session != NoLogin ||
		e.Terminal != "" || e.Comm != "so much sleep" || e.Path != sleep || !slices.Equal(e.Args, []string{sleep, "600"}) || e.Truncated ||
		e.Size != int64(len(sleep)+len(" 600 ")) || e.At.Before(programs[0].At) {
		t.Errorf("got %+v", e)
	}
	until(t, "its end", func() bool { return len(h.exits(anyOf(programs))) == 1 })
	end := h.exits(anyOf(programs))[0]
	if end.Code != 128+9 || end.Lasted <= 0 || end.At.Before(e.At) || end.At.Sub(e.At) > end.Lasted {
		t.Errorf("got %+v after %v", end, e.At)
	}
}

// openPath lets all users reach a file.
func openPath(t testing.TB, path string) {
	t.Helper()
	for dir := filepath.Dir(path); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArgumentsAreToldByteForByte(t *testing.T) {
	h := listen(t, Options{Mode: EBPF, All: true}, 0)
	long := strings.Repeat("0123456789", 10_000)
	for name, args := range map[string][]string{
		"odd":          {"\xff\xfe", "a\nb\tc", "", "\x1b[2J", "购物车", `"'\`, " "},
		"none":         {},
		"long":         {long},
		"just fits":    {strings.Repeat("x", MaxArgs-len("/bin/true")-2)},
		"just too big": {strings.Repeat("x", MaxArgs-len("/bin/true")-1)},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/bin/true", args...)
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			until(t, "it is told", func() bool { return len(h.execs(ofPID(cmd.Process.Pid))) == 1 })
			e := h.execs(ofPID(cmd.Process.Pid))[0]
			whole := strings.Join(cmd.Args, "\x00") + "\x00"
			want := split([]byte(whole[:min(len(whole), MaxArgs)]))
			if !slices.Equal(e.Args, want) || e.Size != int64(len(whole)) || e.Truncated != (len(whole) > MaxArgs) {
				t.Errorf("got %d bytes, cut: %v, %.200q", e.Size, e.Truncated, e.Args)
			}
		})
	}
}

func TestTheEndOfManyThreadsIsToldOnce(t *testing.T) {
	const times = 40
	h := listen(t, Options{Mode: EBPF, All: true}, 0)
	pids := map[int]bool{}
	for range times {
		cmd := again("threads")
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Fatal(err)
		}
		pids[cmd.Process.Pid] = true
	}
	ours := func(e Exit) bool { return pids[e.PID] }
	// Events come in order, so when a later one is here all are.
	last := exec.Command("/bin/true")
	if err := last.Run(); err != nil {
		t.Fatal(err)
	}
	until(t, "the last end", func() bool { return len(h.exits(func(e Exit) bool { return e.PID == last.Process.Pid })) == 1 })
	if got := h.exits(ours); len(got) != times || slices.ContainsFunc(got, func(e Exit) bool { return e.Code != 3 }) {
		t.Errorf("%d ends of %d: %+v", len(got), times, got)
	}
}

func TestTerminalsAndLoginsAreInScopeAndTheRestIsNot(t *testing.T) {
	there, err := terminal.Start(exec.Command("/bin/sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	h := listen(t, Options{Mode: EBPF}, 0)
	outside := exec.Command("/bin/true")
	if err := outside.Run(); err != nil {
		t.Fatal(err)
	}
	inside, err := terminal.Start(exec.Command("/bin/cat"))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	// A login without a terminal, as ssh host command is one.
	login := exec.Command("/bin/sh", "-c", "echo 60001 >/proc/self/loginuid && exec true")
	if err := login.Run(); err != nil {
		t.Fatal(err)
	}
	until(t, "the login's program", func() bool { return len(h.execs(ofPID(login.Process.Pid))) == 1 })
	if e := h.execs(ofPID(login.Process.Pid))[0]; e.LoginUID != 60001 || e.Session == NoLogin || e.Terminal != "" || e.Comm != "true" {
		t.Errorf("got %+v", e)
	}
	until(t, "the terminal's program", func() bool { return len(h.execs(ofPID(inside.PID()))) == 1 })
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", inside.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if e := h.execs(ofPID(inside.PID()))[0]; "/dev/"+e.Terminal != name {
		t.Errorf("the terminal is %q, want %q", e.Terminal, name)
	}
	there.Close()
	// Its terminal is gone before it ends.
	until(t, "the end of what had been there before", func() bool { return len(h.exits(func(e Exit) bool { return e.PID == there.PID() })) == 1 })
	if e := h.execs(ofPID(outside.Process.Pid)); len(e) > 0 {
		t.Errorf("a program of nobody's was told of: %+v", e)
	}
}

func TestWhatTheKernelRefusesIsReported(t *testing.T) {
	for what, want := range map[string]string{"powerless": "CAP_BPF", "typeless": "CONFIG_DEBUG_INFO_BTF"} {
		t.Run(what, func(t *testing.T) {
			cmd := again(what)
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var r report
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatal(err)
			}
			if what == "powerless" && !strings.Contains(r.Status.Why, "CAP_AUDIT_READ") || r.Auto != "" || r.Status.Mode != Off || !strings.Contains(r.Status.Why, want) || !strings.Contains(r.EBPF, want) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestAKernelThatIsBuiltOtherwiseIsRefusedByName(t *testing.T) {
	var b btf.Builder
	if _, err := b.Add(&btf.Struct{Name: "task_struct", Size: 8, Members: []btf.Member{{Name: "signal", Type: &btf.Int{Name: "int", Size: 4}}}}); err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := findLayout(spec); err == nil || !strings.Contains(err.Error(), "task_struct has no ") {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsListenedToWhenItIsOffAndAMistakeIsNamed(t *testing.T) {
	s, err := Open(Options{Mode: Off}, hclog.NewNullLogger())
	if err != nil || s.Status() != (Status{Mode: Off}) {
		t.Errorf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, func(e Event) { t.Errorf("got %+v", e) }); err != nil {
		t.Error(err)
	}
	if err := s.Run(ctx, nil); err == nil || !strings.Contains(err.Error(), "another source") {
		t.Errorf("listening twice: %v", err)
	}
	if n, err := s.Drops(); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	s.Close()
	if _, err := Open(Options{Mode: "on"}, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), `"on"`) {
		t.Errorf("got %v", err)
	}
}

func FuzzARecordOfTheRingIsAnEventOrAnError(f *testing.F) {
	f.Add(make([]byte, exitLength))
	f.Add(append([]byte{execKind}, make([]byte, execLength)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b, bootTime())
		if (e == nil) == (err == nil) {
			t.Errorf("%v, %v", e, err)
		}
	})
}
