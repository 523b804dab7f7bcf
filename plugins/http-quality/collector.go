package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/vedette-monitor/vedette/sdk"
)

// collector probes all targets on every tick.
type collector struct {
	targets     []*target
	concurrency int
}

func newCollector(c config, _ sdk.Env) (*collector, error) {
	var problems []error
	if c.Concurrency < 1 {
		problems = append(problems, at(fmt.Errorf("concurrency is %d, but must be at least 1", c.Concurrency), "concurrency"))
	}
	col := &collector{concurrency: c.Concurrency}
	for i := range c.Targets {
		t, err := c.Targets[i].target()
		if err != nil {
			path := []string{"target", strconv.Itoa(i)}
			var problem *sdk.Problem
			if errors.As(err, &problem) {
				path, err = append(path, problem.Path...), problem.Err
			}
			problems = append(problems, at(fmt.Errorf("target %q: %w", c.Targets[i].Name, err), path...))
			continue
		}
		col.targets = append(col.targets, t)
	}
	return col, errors.Join(problems...)
}

// Collect implements sdk.Collector. A target that is slow occupies one of the workers and delays no other as long as
// there is another one.
func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	queue := make(chan *target)
	var late atomic.Int64
	var workers sync.WaitGroup
	for range min(c.concurrency, len(c.targets)) {
		workers.Go(func() {
			for t := range queue {
				// A probe that there was no time to begin says nothing about its target.
				if ctx.Err() != nil {
					late.Add(1)
					continue
				}
				result := t.prober.Run(ctx)
				// Nor does one that was cut short because the plugin stops.
				if !errors.Is(context.Cause(ctx), context.Canceled) {
					out.Emit(t.point(&result))
				}
			}
		})
	}
	for _, t := range c.targets {
		queue <- t
	}
	close(queue)
	workers.Wait()
	if n := late.Load(); n > 0 && !errors.Is(context.Cause(ctx), context.Canceled) {
		return fmt.Errorf("%d of %d targets were not probed, because the others took all the time: raise concurrency, or the timeout of the plugin block",
			n, len(c.targets))
	}
	return nil
}
