package process

import (
	"fmt"
	"syscall"
)

// Renice sets how nice the child and all that it has started are: from -20, which comes first, to 19, which comes last.
// What they start later is as nice.
func (c *Child) Renice(nice int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return nil
	}
	if err := syscall.Setpriority(syscall.PRIO_PGRP, c.Pid(), nice); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("setting the priority of process %d: %w", c.Pid(), err)
	}
	return nil
}
