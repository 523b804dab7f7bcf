// Package app is the daemon as a whole: the one place that wires the rooms together, starts them in order, and stops
// them in the order that loses nothing. It can be run within a test as well as by the program.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded"
	"github.com/vedette-monitor/vedette/daemon/pipeline"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/spool"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
)

const (
	// deadLetterBytes bounds the file of points that InfluxDB refused.
	deadLetterBytes = 64 << 20
	// influxStartTime is how long plugins wait for the private InfluxDB at most.
	influxStartTime = 5 * time.Second
	// influxStopTime is how long the private InfluxDB may take to stop. Its log makes a kill safe.
	influxStopTime = 2 * time.Second
	// quiesceTime is how long notices that are on their way may take when the daemon stops. What is cut off is sent again.
	quiesceTime = 5 * time.Second
)

// Options say what a daemon is made of besides its configuration.
type Options struct {
	Version string
	Logger  hclog.Logger
	// Load reads the configuration anew for a reload.
	Load func() (*Configuration, config.Diagnostics)
}

// App is a daemon.
type App struct {
	// cfg is the configuration of the start. Its blocks daemon and influxdb hold until the end; what a reload changes is
	// in tags, plugins and the alerts' own. policy is that of the start too.
	cfg     *config.Config
	policy  *policy.Policy
	opts    Options
	logger  hclog.Logger
	started time.Time

	alerts     *alert.Engine
	supervisor *supervisor.Supervisor
	catalog    *supervisor.Catalog
	ready      chan struct{}

	// reloading is held during a reload.
	reloading sync.Mutex
	// retrying is held while dead letters are sent once more.
	retrying sync.Mutex

	mu      sync.Mutex
	tags    []config.Tag
	plugins []config.Plugin
	sources map[string]*pipeline.Source // by the plugin's name
	self    *pipeline.Source            // of the daemon's own points

	collecting collecting
	pipe       *pipeline.Pipeline
	influx     *embedded.Server // nil unless InfluxDB is embedded
	writers    []*influx.Writer // of samples and of records; none until InfluxDB's address and token are known
	storage    *storage         // as writers
	health     string           // the address of /healthz
}

// New prepares a daemon.
func New(cfg *Configuration, opts Options) *App {
	return &App{cfg: cfg.Config, policy: cfg.Policy, opts: opts, logger: opts.Logger, started: time.Now(), ready: make(chan struct{})}
}

// Ready is closed once InfluxDB takes points and every plugin has started or failed.
func (a *App) Ready() <-chan struct{} { return a.ready }

// Run runs the daemon until ctx ends, and then drains and stops it. The error is what keeps it from running.
func (a *App) Run(ctx context.Context) (err error) {
	defer captureStandardLog(a.logger)()
	if err := a.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.pipe.Close()) }()
	defer func() { err = errors.Join(err, a.alerts.Close()) }()
	// The run directory goes while the spool's lock still keeps others away.
	defer func() { _ = os.RemoveAll(runDir(a.cfg.Daemon.DataDir)) }()
	control, err := console.Control(ControlSocket(a.cfg.Daemon.DataDir), a, a.logger.Named("console"))
	if err != nil {
		return err
	}
	defer control.Close()
	health, err := console.Health(a.cfg.Daemon.Listen, a, a.logger.Named("console"))
	if err != nil {
		return err
	}
	defer health.Close()
	a.mu.Lock()
	a.health = "http://" + health.Address().String() + "/healthz"
	a.mu.Unlock()

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// Three parts end one after the other: first the plugins, which hand over what they hold; then the delivery; and
	// InfluxDB last. The console answers until then.
	storage := newPart(fail)
	defer storage.stop()
	storage.run(control.Run)
	storage.run(health.Run)
	if a.influx != nil {
		storage.run(a.influx.Run)
	}
	delivery := newPart(fail)
	defer delivery.stop()
	delivery.run(a.deliver)
	storage.run(a.announce)

	if a.influx != nil {
		// A plugin may well look at InfluxDB itself, and should not see it come up. It is not waited for for long: points
		// need it for nothing but delivery.
		waiting, cancel := context.WithTimeout(ctx, influxStartTime)
		_ = a.influx.WaitReady(waiting)
		cancel()
	}
	// What the last points of the plugins lead to is decided before the alerts end.
	judging := newPart(fail)
	defer judging.stop()
	judging.run(a.alerts.Run)
	observing := newPart(fail)
	defer observing.stop()
	observing.run(a.observe)
	// Plugins are stopped when no notice is on its way through them.
	plugins, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() {
		a.alerts.Quiesce(quiesceTime)
		stop()
	})
	if err := a.supervisor.Run(plugins); err != nil {
		return err
	}
	a.logger.Info("stopping")
	return cause(ctx)
}

// cause is why the daemon ends, unless it was asked to.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// part is a number of goroutines that end together. If one fails, the daemon ends.
type part struct {
	ctx     context.Context
	cancel  context.CancelFunc
	fail    context.CancelCauseFunc
	running sync.WaitGroup
}

func newPart(fail context.CancelCauseFunc) *part {
	ctx, cancel := context.WithCancel(context.Background())
	return &part{ctx: ctx, cancel: cancel, fail: fail}
}

