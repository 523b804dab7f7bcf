package schedule

import "time"

// tolerance is how far the wall clock may be from where it is expected before it counts as set.
const tolerance = 100 * time.Millisecond

// clock is the wall clock, as the monotonic one shows it: so what is due comes at even intervals although somebody sets the
// wall clock, until follow has noticed.
type clock struct {
	at   moment
	wall time.Time
}

func (c *clock) set(now moment, wall time.Time) { c.at, c.wall = now, wall.Round(0) }

// wallOf is a moment by the wall clock.
func (c *clock) wallOf(m moment) time.Time { return c.wall.Add(m - c.at) }

// follow returns by how much the wall clock was set, after it has taken that over; 0 if it was not.
func (c *clock) follow(now moment, wall time.Time) time.Duration {
	step := wall.Round(0).Sub(c.wallOf(now))
	if step.Abs() < tolerance {
		return 0
	}
	c.set(now, wall)
	return step
}

// after is the first moment after now that has this phase within the interval, counted from 1970.
func (c *clock) after(now moment, interval, phase time.Duration) moment {
	since := time.Duration(c.wallOf(now).UnixNano())
	gone := (since - phase) % interval
	if gone < 0 {
		gone += interval
	}
	return now + interval - gone
}
