package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/backoff"
)

const (
	defaultRetention   = 32 * 24 * time.Hour
	defaultRecords     = 400 * 24 * time.Hour
	defaultMemory      = 512 << 20
	defaultStopTimeout = 10 * time.Second

	// steady is how long InfluxDB must have been ready for its failures before to be forgotten.
	steady = time.Minute
)

// Options describe the private InfluxDB.
type Options struct {
	Binary    string        // the program influxd
	Dir       string        // its directory, DATA/influxdb; made if it is not there
	Socket    string        // path of a unix socket for the daemon itself; none if it is empty
	Port      int           // on 127.0.0.1; 0 chooses a free one at each start of the daemon
	Retention time.Duration // of raw points; 0 means 32 days, negative for ever
	Records   time.Duration // the same for records; 0 means 400 days
	Memory    int64         // what it aims to stay within, in bytes; 0 means 512 MiB
	Logger    hclog.Logger  // nil logs nothing
	// StopTimeout is how long InfluxDB may take to stop before it is killed; 0 means 10 s.
	StopTimeout time.Duration
}

// Phase is where the server is in its life.
type Phase string

// The phases of a Server.
const (
	Starting Phase = "starting" // the process comes up, or is being set up
	Ready    Phase = "ready"
	Backoff  Phase = "backoff" // it ended by itself; the next start is being waited for
	Stopped  Phase = "stopped" // not run yet, or Run has returned
)

// State is what is known about the server now.
type State struct {
	Phase     Phase
	Since     time.Time // of the phase
	PID       int       // of influxd; 0 when there is none
	URL       string    // empty until a port is chosen
	Restarts  int       // starts after the first
	LastError string    // why it last ended or could not start; kept when it is ready again
}

// Server supervises one InfluxDB.
type Server struct {
	options Options
	logger  hclog.Logger
	// onStep is told each finished step of the set-up.
	onStep func(step string)
	watch  watch

	mu          sync.Mutex
	state       State
	failure     error         // what Run has returned
	changed     chan struct{} // closed and replaced when the phase changes
	credentials Credentials
}

// New prepares a Server; it starts nothing.
func New(o Options) *Server {
	o.Retention = keep(o.Retention, defaultRetention)
	o.Records = keep(o.Records, defaultRecords)
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = defaultStopTimeout
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Server{
		options: o,
		logger:  o.Logger,
		onStep:  func(string) {},
		state:   State{Phase: Stopped, Since: time.Now()},
		changed: make(chan struct{}),
		watch:   defaultWatch,
	}
}

// keep is a retention as InfluxDB takes it.
func keep(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0)
}

// Run starts InfluxDB and keeps it running until ctx ends; then it stops it and returns nil. It returns an error when
// it cannot even begin and no waiting would mend that: no program, a taken port, a directory in use, lost passwords.
// Once InfluxDB was ready, nothing but ctx ends Run. Call it once.
func (s *Server) Run(ctx context.Context) error {
	err := s.run(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	s.mu.Lock()
	s.failure = err
	s.mu.Unlock()
	s.enter(Stopped, err)
	return err
}

func (s *Server) run(ctx context.Context) error {
	if err := checkBinary(s.options.Binary); err != nil {
		return err
	}
	if s.options.Port < 0 || s.options.Port > 65535 {
		return fmt.Errorf("start the embedded InfluxDB: influxdb { port = %d } is no port", s.options.Port)
	}
	if err := os.MkdirAll(s.options.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the embedded InfluxDB: %w", err)
	}
	held, err := lock(ctx, s.options.Dir)
	if err != nil {
		return err
	}
	defer held.Close()

	run := launcher{Server: s, lock: held}
	defer run.releasePort()
	if run.binary, err = filepath.Abs(s.options.Binary); err != nil {
		return fmt.Errorf("find the InfluxDB program: %w", err)
	}
	if run.dir, err = filepath.Abs(s.options.Dir); err != nil {
		return fmt.Errorf("find the directory of the embedded InfluxDB: %w", err)
	}
	pause := backoff.Backoff{Base: 500 * time.Millisecond, Max: time.Minute}
	for {
		s.enter(Starting, nil)
		run.readySince = time.Time{}
		err := run.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.As(err, new(unmendable)) && !run.wasReady {
			return err
		}
		if !run.readySince.IsZero() && time.Since(run.readySince) > steady {
			pause.Reset()
		}
		wait := pause.Next()
		s.logger.Error("InfluxDB ended; it is started again", "error", err, "wait", wait)
		s.enter(Backoff, err)
		if sleep(ctx, wait) != nil {
			return nil
		}
		s.mu.Lock()
		s.state.Restarts++
		s.mu.Unlock()
	}
}

func checkBinary(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("the InfluxDB program is missing: %w: build it with: make build", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not a program, InfluxDB is expected there: build it with: make build", path)
	}
	return nil
}

// enter changes the phase and wakes who waits for one.
func (s *Server) enter(p Phase, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Phase, s.state.Since = p, time.Now()
	if p == Stopped || p == Backoff {
		s.state.PID = 0
	}
	if err != nil {
		s.state.LastError = err.Error()
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// State may be called at any time.
func (s *Server) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Credentials are complete once the server was ready.
func (s *Server) Credentials() Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credentials
}

// WaitReady returns nil as soon as InfluxDB is ready. It fails with Run's error when Run has failed, and with ctx's when
// ctx has ended. Run may still be about to begin.
func (s *Server) WaitReady(ctx context.Context) error {
	for {
		s.mu.Lock()
		phase, failure, changed, last := s.state.Phase, s.failure, s.changed, s.state.LastError
		s.mu.Unlock()
		switch {
		case phase == Ready:
			return nil
		case failure != nil:
			return failure
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if last != "" {
				return fmt.Errorf("wait for the embedded InfluxDB: %w (%s)", ctx.Err(), last)
			}
			return fmt.Errorf("wait for the embedded InfluxDB: %w", ctx.Err())
		}
	}
}