func (p *part) run(f func(context.Context) error) {
	p.running.Go(func() {
		if err := f(p.ctx); err != nil && p.ctx.Err() == nil {
			p.fail(err)
		}
	})
}

func (p *part) stop() {
	p.cancel()
	p.running.Wait()
}

// open makes what the daemon needs before anything runs.
func (a *App) open() error {
	dir := a.cfg.Daemon.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w; choose another with daemon { data_dir = … }", err)
	}
	if err := makeRunDir(runDir(a.cfg.Daemon.DataDir)); err != nil {
		return err
	}
	// The spool's lock is that of the whole data directory: a second daemon gets no further.
	pipe, err := pipeline.Open(filepath.Join(dir, "spool"), pipeline.Options{
		MaxBytes: a.cfg.Spool.MaxSize, MinFree: a.cfg.Spool.MinFree, DropOldest: a.cfg.Spool.DropOldest, Window: supervisor.Window,
	}, a.logger.Named("spool"))
	if errors.Is(err, spool.ErrInUse) {
		return fmt.Errorf("%w with daemon { data_dir = … }", err)
	}
	if err != nil {
		return err
	}

	// Nobody else knows the daemon yet, so nothing is locked.
	a.pipe = pipe
	if a.alerts, err = a.openAlerts(); err != nil {
		return errors.Join(err, a.pipe.Close())
	}
	a.pipe.Judge(a.alerts)
	a.self = a.pipe.Source(pipeline.Terms{}, a.logger)
	if a.cfg.InfluxDB.Embedded {
		a.influx = embedded.New(embedded.Options{
			Binary:      influxd(a.cfg),
			Dir:         influxDir(a.cfg),
			Socket:      filepath.Join(runDir(dir), "influxdb.sock"),
			Port:        a.cfg.InfluxDB.Port,
			Retention:   retention(a.cfg.InfluxDB.Retention),
			Records:     retention(a.cfg.InfluxDB.RecordsRetention),
			Memory:      a.cfg.InfluxDB.Memory,
			Logger:      a.logger.Named("influxdb"),
			StopTimeout: influxStopTime,
		})
	}
	a.catalog = supervisor.NewCatalog(a.cfg.Daemon.PluginDir)
	a.supervisor = supervisor.New(supervisor.Options{
		RunDir:   filepath.Join(runDir(dir), "plugins"),
		StateDir: filepath.Join(dir, "plugins"),
		Logger:   a.logger,
		Version:  a.opts.Version,
	})
	a.supervisor.Apply(a.wanted(a.cfg))
	if err := a.alerts.Apply(a.policy, a.cfg.Notifiers); err != nil {
		return errors.Join(err, a.alerts.Close(), a.pipe.Close())
	}
	return nil
}

// retention is a duration of the configuration, where 0 is for ever, as the embedded server takes it.
func retention(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// stamp is the tags of a plugin's points: its own, and those of the vantage point that it has not.
func stamp(own, vantage []config.Tag) []point.Tag {
	var tags []point.Tag
	seen := map[string]bool{}
	for _, t := range slices.Concat(own, vantage) {
		if !seen[t.Key] {
			seen[t.Key] = true
			tags = append(tags, point.Tag{Key: []byte(t.Key), Value: []byte(t.Value)})
		}
	}
	return tags
}

// deliver brings points to InfluxDB, once it is known where that is.
func (a *App) deliver(ctx context.Context) error {
	if a.influx != nil {
		if err := a.influx.WaitReady(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	store, err := a.openStorage()
	if err != nil {
		return err
	}
	toPoints, toRecords := influx.Targets(store.bucket)
	samples, err := a.newWriter(store, toPoints)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer samples.Close()
	records, err := a.newWriter(store, toRecords)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer records.Close()
	a.mu.Lock()
	a.writers, a.storage = []*influx.Writer{samples, records}, store
	a.mu.Unlock()
	err = a.pipe.Run(ctx, pipeline.Stores{Samples: samples, Records: records})
	return errors.Join(err, store.Close())
}

// newWriter returns a writer that logs when the way to InfluxDB is cut, and when it is open again.
func (a *App) newWriter(store *storage, to influx.Target) (*influx.Writer, error) {
	log := a.logger.With("bucket", to.Bucket)
	return influx.NewWriter(store.writerTo(to, func(c influx.Condition, lastError string) {
		switch c {
		case influx.Holding, influx.Misconfigured:
			log.Warn("InfluxDB takes no points; they wait on disk", "state", c, "error", lastError)
		case influx.Connected:
			log.Info("InfluxDB takes points")
		}
	}))
}

// announce closes ready when the daemon has come up.
func (a *App) announce(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !a.isUp() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	close(a.ready)
	return nil
}

func (a *App) isUp() bool {
	a.mu.Lock()
	known := len(a.writers) > 0
	a.mu.Unlock()
	for _, name := range a.enabled() {
		if phase := a.supervisor.State(name).Phase; phase == supervisor.Stopped || phase == supervisor.Starting {
			return false
		}
	}
	return known
}
