// Package vantage tells whether the place that is probed from is well itself: whether any of some references answers, which
// have nothing to do with what is probed.
//
// All references are asked at once, every few seconds, and never by a probe: what a probe reads is the last verdict. A place is
// unwell when no reference has answered twice in a row, the second time at once after the first; it is well again when
// references have answered two checks in a row. A check is made early, but once a second at most, when somebody suspects that
// the place is unwell, for a probe that fails is often the first to notice.
package vantage

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// State is what is known of a place.
type State int32

// The states. Before the first check has ended nothing is known.
const (
	Unknown State = iota
	Well
	Unwell
)

// recovery is how many good checks in a row make a place well again.
const recovery = 2

// soonest is how long after a check an early one may begin.
const soonest = time.Second

// Asker is a reference.
type Asker interface {
	// Ask returns nil if the reference answers before ctx ends.
	Ask(ctx context.Context) error
}

// Check asks references again and again.
type Check struct {
	references []Asker
	interval   time.Duration
	timeout    time.Duration
	logger     hclog.Logger

	state     atomic.Int32
	suspected chan struct{}
}

// New makes a check. The timeout is that of each reference.
func New(references []Asker, interval, timeout time.Duration, logger hclog.Logger) *Check {
	return &Check{references: references, interval: interval, timeout: timeout, logger: logger, suspected: make(chan struct{}, 1)}
}

// State is the last verdict.
func (c *Check) State() State { return State(c.state.Load()) }

// Suspect asks for an early check. It does not wait.
func (c *Check) Suspect() {
	select {
	case c.suspected <- struct{}{}:
	default:
	}
}

// Run checks until ctx ends.
func (c *Check) Run(ctx context.Context) {
	for good := recovery - 1; ctx.Err() == nil; {
		answered, why := c.ask(ctx)
		if !answered {
			answered, why = c.ask(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		switch before := c.State(); {
		case !answered:
			good = 0
			c.state.Store(int32(Unwell))
			if before != Unwell {
				c.logger.Warn("the vantage point is cut off: no reference answers", "error", why)
			}
		case before == Well:
		default:
			if good++; good >= recovery {
				c.state.Store(int32(Well))
				if before == Unwell {
					c.logger.Info("the vantage point is well again: references answer")
				}
			}
		}
		if !c.rest(ctx) {
			return
		}
	}
}

// rest waits until the next check is due, and returns false if ctx has ended.
func (c *Check) rest(ctx context.Context) bool {
	early := time.NewTimer(min(soonest, c.interval))
	defer early.Stop()
	due := time.NewTimer(c.interval)
	defer due.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-early.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-c.suspected:
	case <-due.C:
	}
	return true
}

// ask asks all references at once, and is content with the first that answers. Otherwise it returns what one of them met.
func (c *Check) ask(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	met := make(chan error, len(c.references))
	for _, r := range c.references {
		go func() { met <- r.Ask(ctx) }()
	}
	var why error
	answered := false
	for range c.references {
		if err := <-met; err == nil {
			answered = true
			cancel() // the others have nothing to add
		} else if why == nil {
			why = err
		}
	}
	return answered, why
}
