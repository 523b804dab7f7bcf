package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	targets  []*target
}

func newWatch(c config, env sdk.Env) (*watch, error) {
	w := &watch{env: env, schedule: schedule.New(c.Concurrency, env.Logger)}
	seen := map[string]bool{}
	var patient []string
	for i := range c.Targets {
		block := &c.Targets[i]
		targets, err := block.targets()
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", block.Name, err)
		}
		for _, t := range targets {
			if t.interval == 0 {
				t.interval = env.Interval
			}
			if seen[t.key()] {
				return nil, fmt.Errorf("target %q is there twice with the same tags: the points of one would replace those of the other; give them different labels", block.Name)
			}
			seen[t.key()] = true
			if block.Timeout > t.interval {
				patient = append(patient, block.Name)
			}
			w.targets = append(w.targets, t)
		}
	}
	if n := len(patient); n > 0 {
		env.Logger.Info("the timeout of targets is longer than their interval: while they hang they miss starts, which are counted",
			"targets", n, "first", patient[0])
	}
	if c.SelfCheck != nil {
		check, err := c.SelfCheck.check(env.Logger)
		if err != nil {
			return nil, err
		}
		w.vantage = check
	}
	return w, nil
}

// Stream implements sdk.Streamer.
func (w *watch) Stream(ctx context.Context, out sdk.Stream) error {
	defer func() {
		for _, t := range w.targets {
			t.prober.Close()
		}
	}()
	var beside sync.WaitGroup
	defer beside.Wait()
	if w.vantage != nil {
		beside.Go(func() { w.vantage.Run(ctx) })
	}
	tasks := make([]schedule.Task, 0, len(w.targets))
	for _, t := range w.targets {
		tasks = append(tasks, schedule.Task{Key: t.key(), Name: t.tags[0][1], Interval: t.interval,
			Run: func(ctx context.Context, due time.Time) { w.probe(ctx, t, due, out) }})
	}
	w.schedule.Set(tasks)
	w.schedule.Run(ctx)
	return nil
}

// Ticks implements sdk.Scheduler.
func (w *watch) Ticks() sdk.Ticks {
	s := w.schedule.Stats()
	return sdk.Ticks{Last: s.Last, Started: s.Started, Skipped: s.Overrun + s.Crowded}
}

// probe probes a target, and again while it fails and retries are left that can end before the next start. Each try makes a
// point of its own, the first with the time at which it was due.
func (w *watch) probe(ctx context.Context, t *target, due time.Time, out sdk.Emitter) {
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
		out.Emit(p)
		for _, hop := range t.hopPoints(&result) {
			out.Emit(hop)
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

// key tells the series of a target from those of others.
func (t *target) key() string {
	var b strings.Builder
	for _, tag := range t.tags {
		b.WriteString(tag[0] + "\x00" + tag[1] + "\x00")
	}
	return b.String()
}
