package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/daemon/backoff"
	"github.com/vedette-monitor/vedette/daemon/port"
	"github.com/vedette-monitor/vedette/daemon/process"
)

// launcher starts InfluxDB again and again, for one Run.
type launcher struct {
	*Server
	binary, dir string // absolute
	lock        *os.File
	reserved    *port.Reserved // nil until one is chosen; no connection of the daemon has it while InfluxDB is away
	wasReady    bool
	readySince  time.Time // of the process that runs now; zero when it is not ready
}

// once runs one process from its start to its end and says why it ended.
func (l *launcher) once(ctx context.Context) error {
	if err := l.choosePort(); err != nil {
		return err
	}
	address := l.reserved.Address()
	url := "http://" + address
	// Nobody needs to know the port of this one before InfluxDB runs.
	backup, err := port.Reserve(0)
	if err != nil {
		return fmt.Errorf("find a port for the backup service of InfluxDB: %w", err)
	}
	defer backup.Close()
	c, err := ensureCredentials(l.dir, url, l.options.Socket, backup.Address())
	if err != nil {
		return unmendable{err}
	}
	launch := rand.Text()
	text, err := config(l.dir, address, backup.Address(), l.options.Socket, launch, l.options.Memory)
	if err != nil {
		return unmendable{err}
	}
	configFile := filepath.Join(l.dir, "influxdb.conf")
	if err := writeFile(configFile, text); err != nil {
		return err
	}
	if err := BeginSegments(filepath.Join(l.dir, "wal")); err != nil {
		return err
	}
	l.mu.Lock()
	l.credentials, l.state.URL = c, url
	l.mu.Unlock()

	p, err := l.start(ctx, configFile)
	if err != nil {
		return err
	}
	pinger := newPinger(c, launch)
	defer pinger.close()
	var watching sync.WaitGroup
	watching.Go(func() { l.watchOver(p, pinger) })
	defer watching.Wait()
	defer p.end()
	if err := l.prepare(p.ctx, c, pinger); err != nil && p.ctx.Err() == nil {
		l.stop(p)
		return err
	}
	if p.ctx.Err() == nil {
		l.wasReady, l.readySince = true, time.Now()
		l.logger.Info("InfluxDB is ready", "url", url, "pid", p.Pid())
		l.enter(Ready, nil)
		<-p.ctx.Done()
	}
	if ctx.Err() != nil {
		l.stop(p)
		return nil
	}
	<-p.Done()
	if err := p.whyKilled(); err != nil {
		return err
	}
	return l.explain(p.Err(), p.output.reason())
}

// choosePort makes sure that the port is free, so that a taken one is an error about the port and not about InfluxDB, and
// keeps it until Run ends.
func (l *launcher) choosePort() error {
	if l.reserved != nil {
		return nil
	}
	reserved, err := port.Reserve(l.options.Port)
	if errors.Is(err, syscall.EADDRINUSE) {
		return l.taken(l.options.Port)
	} else if err != nil {
		return unmendable{fmt.Errorf("start the embedded InfluxDB: %w: choose another port: influxdb { port = … }", err)}
	}
	l.reserved = reserved
	return nil
}

// releasePort lets others have the port, or another be chosen.
func (l *launcher) releasePort() {
	if l.reserved != nil {
		_ = l.reserved.Close()
		l.reserved = nil
	}
}

func (l *launcher) taken(number int) error {
	err := fmt.Errorf("start the embedded InfluxDB: port %d on %s is taken by another program: stop that program, or "+
		"choose another port: influxdb { port = … }", number, port.Host)
	if l.options.Port == 0 && !l.wasReady {
		l.releasePort() // it was ours to choose, and nobody knows it yet
		return err
	}
	return unmendable{err}
}

// running is one InfluxDB.
type running struct {
	*process.Child
	ctx    context.Context // ends with the process, or with the wish to stop it
	end    context.CancelFunc
	output *output

	mu     sync.Mutex
	killed error // why, if it was killed to be started again
}

// kill ends the process, so that it is started again.
func (r *running) kill(why error) {
	if r.ctx.Err() != nil {
		return // it ends anyway
	}
	r.mu.Lock()
	r.killed = why
	r.mu.Unlock()
	// A failure to signal shows as a process that is gone.
	_ = r.Signal(syscall.SIGKILL)
}

func (r *running) whyKilled() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
}

func (l *launcher) start(ctx context.Context, configFile string) (*running, error) {
	out := &output{logger: l.logger}
	cmd := exec.Command(l.binary, "run", "-config", configFile)
	cmd.Dir = l.dir
	// Nothing else of the environment: every setting of InfluxDB can be overridden by a variable, authentication too.
	cmd.Env = []string{"HOME=" + l.dir, "PATH=" + os.Getenv("PATH"),
		"GOMEMLIMIT=" + strconv.FormatInt(l.options.Memory, 10)}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{l.lock}
	cmd.WaitDelay = time.Second
	// Its log is written ahead of every answer, so a kill loses nothing.
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		err = fmt.Errorf("start the embedded InfluxDB: %w", err)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOEXEC) || errors.Is(err, os.ErrPermission) {
			return nil, unmendable{fmt.Errorf("%w: build it with: make build", err)}
		}
		return nil, err
	}
	l.mu.Lock()
	l.state.PID = child.Pid()
	l.mu.Unlock()

	alive, died := context.WithCancel(ctx)
	go func() {
		<-child.Done()
		l.mu.Lock()
		l.state.PID = 0
		l.mu.Unlock()
		died()
	}()
	return &running{Child: child, ctx: alive, end: died, output: out}, nil
}

// prepare waits until InfluxDB answers, and sets it up. It ends early when ctx does.
func (l *launcher) prepare(ctx context.Context, c Credentials, pinger *pinger) error {
	for !pinger.answers(ctx) {
		if err := sleep(ctx, 25*time.Millisecond); err != nil {
			return err
		}
	}
	pause := backoff.Backoff{Base: 100 * time.Millisecond, Max: 5 * time.Second}
	for {
		err := provision(ctx, c, l.options.Retention, l.options.Records, l.onStep)
		if err == nil || errors.As(err, new(unmendable)) {
			return err
		}
		if ctx.Err() == nil {
			l.logger.Warn("InfluxDB cannot be set up yet", "error", err)
			l.mu.Lock()
			l.state.LastError = err.Error()
			l.mu.Unlock()
		}
		if err := sleep(ctx, pause.Next()); err != nil {
			return err
		}
	}
}

// stop asks the process to end, and ends it if it does not.
func (l *launcher) stop(p *running) {
	// A failure to signal shows as a process that does not end, or is gone.
	_ = p.Signal(syscall.SIGTERM)
	deadline := time.NewTimer(l.options.StopTimeout)
	defer deadline.Stop()
	select {
	case <-p.Done():
		l.logger.Info("InfluxDB has stopped", "pid", p.Pid())
		return
	case <-deadline.C:
	}
	l.logger.Warn("InfluxDB does not stop; it is killed", "pid", p.Pid(), "waited", l.options.StopTimeout)
	_ = p.Signal(syscall.SIGKILL)
	<-p.Done()
}

// explain says why a process ended that nobody has stopped.
func (l *launcher) explain(exit error, lastLines string) error {
	if strings.Contains(lastLines, l.reserved.Address()+": bind: address already") {
		return l.taken(l.reserved.Number)
	}
	how := "exit status 0"
	if exit != nil {
		how = exit.Error()
	}
	if lastLines == "" {
		return fmt.Errorf("InfluxDB ended: %s", how)
	}
	return fmt.Errorf("InfluxDB ended: %s: %s", how, lastLines)
}
