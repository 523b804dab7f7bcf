package supervisor

import (
	"fmt"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// How often a plugin's memory is measured: while less than half of its limit is taken, and above.
const (
	calmPause = 50 * time.Millisecond
	nearPause = 10 * time.Millisecond
	// costFactor bounds what measuring costs: of this many parts of the time, one is spent with it.
	costFactor = 20
	// goMemoryPercent is the part of the limit at which Go's garbage collector of a plugin works as hard as it can.
	goMemoryPercent = 90
)

// watchMemory kills the plugin, with all that it has started, when it has taken more than its limit, and notes why.
func (c *child) watchMemory(started *process.Child, limit int64) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-started.Done():
			return
		case <-timer.C:
		}
		begun := time.Now()
		taken := started.Memory(limit)
		cost := time.Since(begun)
		pause := calmPause
		switch {
		case taken > limit:
			const mebi = 1 << 20
			err := fmt.Errorf("exceeded memory_limit %s: %s", wire.FormatSize(limit), wire.FormatSize((taken+mebi-1)/mebi*mebi))
			c.exceeded.Store(&err)
			_ = started.Signal(syscall.SIGKILL)
			return
		case taken > limit/2:
			pause = nearPause
		}
		timer.Reset(max(pause, costFactor*cost))
	}
}

// overLimit is the error of a plugin that was killed for its memory, or nil.
func (c *child) overLimit() error {
	if err := c.exceeded.Load(); err != nil {
		return *err
	}
	return nil
}
