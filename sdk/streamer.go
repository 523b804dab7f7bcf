package sdk

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// openEmitter takes points until its context ends.
type openEmitter struct {
	ctx context.Context
	out *outbox
}

// Emit implements Emitter.
func (e openEmitter) Emit(p *Point) {
	var now time.Time
	if p.time.IsZero() {
		now = time.Now()
	}
	e.out.put(e.ctx, p, now)
}

// Flush implements Stream.
func (e openEmitter) Flush(ctx context.Context) error { return e.out.flush(ctx) }

// ticksOf is what a streamer says of its schedule; nothing if it has none of its own.
func ticksOf(s Streamer) Ticks {
	if scheduler, ok := s.(Scheduler); ok {
		return scheduler.Ticks()
	}
	return Ticks{}
}

// stream runs the streamer and turns its panic into an error.
func stream(ctx context.Context, s Streamer, out *outbox) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return s.Stream(ctx, openEmitter{ctx, out})
}
