package probe

import (
	"context"
	"sync"
	"time"
)

// lifetime is the context of a probe: what context.WithDeadline and context.AfterFunc together would be, with fewer parts, for
// that is felt in a probe that takes some tens of microseconds. When it ends it first closes the probe's sockets.
type lifetime struct {
	context.Context // the caller's
	start, deadline time.Time
	timer           *time.Timer
	unhook          func() bool // from the caller's, nil if that never ends
	sockets         *sockets

	mu   sync.Mutex
	err  error
	done chan struct{}
}

// newLifetime begins a lifetime that ends after the limit, or with its parent.
func newLifetime(parent context.Context, limit time.Duration, s *sockets) *lifetime {
	l := &lifetime{Context: parent, sockets: s, done: make(chan struct{})}
	if parent.Done() != nil {
		l.unhook = context.AfterFunc(parent, func() { l.end(parent.Err()) })
	}
	l.timer = time.AfterFunc(time.Hour, func() { l.end(context.DeadlineExceeded) })
	l.start = time.Now()
	l.deadline = l.start.Add(limit)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(l.deadline) {
		l.deadline = earlier
	}
	l.timer.Reset(l.deadline.Sub(l.start))
	return l
}

// end ends it for the first reason that there is.
func (l *lifetime) end(why error) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = why
	}
	l.mu.Unlock()
	if first {
		l.sockets.end()
		close(l.done)
	}
}

// release ends it without a reason, and waits for what may be ending it.
func (l *lifetime) release() {
	running := !l.timer.Stop()
	if l.unhook != nil && !l.unhook() {
		running = true
	}
	if running {
		<-l.done
	}
}

func (l *lifetime) Deadline() (time.Time, bool) { return l.deadline, true }
func (l *lifetime) Done() <-chan struct{}       { return l.done }

func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
