package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
		t, err := c.Targets[i].target()
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", c.Targets[i].Name, err)
		}
		col.targets = append(col.targets, t)
	}
	return col, nil
}

// Collect implements sdk.Collector. A target that is slow occupies one of the workers and delays no other as long as
// there is another one.
func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	queue := make(chan *target)
	var workers sync.WaitGroup
	for range min(c.concurrency, len(c.targets)) {
		workers.Go(func() {
			for t := range queue {
				result := t.prober.Run(ctx)
				// A probe that was cut short because the plugin stops says nothing about its target.
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
	return nil
}
