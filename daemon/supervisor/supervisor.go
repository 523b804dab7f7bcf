package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// Options say where the supervisor works.
type Options struct {
	// RunDir holds the plugins' sockets while they run; StateDir what they keep. Both belong to the supervisor alone.
	RunDir, StateDir string
	Logger           hclog.Logger
	// Version is the daemon's.
	Version string
}

// Supervisor runs plugins.
type Supervisor struct {
	opts      Options
	instances []*instance
}

// New prepares a supervisor.
func New(opts Options) *Supervisor { return &Supervisor{opts: opts} }

// Add adds a plugin. It is called before Run.
func (s *Supervisor) Add(spec Spec, intake Intake) {
	logger := s.opts.Logger.Named(spec.Name)
	s.instances = append(s.instances, &instance{
		spec:   spec,
		intake: intake,
		// The path of a socket has to be short, and names need not be.
		runDir:   filepath.Join(s.opts.RunDir, strconv.Itoa(len(s.instances)+1)),
		stateDir: filepath.Join(s.opts.StateDir, spec.Name),
		logger:   logger,
		level:    logger.GetLevel().String(),
		version:  s.opts.Version,
		state:    State{Phase: Stopped},
	})
}

// Run keeps all plugins running until ctx ends. Then it drains and stops them, all at the same time, and returns.
func (s *Supervisor) Run(ctx context.Context) error {
	if err := os.MkdirAll(s.opts.RunDir, 0o700); err != nil {
		return fmt.Errorf("making the run directory: %w", err)
	}
	var running sync.WaitGroup
	for _, i := range s.instances {
		running.Go(func() { i.run(ctx) })
	}
	// Without plugins there is nothing to keep running, and still the end is for ctx to say.
	<-ctx.Done()
	running.Wait()
	return nil
}

// State returns the state of the plugin with this name.
func (s *Supervisor) State(name string) State {
	for _, i := range s.instances {
		if i.spec.Name == name {
			return i.current()
		}
	}
	return State{Phase: Stopped}
}
