package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/plugins/http-quality/schedule"
	"github.com/vedette-monitor/vedette/plugins/http-quality/vantage"
	"github.com/vedette-monitor/vedette/sdk"
)

// watch probes each target at its own interval.
type watch struct {
	env      sdk.Env
	schedule *schedule.Schedule
	vantage  *vantage.Check // nil without a block self_check
	own      []target       // of the blocks of the configuration
	lists    []*list
	out      sdk.Emitter // set by Stream

	mu     sync.Mutex
	probed []*target // those in the schedule
}

func newWatch(c config, env sdk.Env) (*watch, error) {
	w := &watch{env: env, schedule: schedule.New(c.Concurrency, env.Logger)}
	known := newShared(env.Interval)
	var patient []string
	for i := range c.Targets {
		block := &c.Targets[i]
		targets, err := block.targets(block.Name, block.URL, known)
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", block.Name, err)
		}
		for i := range targets {
			if targets[i].timeout > targets[i].interval {
				patient = append(patient, block.Name)
			}
		}
		w.own = append(w.own, targets...)
	}
	gather(w.own)
	if n := len(patient); n > 0 {
		env.Logger.Info("the timeout of targets is longer than their interval: while they hang they miss starts, which are counted",
			"targets", n, "first", patient[0])
	}
	var err error
	if w.lists, err = c.lists(env); err != nil {
		return nil, err
	}
	if c.SelfCheck != nil {
		if w.vantage, err = c.SelfCheck.check(env.Logger); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Stream implements sdk.Streamer.
func (w *watch) Stream(ctx context.Context, out sdk.Stream) error {
	var beside sync.WaitGroup
	defer func() {
		beside.Wait()
		for _, t := range w.probed {
			t.prober.Close()
		}
	}()
	if w.vantage != nil {
		beside.Go(func() { w.vantage.Run(ctx) })
	}
	w.out = out
	w.arrange()
	// Reading the configuration of thousands of targets took many times what is kept of it.
	debug.FreeOSMemory()
	beside.Go(func() { tuneCollector(ctx) })
	for _, l := range w.lists {
		beside.Go(func() { l.follow(ctx, out, w.arrange) })
	}
	w.schedule.Run(ctx)
	return nil
}

// arrange puts into the schedule what is to be probed now. Of two targets whose points would replace each other's only the first
// is probed: those of the configuration come before those of lists, and lists are in the order of their blocks.
func (w *watch) arrange() {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, taken := w.probed, map[schedule.Key]*target{}
	w.probed = nil
	var tasks []schedule.Task
	add := func(t *target) bool {
		if taken[t.key] != nil {
			return false
		}
		taken[t.key] = t
		if t.by == nil {
			t.by = w
		}
		w.probed = append(w.probed, t)
		tasks = append(tasks, t)
		return true
	}
	for i := range w.own {
		add(&w.own[i])
	}
	for _, l := range w.lists {
		l.arrange(add)
	}
	useProcessors(w.probed)
	w.schedule.Set(tasks)
	for _, t := range before {
		if taken[t.key] != t {
			t.prober.Close()
		}
	}
}

// Ticks implements sdk.Scheduler.
func (w *watch) Ticks() sdk.Ticks {
	s := w.schedule.Stats()
	return sdk.Ticks{Last: s.Last, Started: s.Started, Skipped: s.Overrun + s.Crowded}
}

// Run implements schedule.Task. It probes the target, and again while it fails and retries are left that can end before the next
// start. Each try makes a point of its own, the first with the time at which it was due.
func (t *target) Run(ctx context.Context, due time.Time) {
	w := t.by
	next := time.Now().Add(t.interval)
	for attempt := 1; ; attempt++ {
		result := t.prober.Run(ctx)
		// A probe that was cut short because the plugin stops says nothing of its target.
		if errors.Is(context.Cause(ctx), context.Canceled) {
			return
		}
		if attempt == 1 {
			result.Start = due
		}
		p := t.point(&result).Int("attempt", int64(attempt))
		if w.vantage != nil {
			if result.Outcome != probe.OutcomeOK {
				w.vantage.Suspect()
			}
			if state := w.vantage.State(); state != vantage.Unknown {
				p.Bool("vantage_ok", state == vantage.Well)
			}
		}
		w.out.Emit(p)
		for _, hop := range t.hopPoints(&result) {
			w.out.Emit(hop)
		}
		if result.Outcome == probe.OutcomeOK || attempt > t.retries || time.Until(next) < t.retryDelay+t.timeout {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(t.retryDelay):
		}
	}
}
