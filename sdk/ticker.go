package sdk

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// ticker calls a collector at fixed intervals: at once, and then on a grid that does not drift, and that begins the splay
// later. What falls due while a call is still running is skipped and counted, never made up for.
type ticker struct {
	collector         Collector
	interval, timeout time.Duration
	splay             time.Duration
	out               *outbox
	logger            hclog.Logger

	last    atomic.Int64 // start of the last tick, in ns since 1970
	ticks   atomic.Uint64
	skipped atomic.Uint64
}

// run ticks until ctx ends and the call that is under way has returned.
func (t *ticker) run(ctx context.Context) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		t.tick(ctx)
		due := int64(max(0, time.Since(start)-t.splay)/t.interval) + 1
		if missed := due - n - 1; missed > 0 {
			t.skipped.Add(uint64(missed))
			t.logger.Warn("skipped ticks, because a collection took longer than the interval",
				"skipped", missed, "interval", t.interval.String())
		}
		n = due
		timer.Reset(time.Until(start.Add(t.splay + time.Duration(n)*t.interval)))
	}
}

func (t *ticker) tick(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	now := time.Now()
	t.last.Store(now.UnixNano())
	t.ticks.Add(1)
	if err := t.collect(ctx, now); err != nil {
		t.logger.Error("collection failed", "error", err)
	}
}

// collect calls the collector and turns its panic into an error: one bad tick does not cost the next ones.
func (t *ticker) collect(ctx context.Context, now time.Time) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return t.collector.Collect(ctx, tickEmitter{ctx, now, t.out})
}

// tickEmitter is the Emitter of one tick.
type tickEmitter struct {
	ctx  context.Context
	when time.Time
	out  *outbox
}

func (e tickEmitter) Emit(p *Point) { e.out.put(e.ctx, p, e.when) }
