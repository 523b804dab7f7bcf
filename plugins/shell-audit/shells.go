package main

import (
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// hooked are the shells that have hooks. Any other name is somebody's invention, of which there may be many, and each would be a
// series.
var hooked = map[string]bool{"bash": true, "zsh": true, "fish": true}

// mostShells bounds the shells of a user that are known.
const mostShells = 1000

// shellOf is the shell that wrote a record.
func (c *collector) shellOf(key shellKey, r record.Record) *shell {
	s := c.shells[key]
	if s != nil {
		return s
	}
	s = &shell{key: key, name: r.Shell}
	if !hooked[s.name] {
		s.name = "other"
	}
	if c.count[key.UID] >= mostShells {
		for other := range c.shells {
			if other.UID == key.UID {
				c.leaves(other)
				break
			}
		}
	}
	c.shells[key] = s
	c.count[key.UID]++
	return s
}

// leaves forgets a shell.
func (c *collector) leaves(key shellKey) {
	if c.shells[key] == nil {
		return
	}
	delete(c.shells, key)
	if c.count[key.UID]--; c.count[key.UID] == 0 {
		delete(c.count, key.UID)
	}
}

// forget forgets, now and then, what is known of processes that are gone.
func (c *collector) forget(now time.Time) {
	const often = 10 * time.Minute
	if now.Sub(c.forgot) < often || len(c.inbox) > 0 {
		return
	}
	c.forgot = now
	gone := func(key shellKey) bool {
		_, err := identity.Of(key.PID, key.Birth)
		return err != nil && c.drop.Drained(key.UID)
	}
	for key := range c.shells {
		if gone(key) {
			c.leaves(key)
		}
	}
	for key := range c.ledger.memory.Open {
		if gone(key) {
			c.ledger.memory.drop(key)
		}
	}
	for r := range c.running {
		if !kernel.Running(r.pid, r.birth) {
			delete(c.running, r)
		}
	}
	for uid := range c.limits {
		if c.drop.Drained(uid) {
			delete(c.limits, uid)
		}
	}
	clear(c.sessions)
}
