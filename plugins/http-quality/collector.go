package main

import (
	"context"
	"errors"
	"fmt"
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
	col := &collector{concurrency: c.Concurrency}
	for i := range c.Targets {
		targets, err := c.Targets[i].targets()
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", c.Targets[i].Name, err)
		}
		col.targets = append(col.targets, targets...)
	}
	return col, nil
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
					for _, p := range t.hopPoints(&result) {
						out.Emit(p)
					}
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
