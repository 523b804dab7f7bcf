package alert

import (
	"context"
	"time"
)

// Quiesce lets no more notices go, and waits for those that are on their way, but not for longer than patience.
func (e *Engine) Quiesce(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	idle := make(chan struct{})
	if e.do(ctx, func(time.Time) {
		e.quiet = idle
		e.noteIdle()
	}) != nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// noteIdle tells who waits for it that nothing is on its way any more.
func (e *Engine) noteIdle() {
	if e.quiet != nil && e.underWay == 0 && !e.idle {
		e.idle = true
		close(e.quiet)
	}
}
