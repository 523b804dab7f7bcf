package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/redaction"
)

// Options say where the supervisor works.
type Options struct {
	// RunDir holds the plugins' sockets while they run; StateDir what they keep. Both belong to the supervisor alone, and
	// the directories that they are in to the daemon: a plugin's user that is not the daemon's is let through them.
	RunDir, StateDir string
	Logger           hclog.Logger
	// Version is the daemon's.
	Version string
}

// Plugin is a plugin that shall run.
type Plugin struct {
	Spec
	// Intake takes its points.
	Intake Intake
}

// Supervisor runs plugins.
type Supervisor struct {
	opts Options

	// applying is held while the running plugins are made those that are wanted.
	applying sync.Mutex

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	plugins []*running
	started int
}

// running is a plugin with the goroutine that keeps it running.
type running struct {
	*instance
	cancel context.CancelFunc
	done   chan struct{}
}

// New prepares a supervisor.
func New(opts Options) *Supervisor { return &Supervisor{opts: opts} }

// Changes says what Apply has done, by the names of plugins.
type Changes struct {
	Started, Restarted, Stopped, Kept []string
}

// Apply makes the running plugins those that are wanted. A plugin whose Spec is the same goes on undisturbed, with the
// Intake that it has, but for one that has failed, which is tried again at once; others are drained and stopped, all at the same time, and then new ones started. Before Run it
// only says what Run shall start.
func (s *Supervisor) Apply(wanted []Plugin) Changes {
	s.applying.Lock()
	defer s.applying.Unlock()
	var c Changes
	var keep, stop []*running
	for _, r := range s.list() {
		i := slices.IndexFunc(wanted, func(p Plugin) bool { return p.Name == r.spec.Name })
		switch {
		case i >= 0 && reflect.DeepEqual(wanted[i].Spec, r.spec):
			keep = append(keep, r)
			if r.tryAgain() {
				c.Restarted = append(c.Restarted, r.spec.Name)
			} else {
				c.Kept = append(c.Kept, r.spec.Name)
			}
			continue
		case i >= 0:
			c.Restarted = append(c.Restarted, r.spec.Name)
		default:
			c.Stopped = append(c.Stopped, r.spec.Name)
		}
		stop = append(stop, r)
	}
	for _, r := range stop {
		r.cancel()
	}
	for _, r := range stop {
		<-r.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plugins = nil
	for _, p := range wanted {
		i := slices.IndexFunc(keep, func(r *running) bool { return r.spec.Name == p.Name })
		if i >= 0 {
			s.plugins = append(s.plugins, keep[i])
			continue
		}
		if !slices.Contains(c.Restarted, p.Name) {
			c.Started = append(c.Started, p.Name)
		}
		s.plugins = append(s.plugins, s.start(p))
	}
	return c
}

// start starts a plugin if Run runs. The caller holds mu.
func (s *Supervisor) start(p Plugin) *running {
	s.started++
	logger := s.opts.Logger.Named(p.Name)
	r := &running{
		instance: &instance{
			spec:     p.Spec,
			redactor: redaction.NewRedactor(p.Spec.Secrets),
			intake:   p.Intake,
			// The path of a socket has to be short, and names need not be.
			runDir:   filepath.Join(s.opts.RunDir, strconv.Itoa(s.started)),
			stateDir: filepath.Join(s.opts.StateDir, p.Name),
			logger:   logger,
			level:    logger.GetLevel().String(),
			version:  s.opts.Version,
			state:    State{Phase: Stopped},
			retry:    make(chan struct{}, 1),
		},
		cancel: func() {},
		done:   make(chan struct{}),
	}
	if s.ctx == nil {
		close(r.done)
		return r
	}
	s.launch(r)
	return r
}

func (s *Supervisor) launch(r *running) {
	ctx, cancel := context.WithCancel(s.ctx)
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
}

// Run keeps the plugins running until ctx ends. Then it drains and stops them, all at the same time, and returns.
func (s *Supervisor) Run(ctx context.Context) error {
	// What a daemon that was killed has left there is of no use to anybody.
	if err := os.RemoveAll(s.opts.RunDir); err != nil {
		return fmt.Errorf("sweeping the run directory: %w", err)
	}
	if err := os.MkdirAll(s.opts.RunDir, 0o700); err != nil {
		return fmt.Errorf("making the run directory: %w", err)
	}
	s.applying.Lock()
	s.mu.Lock()
	s.ctx = ctx
	for _, r := range s.plugins {
		s.launch(r)
	}
	s.mu.Unlock()
	s.applying.Unlock()
	<-ctx.Done()
	// Whoever is applying a configuration now finishes first; what it starts ends at once.
	s.applying.Lock()
	defer s.applying.Unlock()
	for _, r := range s.list() {
		<-r.done
	}
	return nil
}

// State returns the state of the plugin with this name.
func (s *Supervisor) State(name string) State {
	for _, r := range s.list() {
		if r.spec.Name == name {
			return r.current()
		}
	}
	return State{Phase: Stopped}
}

func (s *Supervisor) list() []*running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.plugins)
}
