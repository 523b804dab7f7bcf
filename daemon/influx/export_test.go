package influx

import "time"

// SetWaits shortens all pauses.
func SetWaits(w *Writer, d time.Duration) {
	w.waits.base, w.waits.max, w.waits.configuration = d, d, d
}

// SetSetupClock gives a set-up another clock.
func SetSetupClock(s *Setup, now func() time.Time) { s.now = now }

// SetClock gives the memory of refused fields another clock.
func SetClock(w *Writer, now func() time.Time) { w.poisons.now = now }
