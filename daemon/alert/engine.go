// Package alert judges points by rules, and tells people what is true: it runs what the packages below it decide.
//
// Points are judged on their way through the pipeline, on the goroutine that brings them. What follows from them is taken by one
// goroutine, which alone has the incidents, the outbox and the file: it takes all that has come, decides, writes everything in one
// transaction, and only then lets notices go and points be acknowledged. So whatever was decided survives any crash, and nothing is
// told that is not on disk.
package alert

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/store"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Options say what the engine works with.
type Options struct {
	// Path is the file of what is remembered.
	Path   string
	Logger hclog.Logger
	// Evaluator is this daemon's name on its points.
	Evaluator string
	// Emit hands points over, and calls done when they are on disk.
	Emit func(points [][]byte, done func())
	// Notifier is the plugin with this name.
	Notifier func(plugin string) Notifier
	// Query asks InfluxDB.
	Query Query
	// Feeds says which plugins emit a measurement, and whether one of them runs.
	Feeds func(measurement string) (plugins []string, runs bool)
}

// Notifier delivers notices: see plugin.proto.
type Notifier interface {
	Notify(ctx context.Context, req *wire.NotifyRequest) (*wire.NotifyResponse, error)
	Sync(ctx context.Context, req *wire.SyncRequest) (*wire.Delivery, error)
	Check(ctx context.Context, req *wire.CheckRequest) (*wire.Delivery, error)
}

// How often things are done that have no moment of their own.
const (
	tickInterval  = time.Second
	saveInterval  = 5 * time.Second
	queueInterval = 30 * time.Second
	countInterval = time.Minute
)

// Engine is the alerts of a daemon.
type Engine struct {
	opts  Options
	log   hclog.Logger
	store *store.Store

	shards atomic.Pointer[map[string]*shard]
	// served is the plugins by the channels that they serve.
	served  atomic.Pointer[map[string]string]
	summary atomic.Pointer[Summary]
	// arrivals is what has happened and was not taken yet.
	arrivals arrivals
	// calls are run by the goroutine that has everything below.
	calls chan func(now time.Time)
	// stopped is closed when nobody takes calls any more.
	stopped chan struct{}
	running sync.WaitGroup

	policy   *policy.Policy
	alerts   map[string]*policy.Alert
	channels map[string]config.Notifier
	dispatch *dispatch.Dispatcher
	box      *outbox.Outbox
	// batch is what the turn writes: the outbox and the dispatcher put into it too.
	batch *store.Batch
	// after is called once the batch is written, and launch are the notices that may go then.
	after  []func()
	launch []attempt
	failed bool // the last write
	// underWay is how many attempts are, and quiet is closed when none is any more; until there is one notices may go.
	underWay int
	quiet    chan struct{}
	idle     bool
	threads  map[string]store.Thread
	syncs    map[string]*syncing
	points   points
	asking   map[string]*asking
	beats    map[string]time.Time
	faint    map[string]bool // heartbeats whose last call failed
	// maintained are the maintenances that are open, by their names.
	maintained map[string]bool

	started              time.Time
	saved, queued, count time.Time
	counts               map[string]*count
}

// New opens what is remembered. Apply has to follow, and then Run.
func New(o Options) (*Engine, error) {
	s, err := store.Open(o.Path)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		opts: o, log: o.Logger, store: s, calls: make(chan func(time.Time)), stopped: make(chan struct{}), batch: new(store.Batch),
		syncs: map[string]*syncing{}, asking: map[string]*asking{}, beats: map[string]time.Time{}, faint: map[string]bool{}, maintained: map[string]bool{}, counts: map[string]*count{}, started: time.Now(),
	}
	e.arrivals.wake = make(chan struct{}, 1)
	e.shards.Store(&map[string]*shard{})
	if s.Emptied {
		o.Logger.Error("the alerts' state was an empty file: silences, open incidents and notices on their way, if there were any, are not known", "path", o.Path)
	}
	kept, err := s.Load()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	e.threads = kept.Threads
	e.box = outbox.New(e.batch, kept.Notices, kept.Dead, kept.Channels)
	e.dispatch = dispatch.New(dispatch.World{Look: e.look, Unfed: e.unfed}, e.batch, e.box, kept.Incidents, kept.Silences)
	e.points.load(kept.Points)
	return e, nil
}

// Run works until ctx ends. What has happened by then is on disk when it returns.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		close(e.stopped)
		cancel()
		e.running.Wait()
	}()
	e.hand(time.Now())
	for {
		var call func(time.Time)
		select {
		case <-ctx.Done():
			e.last(time.Now())
			return nil
		case <-tick.C:
			e.tick(working, time.Now())
		case <-e.arrivals.wake:
		case call = <-e.calls:
		}
		now := time.Now()
		if call != nil {
			call(now)
		}
		e.turn(working, now)
	}
}

