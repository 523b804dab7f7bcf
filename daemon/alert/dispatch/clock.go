package dispatch

import (
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
)

// present makes times that lie ahead the present one. They are of a clock that was set back while the daemon was away, and nothing
// would be told, reminded of or escalated until the clock is there again. It is called with the first time that the dispatcher is given:
// while it works, times are compared by a clock that nobody sets.
func (d *Dispatcher) present(now time.Time) {
	now = now.UTC()
	for _, i := range d.incidents {
		if ahead(i, now) {
			d.touch(i)
		}
	}
	for _, g := range d.groups {
		past(&g.told, now)
	}
}

func ahead(i *incident.Incident, now time.Time) bool {
	changed := past(&i.Changed, now)
	changed = past(&i.Quiet, now) || changed
	for _, t := range i.Told {
		changed = past(&t.At, now) || changed
	}
	for n := range i.Log {
		changed = past(&i.Log[n].At, now) || changed
	}
	return changed
}

// past makes a time the present one if it lies ahead, and reports whether it did.
func past(at *time.Time, now time.Time) bool {
	if !at.After(now) {
		return false
	}
	*at = now
	return true
}
