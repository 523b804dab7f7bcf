package main

import "time"

// limit bounds how fast records of a user are read. What is not read waits in the spool.
type limit struct {
	has  float64
	at   time.Time
	held bool // nothing was left at the last reading
}

// allowed is how many records of a user may be read now.
func (c *collector) allowed(uid int, now time.Time) int {
	l := c.limits[uid]
	if l == nil {
		l = &limit{has: float64(c.config.Burst), at: now}
		c.limits[uid] = l
	}
	l.has = min(float64(c.config.Burst), l.has+max(0, now.Sub(l.at).Seconds())*c.config.Rate)
	l.at = now
	held := l.has < 1
	if held && !l.held {
		c.heldBack(uid, now)
	}
	l.held = held
	return int(max(0, l.has))
}

func (c *collector) spend(uid int) { c.limits[uid].has-- }

// heldBack tells that a user writes too much. The event is made after the reading that is under way.
func (c *collector) heldBack(uid int, now time.Time) {
	k := repeatKey{kind: "throttle", uid: uid, detail: "records come faster than they are taken: they wait in the spool"}
	if c.repeats[k] == nil {
		// One that was told long ago, so that it is told at once.
		c.repeats[k] = &repeat{}
	}
	c.repeats[k].count++
}
