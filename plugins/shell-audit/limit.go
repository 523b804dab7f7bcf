package main

import "time"

// limit bounds a rate: that of the records of a user, or of the programs of a session.
type limit struct {
	has float64
	at  time.Time
}

func newLimit(burst int, now time.Time) *limit { return &limit{float64(burst), now} }

// refill gives it what it has earned since.
func (l *limit) refill(rate float64, burst int, now time.Time) {
	l.has = min(float64(burst), l.has+max(0, now.Sub(l.at).Seconds())*rate)
	l.at = now
}

// allowed is how many records of a user may be read now. What is not read waits in the spool.
func (c *collector) allowed(uid int, now time.Time) int {
	l := c.limits[uid]
	if l == nil {
		l = newLimit(c.config.Burst, now)
		c.limits[uid] = l
	}
	l.refill(c.config.Rate, c.config.Burst, now)
	waiting := 0
	if b := c.inbox[uid]; b != nil {
		waiting = len(b.found)
	}
	return max(0, min(int(l.has), mostFound-waiting))
}

func (c *collector) spend(uid int) {
	if l := c.limits[uid]; l != nil {
		l.has--
	}
}

// tellHeldBack tells of users whose records wait, because they come faster than they are taken.
func (c *collector) tellHeldBack(now time.Time) error {
	for uid, l := range c.limits {
		if l.has >= 1 || c.drop.Drained(uid) {
			continue
		}
		k := repeatKey{kind: "throttle", uid: uid, detail: "records come faster than they are taken: they wait in the spool"}
		if c.repeats[k] == nil {
			if err := c.repeated(k, 1, now); err != nil {
				return err
			}
		}
	}
	return nil
}