// Close closes the file. It is called when nothing is observed any more.
func (e *Engine) Close() error { return e.store.Close() }

// turn takes what has come, decides, writes, and does what may be done then.
func (e *Engine) turn(ctx context.Context, now time.Time) {
	e.takeAll(now)
	e.dispatch.Plan(now)
	e.dispatch.Flush()
	e.report(now)
	e.pick(now)
	if !e.write() {
		return
	}
	e.send(ctx)
	e.hand(now)
}

// takeAll takes what has come.
func (e *Engine) takeAll(now time.Time) {
	for _, a := range e.arrivals.take() {
		if a.settle != nil {
			e.after = append(e.after, a.settle)
			continue
		}
		e.take(a, now)
	}
}

// take takes what a rule has decided.
func (e *Engine) take(a arrival, now time.Time) {
	e.noteBroken(&a.transition)
	e.batch.PutInstance(a.transition.Rule.Name, a.transition.Key, a.state)
	e.dispatch.Observe(&a.transition, now)
}

// write writes the batch. If that fails everything waits, and it is tried again with the next turn.
func (e *Engine) write() bool {
	err := e.store.Write(e.batch)
	if err != nil {
		if !e.failed {
			e.log.Error("what has become of alerts can not be kept; nothing is told and no such point is acknowledged until it can", "error", err)
		}
		e.failed = true
		return false
	}
	if e.failed {
		e.log.Info("what has become of alerts is kept again")
		e.failed = false
	}
	*e.batch = store.Batch{}
	after := e.after
	e.after = nil
	for _, f := range after {
		f()
	}
	return true
}

// tick does what follows from the clock alone.
func (e *Engine) tick(ctx context.Context, now time.Time) {
	for _, s := range *e.shards.Load() {
		s.tick(now)
	}
	if now.Sub(e.started) >= e.policy.Settings.Hold {
		e.dispatch.Release()
	}
	e.dispatch.Settle(e.ended(e.box.Tick(now), now), now)
	if now.Sub(e.saved) >= saveInterval {
		e.saved = now
		e.save()
	}
	e.ask(ctx, now)
	e.beat(now)
	e.noteMaintenance(now)
	e.summarize(now)
	if now.Sub(e.queued) >= queueInterval {
		e.queued = now
		e.emitQueues(now)
	}
	if now.Sub(e.count) >= countInterval {
		e.count = now
		e.emitCounts(now)
		e.forgetThreads(now)
	}
}

// save puts the states of instances that have changed into the batch.
func (e *Engine) save() {
	for _, s := range *e.shards.Load() {
		s.save(e.batch.PutInstance)
	}
}

// last writes everything once more.
func (e *Engine) last(now time.Time) {
	e.takeAll(now)
	e.dispatch.Flush()
	e.report(now)
	e.save()
	e.write()
}

// do runs f on the goroutine that has everything, and returns when what it did is written, or at least decided.
func (e *Engine) do(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	call := func(now time.Time) {
		f(now)
		close(done)
	}
	select {
	case e.calls <- call:
	case <-e.stopped:
		return errors.New("the daemon is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// look is what an instance is now.
func (e *Engine) look(alert, key string, now time.Time) (rule.Status, bool) {
	if a := e.alerts[alert]; a != nil {
		return e.shard(a).look(alert, key, now)
	}
	return rule.Status{}, false
}

// shard is that of an alert.
func (e *Engine) shard(a *policy.Alert) *shard { return (*e.shards.Load())[a.From] }

// unfed says why nothing is heard of an alert on silence, if that says nothing of what it watches: none of the plugins runs that emit
// its points, or its query fails.
func (e *Engine) unfed(alert string) string {
	a := e.alerts[alert]
	if a == nil || !a.Rule.OnSilence() {
		return ""
	}
	if a.Query != nil {
		if q := e.asking[alert]; q != nil && q.failures > 0 {
			return "the query fails"
		}
		return ""
	}
	if plugins, runs := e.opts.Feeds(a.From); !runs && len(plugins) > 0 {
		return plugins[0] + " does not run"
	}
	return ""
}

// noteBroken notes an alert that can not judge.
func (e *Engine) noteBroken(t *rule.Transition) {
	c := e.countOf(t.Rule.Name)
	switch t.Reason {
	case rule.Broken:
		c.broken[t.Key] = true
	case rule.Mended, rule.Forgotten:
		delete(c.broken, t.Key)
	case rule.Full:
		e.log.Warn("an alert has as many instances as its limit allows; others are refused, and those that exist go on", "alert", t.Rule.Name, "instances", t.Count)
	}
}

// encode is a point as a plugin would send it.
func (e *Engine) encode(p *sdk.Point) []byte {
	raw, err := p.MarshalBinary()
	if err != nil {
		e.log.Error("a point of an alert can not be encoded", "error", err)
		return nil
	}
	return raw
}
