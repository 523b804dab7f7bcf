// Package trial runs a plugin's program as the daemon does, for tests of examples: the configuration is read and checked
// against the program's manifest, the real supervisor launches it, and what it emits is checked as the daemon checks it,
// and acknowledged. What the daemon would do with the points then is left to others.
package trial

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Patience is how long a test waits for what should take a moment.
const Patience = time.Minute

// Build builds a Go program of this module into a directory of the test's and returns its path.
func Build(t *testing.T, pkg, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	return program
}

// Trial is a plugin that runs.
type Trial struct {
	t          *testing.T
	name       string
	supervisor *supervisor.Supervisor
	stop       func()

	mu     sync.Mutex
	points []string
	hold   bool
	held   []func()
	log    strings.Builder
}

// Start runs the plugin of the one plugin block of a configuration, whose program is found by its name in the
// directory of program. The plugin is gone when the test ends.
func Start(t *testing.T, program, configuration string) *Trial {
	t.Helper()
	// A socket's path must be short, and those of t.TempDir are not.
	dir, err := os.MkdirTemp("", "trial")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	catalog := supervisor.NewCatalog(filepath.Dir(program))
	cfg, diags := config.Load(file, func(string) config.Catalog { return catalog })
	if diags.HasErrors() {
		t.Fatalf("the configuration is not valid: %s", strings.Join(diags.Errors(), "; "))
	}
	r := &Trial{t: t, name: cfg.Plugins[0].Name}
	r.supervisor = supervisor.New(supervisor.Options{
		RunDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state"), Version: "trial",
		Logger: hclog.New(&hclog.LoggerOptions{Output: (*trialLog)(r), Level: hclog.Debug}),
	})
	p := cfg.Plugins[0]
	r.supervisor.Apply([]supervisor.Plugin{{Intake: r, Spec: supervisor.Spec{
		Name: p.Name, Path: catalog.Path(p.Source), Env: p.Env, Ticks: p.Manifest.HasRole(wire.RoleCollector),
		Interval: p.Interval, Timeout: p.Timeout, Config: p.Config,
	}}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.supervisor.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(Patience):
			t.Errorf("the supervisor did not stop; the log:\n%s", r.Log())
		}
	})
	t.Cleanup(r.stop)
	return r
}

// Take implements supervisor.Intake: a point is taken if the daemon would store it.
func (r *Trial) Take(points [][]byte, done func([]*wire.Refusal)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused []*wire.Refusal
	for i, raw := range points {
		var p point.Point
		err := p.Unmarshal(raw)
		if err == nil {
			_, err = p.Check()
		}
		if err != nil {
			refused = append(refused, &wire.Refusal{Index: uint32(i), Reason: err.Error()})
			continue
		}
		r.points = append(r.points, string(p.AppendLine(nil)))
	}
	if r.hold {
		r.held = append(r.held, func() { done(refused) })
		return
	}
	done(refused)
}

// Hold keeps acknowledgements back from now on, until Release.
func (r *Trial) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = true
}

// Release gives the acknowledgements that were kept back, the newest first, and keeps none back any more.
func (r *Trial) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = false
	for _, done := range slices.Backward(r.held) {
		done()
	}
	r.held = nil
}

// Held returns how many batches wait for their acknowledgement.
func (r *Trial) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held)
}

// Points returns what was taken so far, as line protocol.
func (r *Trial) Points() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.points)
}

// State is what the supervisor knows of the plugin.
func (r *Trial) State() supervisor.State { return r.supervisor.State(r.name) }

// Stop drains the plugin and ends it.
func (r *Trial) Stop() { r.stop() }

// Log returns the daemon's log.
func (r *Trial) Log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// Until waits for the condition.
func (r *Trial) Until(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(Patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %s: %s; the state is %+v, the points %q, and the log\n%s", Patience, what, r.State(), r.Points(), r.Log())
		}
	}
}

// Gone waits until the process has ended.
func (r *Trial) Gone(pid int) {
	r.t.Helper()
	r.Until("the end of process "+strconv.Itoa(pid), func() bool { return syscall.Kill(pid, 0) != nil })
}

// StopDrained stops the plugin, and fails the test unless it drained and is gone.
func (r *Trial) StopDrained() {
	r.t.Helper()
	pid := r.State().Pid
	r.Stop()
	r.Gone(pid)
	if log := r.Log(); strings.Contains(log, "without draining") {
		r.t.Errorf("the plugin did not drain:\n%s", log)
	}
}

// trialLog is the log of a Trial as a writer.
type trialLog Trial

// Write implements io.Writer.
func (l *trialLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}
