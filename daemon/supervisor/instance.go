package supervisor

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/daemon/backoff"
	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/daemon/redaction"
	"github.com/vedette-monitor/vedette/daemon/tally"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// When a plugin that ends is started again.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = time.Minute
	// healthyAfter is how long a plugin must have run for its earlier ends to be forgotten.
	healthyAfter = time.Minute
	// A plugin that ends this often within this time has failed, and is only tried now and then.
	crashLoop     = 5
	crashLoopTime = 5 * time.Minute
	failedRetry   = 5 * time.Minute
)

// Phase is where a plugin is in its life.
type Phase string

// The phases.
const (
	Starting Phase = "starting"
	Ready    Phase = "ready"
	Degraded Phase = "degraded" // it runs, but gives no sign of life
	Backoff  Phase = "backoff"
	Failed   Phase = "failed"
	Stopping Phase = "stopping"
	Stopped  Phase = "stopped"
)

// State is what is known of a plugin.
type State struct {
	Phase Phase
	Since time.Time
	// Cause says why the plugin is not ready.
	Cause    string
	Pid      int // 0 if there is no process
	Restarts int
	// Beat is the last sign of life of the present session, if there was one.
	Beat *wire.Beat
	// Ends are why its processes have ended, but for those that were asked to.
	Ends []tally.Entry
	// LostLines is how many lines of its log were dropped or cut.
	LostLines uint64
}

// Spec says how to run a plugin.
type Spec struct {
	// Name is the instance's name, Path its program.
	Name, Path string
	// SHA256 is that of the program which the configuration was checked against, in hexadecimal. If Pinned, no other is
	// run.
	SHA256 string
	Pinned bool
	// Ticks says that the plugin is a collector.
	Ticks bool
	// Account is the user that the process runs as; nil for the daemon's.
	Account *process.Account
	// Nice is nil for that of the daemon.
	Nice *int
	// MemoryLimit is how many bytes the plugin may take, with all that it starts; 0 for any number.
	MemoryLimit       int64
	Env               map[string]string
	Interval, Timeout time.Duration
	// Config is the configuration as JSON.
	Config []byte
	// Channels are those of a notifier.
	Channels []Channel
	// Secrets are in Config, Env and Channels, and are taken out of what the plugin says.
	Secrets []string
}

// Channel is a way to tell somebody something, which a notifier serves: see plugin.proto.
type Channel struct {
	Name, Type string
	Config     []byte
}

// instance keeps one plugin running.
type instance struct {
	spec             Spec
	redactor         *redaction.Redactor
	intake           Intake
	runDir, stateDir string
	logger           hclog.Logger
	level            string
	version          string

	lostLines atomic.Uint64
	// retry ends a pause before the next start.
	retry chan struct{}

	mu    sync.Mutex
	state State
	ends  tally.Tally
	// notifier is that of the process that runs and is ready, or nil.
	notifier wire.NotifierClient
	// restart ends the process that runs, if one does.
	restart context.CancelCauseFunc
	// unanswered counts the calls in a row that it has left without an answer.
	unanswered int
}

func (i *instance) current() State {
	i.mu.Lock()
	defer i.mu.Unlock()
	st := i.state
	st.Ends, st.LostLines = i.ends.Top(), i.lostLines.Load()
	return st
}

// maxCause bounds how much a plugin can say of its own end.
const maxCause = 16 << 10

func (i *instance) set(phase Phase, cause string) {
	if len(cause) > maxCause {
		cause = strings.ToValidUTF8(cause[:maxCause], "") + " …"
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state.Phase, i.state.Cause, i.state.Since = phase, cause, time.Now()
}

// tryAgain starts a plugin that has failed at once, and says whether it had.
func (i *instance) tryAgain() bool {
	if i.current().Phase != Failed {
		return false
	}
	select {
	case i.retry <- struct{}{}:
	default:
	}
	return true
}

// heard notes a sign of life.
func (i *instance) heard(b *wire.Beat) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state.Beat = b
	if i.state.Phase == Degraded {
		i.state.Phase, i.state.Cause, i.state.Since = Ready, "", time.Now()
	}
}

// quiet notes that there was none for too long.
func (i *instance) quiet(since time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.state.Phase == Ready {
		i.state.Phase, i.state.Since = Degraded, time.Now()
		i.state.Cause = fmt.Sprintf("no sign of life for %s", since.Round(time.Second))
	}
}

// problems is the error of a plugin that can not work with its configuration.
type problems []*wire.Problem

func (p problems) Error() string {
	var lines []string
	for _, problem := range p {
		line := clean(problem.Summary)
		if len(problem.Path) > 0 {
			line = clean(strings.Join(problem.Path, ".")) + ": " + line
		}
		if problem.Detail != "" {
			line += ": " + clean(problem.Detail)
		}
		lines = append(lines, line)
	}
	return "the plugin can not use its configuration: " + strings.Join(lines, "; ")
}

