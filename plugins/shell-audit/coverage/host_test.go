package coverage

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

const wait = 5 * HelloWithin

// watched is a Watch over this host while a test runs.
type watched struct {
	*Watch
	mu     sync.Mutex
	events []Event
	execs  []kernel.Exec
	// ahead is how much later it is than by the clock.
	ahead time.Duration
}

func (w *watched) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

func (w *watched) tell(events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, events...)
}

// watch watches with what the kernel tells, or by looking for shells now and then.
func watch(t *testing.T, polling bool) *watched {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the kernel tells root alone what is run: run this test as root")
	}
	w := &watched{Watch: New(NewHost())}
	hear := func(e kernel.Event) {
		if e, ok := e.(kernel.Exec); ok {
			w.mu.Lock()
			w.execs = append(w.execs, e)
			w.mu.Unlock()
		}
		w.tell(w.Kernel(e, w.now()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	running.Go(func() {
		if polling {
			kernel.Poll(ctx, 200*time.Millisecond, hear)
			return
		}
		source, err := kernel.Open(kernel.Options{Mode: kernel.EBPF}, hclog.NewNullLogger())
		if err != nil {
			t.Error(err)
			return
		}
		defer source.Close()
		if err := source.Run(ctx, hear); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		for ticks := time.Tick(100 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticks:
				w.tell(w.Tick(w.now()))
			}
		}
	})
	// What begins now is no longer Earlier.
	first := start(t, "/bin/sleep", "600")
	until(t, "it hears", func() bool { return w.seen(first.PID(), "sleep") })
	second := start(t, "/bin/sleep", "600")
	until(t, "it hears what begins", func() bool { return w.seen(second.PID(), "sleep") })
	return w
}

// seen says whether a process has become a program of that name.
func (w *watched) seen(pid int, comm string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.execs {
		if e.PID == pid && e.Comm == comm {
			return true
		}
	}
	return false
}

// raised are the shells that were told to have no hook, by what the kernel calls them.
func (w *watched) raised(kind Kind, terminal string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind && e.Exec.Terminal == terminal {
			found = append(found, e.Exec.Comm)
		}
	}
	return found
}

func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", wait, what)
		}
	}
}

func start(t testing.TB, args ...string) *terminal.Terminal {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME=/nonexistent", "HISTFILE=")
	s, err := terminal.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func nameOfTerminal(t testing.TB, s *terminal.Terminal) string {
	t.Helper()
	p, err := identity.Of(s.PID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return p.Terminal
}

// copied is a copy of a program under a name that says nothing.
func copied(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "innocent")
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}

// linker is the dynamic linker of this machine's programs.
func linker(t testing.TB) string {
	t.Helper()
	for _, pattern := range []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"} {
		if _, err := os.Stat(pattern); err == nil {
			return pattern
		}
	}
	t.Fatal("the dynamic linker was not found")
	return ""
}

func TestShellsWithoutAHookAreFoundAndWhatIsNotTypedIsNot(t *testing.T) {
	innocent := copied(t, "/bin/bash")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/bash\nsleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, polling := range []bool{false, true} {
		t.Run(fmt.Sprintf("polling=%v", polling), func(t *testing.T) {
			w := watch(t, polling)
			found := map[string]*terminal.Terminal{}
			for name, args := range map[string][]string{
				"bash --norc":   {"/bin/bash", "--norc", "--noprofile"},
				"dash":          {"/bin/dash"},
				"zsh":           {"/bin/zsh", "-f"},
				"fish":          {"/usr/bin/fish", "--no-config"},
				"a copied bash": {innocent, "--norc", "--noprofile"},
				"the linker":    {linker(t), "/bin/bash", "--norc"},
				"a login":       {"/bin/bash", "-c", "exec -a -bash /bin/bash --noprofile"},
				"exec":          {"/bin/sh", "-c", "sleep 1; exec /bin/bash --norc"},
			} {
				found[name] = start(t, args...)
			}
			quiet := map[string]*terminal.Terminal{}
			for name, args := range map[string][]string{
				"a command": {"/bin/bash", "-c", "sleep 600; :"},
				"a script":  {script},
				"a pipe":    {"/bin/bash", "-c", "(sleep 600) | /bin/bash"},
				"a program": {"/usr/bin/python3", "-c", "import time; time.sleep(600)"},
			} {
				quiet[name] = start(t, args...)
			}
			for name, s := range found {
				tty := nameOfTerminal(t, s)
				until(t, name+" is found", func() bool { return len(w.raised(NoHook, tty)) > 0 })
			}
			for name, s := range found {
				if got := w.raised(NoHook, nameOfTerminal(t, s)); len(got) != 1 {
					t.Errorf("%s was found as %q", name, got)
				}
			}
			// These began before those that were found had had their time.
			for name, s := range quiet {
				if got := w.raised(NoHook, nameOfTerminal(t, s)); len(got) > 0 {
					t.Errorf("%s was taken for a shell without a hook: %q", name, got)
				}
			}
		})
	}
}

func TestAShellOnATerminalWithinATerminalIsFound(t *testing.T) {
	w := watch(t, false)
	outer := start(t, "/usr/bin/python3", "-c", `import pty; pty.spawn(["/bin/bash", "--norc"])`)
	tty := nameOfTerminal(t, outer)
	until(t, "the one within is found", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if e.Kind == NoHook && e.Exec.Parent == outer.PID() && e.Exec.Terminal != tty && e.Shell == "bash" {
				return true
			}
		}
		return false
	})
}

func TestAShellThatRunsJobsAndSaysNothingIsFound(t *testing.T) {
	w := watch(t, false)
	s := start(t, "/bin/bash", "--norc", "--noprofile")
	tty := nameOfTerminal(t, s)
	p, err := identity.Of(s.PID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it is known", func() bool { return w.seen(p.PID, "bash") })
	// Its hook has said hello, was switched off, and then time has passed.
	hello := record.Record{Kind: record.Hello, Shell: "bash", PID: p.PID, Birth: p.Birth, Seq: 1, History: record.NoHistory}
	w.tell(w.Heard(p.UID, hello, w.now()))
	w.mu.Lock()
	w.ahead = silentFor
	w.mu.Unlock()
	for i := range silentJobs + 1 {
		if err := s.Type(fmt.Sprintf("/bin/echo job $((%d+1000))\r", i)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := s.Expect(ctx, fmt.Sprintf("job %d", i+1000))
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, "it is found", func() bool { return len(w.raised(HookGone, tty)) == 1 })
	if got := w.raised(NoHook, tty); len(got) > 0 {
		t.Errorf("it has said hello: %q", got)
	}
}

func TestAHostKnowsItsShellsByTheirContents(t *testing.T) {
	h := NewHost()
	for _, name := range []string{"bash", "zsh", "fish", "dash"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.shells[h.identity(copied(t, path))]; got != name {
			t.Errorf("a copy of %s is %q", name, got)
		}
	}
	if got := h.shells[h.identity("/bin/true")]; got != "" {
		t.Errorf("true is %q", got)
	}
	// A program without a number of its builder's is known by all that it has.
	path := filepath.Join(t.TempDir(), "sh")
	if err := os.WriteFile(path, []byte("#!/bin/true\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	id := h.identity(path)
	if !strings.HasPrefix(id, "sum ") || id != h.identity(copied(t, path)) {
		t.Errorf("got %q", id)
	}
	if got := h.identity(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("got %q", got)
	}
}
