package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/process"
)

// asRootAndNobody runs the test as root, if it is, and as a user who may do nothing.
func asRootAndNobody(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	if os.Geteuid() != 0 {
		test(t)
		return
	}
	name := t.Name()
	t.Run("as root", test)
	t.Run("as nobody", func(t *testing.T) {
		cmd := exec.Command(publicProgram(t), "-test.v", "-test.run", "^"+name+"$")
		cmd.Dir = "/"
		account(t, "nobody").Use(cmd)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// publicProgram is this program where everybody may execute it.
func publicProgram(t *testing.T) string {
	t.Helper()
	dir := publicDir(t)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plugin")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// publicDir is a directory that everybody may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func account(t *testing.T, name string) *process.Account {
	t.Helper()
	a, err := process.LookupAccount(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// limited is a plugin in a mode that ticks once.
func limited(mode string) Spec {
	return Spec{Interval: time.Hour, Timeout: time.Hour, Ticks: true, Config: fmt.Appendf(nil, `{"mode": %q, "points": 1}`, mode)}
}

func TestAPluginThatTakesMoreMemoryThanItMayIsEndedForThat(t *testing.T) {
	asRootAndNobody(t, func(t *testing.T) {
		for _, mode := range []string{"grow", "growing child"} {
			t.Run(mode, func(t *testing.T) {
				spec := limited(mode)
				spec.MemoryLimit = 64 << 20
				r := startSpec(t, spec)
				r.until("ended for its memory", func() bool { return strings.Contains(r.state().Cause, "exceeded memory_limit") })
				var taken int
				if _, err := fmt.Sscanf(r.state().Cause, "exceeded memory_limit 64MiB: %dMiB", &taken); err != nil || taken <= 64 {
					t.Errorf("the cause is %q, %v", r.state().Cause, err)
				}
				t.Logf("ended at %d MiB", taken)
				if !strings.Contains(r.log.String(), r.state().Cause) {
					t.Errorf("the log lacks the cause:\n%s", r.log)
				}
				r.until("another start", func() bool { return r.state().Restarts > 0 })
			})
		}
	})
}

func TestAPluginBelowItsMemoryLimitRunsOnAndKnowsIt(t *testing.T) {
	asRootAndNobody(t, func(t *testing.T) {
		spec := limited("environment")
		spec.MemoryLimit = 100 << 20
		r := startSpec(t, spec)
		r.until("a point", func() bool { return r.intake.count() > 0 })
		if want := "GOMEMLIMIT=" + strconv.Itoa(100<<20/100*90); !strings.Contains(r.intake.first(), want) {
			t.Errorf("the plugin sees %s, and not %s", r.intake.first(), want)
		}
		if st := r.state(); st.Phase != Ready || st.Restarts != 0 {
			t.Errorf("the state is %+v", st)
		}
	})
}

func TestAPluginIsAsNiceAsItShall(t *testing.T) {
	asRootAndNobody(t, func(t *testing.T) {
		// Under whatever the tests themselves run.
		nice := 19
		spec := limited("")
		spec.Nice = &nice
		r := startSpec(t, spec)
		r.until("a point", func() bool { return r.intake.count() > 0 })
		// The system call says 20 less.
		got, err := syscall.Getpriority(syscall.PRIO_PROCESS, r.state().Pid)
		if err != nil || 20-got != nice {
			t.Errorf("nice is %d, %v", 20-got, err)
		}
		urgent := -5
		spec.Nice = &urgent
		r = startSpec(t, spec)
		if os.Geteuid() == 0 {
			r.until("a point", func() bool { return r.intake.count() > 0 })
			return
		}
		r.until("failed", func() bool { return r.state().Phase == Failed })
		if cause := r.state().Cause; !strings.Contains(cause, "nice = -5, which only root may do") {
			t.Errorf("the cause is %q", cause)
		}
	})
}

// TestAPluginRunsAsItsUserAndNobodyElseReachesWhatIsIts needs root; for anyone else it shows what is said then.
func TestAPluginRunsAsItsUserAndNobodyElseReachesWhatIsIts(t *testing.T) {
	t.Parallel()
	spec := limited("files")
	if os.Geteuid() != 0 {
		spec.Account = account(t, "daemon")
		r := startSpec(t, spec)
		r.until("failed", func() bool { return r.state().Phase == Failed })
		if cause := r.state().Cause; !strings.Contains(cause, "may not run the plugin as the user daemon, because it is not root") {
			t.Errorf("the cause is %q", cause)
		}
		return
	}
	t.Run("as nobody", func(t *testing.T) {
		cmd := exec.Command(publicProgram(t), "-test.v", "-test.run", "^TestAPluginRunsAsItsUserAndNobodyElseReachesWhatIsIts$")
		cmd.Dir = "/"
		account(t, "nobody").Use(cmd)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	spec.Account = account(t, "nobody")
	r := startSpec(t, spec)
	r.until("a point", func() bool { return r.intake.count() > 0 })
	run, state := r.supervisor.plugins[0].runDir, r.supervisor.plugins[0].stateDir
	who, err := os.ReadFile(filepath.Join(state, "who"))
	if want := fmt.Sprint(spec.Account.UID, spec.Account.GID, " ", spec.Account.Home); err != nil || string(who) != want {
		t.Errorf("the plugin is %q, %v; want %q", who, err, want)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.state().Pid))
	if err != nil || strings.Contains(string(groups), "\nGroups:\t0") {
		t.Errorf("it has root's groups, or %v", err)
	}
	other := account(t, "daemon")
	for _, dir := range []string{run, state} {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != spec.Account.UID {
			t.Errorf("%s has the mode %v, %v", dir, info.Mode(), err)
		}
		for command, may := range map[string]map[*process.Account]bool{
			"ls " + dir:               {spec.Account: true, other: false},
			"ls " + filepath.Dir(dir): {spec.Account: false, other: false},
			"cd " + filepath.Dir(dir): {spec.Account: true, other: true},
			"rmdir " + dir:            {spec.Account: false, other: false},
		} {
			for who, may := range may {
				cmd := exec.Command("sh", "-c", command)
				who.Use(cmd)
				if err := cmd.Run(); (err == nil) != may {
					t.Errorf("%s as %s: %v", command, who.Name, err)
				}
			}
		}
	}
	// Root takes back what is its own again.
	spec.Account, spec.Name, spec.Path = nil, "p", r.supervisor.plugins[0].spec.Path
	r.supervisor.Apply([]Plugin{{spec, r.intake}})
	r.until("another point", func() bool { return r.intake.count() > 1 })
	if info, err := os.Stat(filepath.Join(state, "who")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the file is still the other user's: %v", err)
	}
}

func TestWhatKeepsAUserFromItsDirectoriesIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives directories to others: nothing to show")
		return
	}
	closed := filepath.Join(publicDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	err := give(filepath.Join(closed, "data", "plugins", "p"), account(t, "nobody"))
	if err == nil || !strings.Contains(err.Error(), "because "+closed+" does not let it pass") {
		t.Errorf("the error is %v", err)
	}
	if info, err := os.Stat(closed); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a directory that is not the daemon's was opened: %v, %v", info.Mode(), err)
	}
}

func TestGivingADirectoryFollowsNoLinkAndLeavesWhatHasTwoNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives directories to others: nothing to show")
		return
	}
	top := publicDir(t)
	secret, dir := filepath.Join(top, "secret"), filepath.Join(top, "data", "plugins", "p")
	if err := os.MkdirAll(filepath.Join(dir, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{secret, filepath.Join(dir, "inner", "own")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "soft")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(top, filepath.Join(dir, "softdir")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(secret, filepath.Join(dir, "hard")); err != nil {
		t.Fatal(err)
	}
	nobody := account(t, "nobody")
	if err := give(dir, nobody); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]uint32{secret: 0, top: 0, dir: nobody.UID, filepath.Join(dir, "inner", "own"): nobody.UID} {
		if info, err := os.Stat(file); err != nil || info.Sys().(*syscall.Stat_t).Uid != want {
			t.Errorf("%s does not belong to %d: %v", file, want, err)
		}
	}
}