// run keeps the plugin running until ctx ends, and then drains and stops it.
func (i *instance) run(ctx context.Context) {
	defer i.set(Stopped, "")
	wait := backoff.Backoff{Base: firstBackoff, Max: maxBackoff}
	var crashes []time.Time
	for ctx.Err() == nil {
		started := time.Now()
		err := i.live(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, errDrained) && !errors.Is(err, context.Canceled) {
				i.logger.Warn("stopped without draining: points that were not acknowledged are lost", "error", i.redactor.Redact(err.Error()))
			}
			return
		}
		if time.Since(started) > healthyAfter {
			wait.Reset()
			crashes = nil
		}
		crashes = append(crashes, time.Now())
		if len(crashes) > crashLoop {
			crashes = crashes[1:]
		}
		phase, pause := Backoff, wait.Next()
		var config problems
		var hopeless unfit
		if errors.As(err, &config) || errors.As(err, &hopeless) || len(crashes) == crashLoop && time.Since(crashes[0]) < crashLoopTime {
			phase, pause = Failed, failedRetry
		}
		cause := i.redactor.Redact(err.Error())
		i.ended(cause)
		// Whoever sees the state finds the cause in the log.
		i.logger.Error("the plugin is not running", "state", phase, "cause", cause, "retry_in", pause.Round(time.Millisecond))
		i.set(phase, cause)
		select {
		case <-ctx.Done():
		case <-i.retry:
			// Somebody has looked after it: what was before does not count.
			wait.Reset()
			crashes = nil
			i.again()
		case <-time.After(pause):
			i.again()
		}
	}
}

// again notes another start: nobody sees the state of before with the count of after.
func (i *instance) again() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state.Restarts++
	i.state.Phase, i.state.Cause, i.state.Since = Starting, "", time.Now()
}

// ended counts an end by its reason: what comes after the first line is what the plugin itself said.
func (i *instance) ended(cause string) {
	reason, _, _ := strings.Cut(cause, "\n")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ends.Add(reason)
}

// live runs one process from its start to its end. The error says why it ended.
func (i *instance) live(ctx context.Context) error {
	i.set(Starting, "")
	if err := give(i.stateDir, i.spec.Account); err != nil {
		return err
	}
	log := newLogReader(i.logger)
	log.redactor = i.redactor
	log.lost = &i.lostLines
	conn, err := launch(ctx, i.spec, i.runDir, log)
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.state.Pid = conn.pid()
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		i.state.Pid, i.state.Beat = 0, nil
		i.mu.Unlock()
	}()

	if err := i.configure(ctx, conn); err != nil {
		err = conn.child.why(err)
		conn.kill()
		if over := conn.child.overLimit(); over != nil {
			return over
		}
		return err
	}
	inner, restart := context.WithCancelCause(ctx)
	defer restart(nil)
	i.serve(conn.NotifierClient, restart)
	defer i.serve(nil, nil)
	i.set(Ready, "")
	i.logger.Info("the plugin is ready", "pid", conn.pid())
	stopping := context.AfterFunc(ctx, func() { i.set(Stopping, "") })
	defer stopping()
	s := session{client: conn, intake: i.intake, beat: i.heard, quiet: i.quiet}
	if i.spec.Ticks {
		s.longestTick = 2 * (i.spec.Interval + i.spec.Timeout)
	}
	err = s.run(inner)
	var hangs hung
	if errors.As(context.Cause(inner), &hangs) {
		err = hangs
	}
	if errors.Is(err, errDrained) {
		conn.stop()
		return err
	}
	if errors.As(err, &hangs) {
		conn.dump()
	} else {
		err = conn.child.why(err)
	}
	conn.kill()
	if over := conn.child.overLimit(); over != nil {
		return over
	}
	if tail := log.tail(); strings.HasPrefix(tail, "panic: ") {
		err = fmt.Errorf("%w: %s", err, tail)
	}
	return err
}

func (i *instance) configure(ctx context.Context, conn *connection) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	answer, err := conn.Configure(ctx, &wire.ConfigureRequest{
		Instance:      i.spec.Name,
		Config:        i.spec.Config,
		Interval:      durationpb.New(i.spec.Interval),
		Timeout:       durationpb.New(i.spec.Timeout),
		Window:        window,
		MaxBatchBytes: maxBatch,
		StateDir:      i.stateDir,
		LogLevel:      i.level,
		DaemonVersion: i.version,
		Splay:         durationpb.New(splay(i.spec.Name, i.spec.Interval)),
	})
	if err != nil {
		return fmt.Errorf("configuring the plugin: %w", err)
	}
	if len(answer.Problems) > 0 {
		return problems(answer.Problems)
	}
	return i.configureChannels(ctx, conn)
}

// splay is how far an instance's ticks are put off: less than half an interval, and the same after every start on this
// machine, so that a plugin that is restarted does not drift through the others.
func splay(name string, interval time.Duration) time.Duration {
	host, _ := os.Hostname()
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, host+"\x00"+name)
	if interval < 2 {
		return 0
	}
	return time.Duration(hash.Sum64() % uint64(interval/2))
}
