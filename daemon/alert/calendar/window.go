// Package calendar is when something is open by the clock on the wall: hours of work, windows of maintenance.
//
// The clock on the wall is set forward and back. A window opens at the first moment at which that clock shows its start on a day, or
// would have shown it: a start that is skipped is the first moment after the gap, and one that comes twice is the first of the two.
// From then on the time that passes counts, and not what the clock shows.
package calendar

import (
	"slices"
	"time"
)

// Window opens on some days at a time of the day in a time zone, and stays open for a duration.
type Window struct {
	// Zone is the time zone in which the days and Start are read.
	Zone *time.Location
	// Weekdays, Days and Dates are when it opens: a day has to be among those of each list that is not empty. Days are of the
	// month, and count from its end if they are negative. A date has its time at midnight in UTC.
	Weekdays []time.Weekday
	Days     []int
	Dates    []time.Time
	// Start is the time of the day by the clock on the wall, and Duration how much time passes until it closes.
	Start, Duration time.Duration
}

// Open reports whether the window is open at a moment, and until when: that is when the last of the openings that reach over the
// moment closes. If the duration is longer than the time between two openings, the next one may have begun by then.
func (w *Window) Open(t time.Time) (until time.Time, open bool) {
	// Where the clock is set back over midnight, the next day may have begun already.
	first := midnight(t.In(w.Zone)).AddDate(0, 0, 1)
	for day := first; first.Sub(day) <= w.Duration+3*24*time.Hour; day = day.AddDate(0, 0, -1) {
		if !w.has(day) {
			continue
		}
		opens := w.opens(day)
		if closes := opens.Add(w.Duration); !opens.After(t) && closes.After(t) {
			// The openings before this one close before it.
			return closes, true
		}
	}
	return time.Time{}, false
}

// searched is for how many days Next looks ahead: every combination of a weekday and a day of the month comes within less than two
// years.
const searched = 4 * 366

// Next is the first opening after a moment. There is none if all dates are over, or if no day is what the window asks for.
func (w *Window) Next(after time.Time) (opens, closes time.Time, ok bool) {
	try := func(day time.Time) bool {
		if !w.has(day) {
			return false
		}
		opens = w.opens(day)
		return opens.After(after)
	}
	if len(w.Dates) > 0 {
		for _, day := range slices.SortedFunc(slices.Values(w.Dates), time.Time.Compare) {
			if try(day) {
				return opens, opens.Add(w.Duration), true
			}
		}
		return time.Time{}, time.Time{}, false
	}
	day := midnight(after.In(w.Zone)).AddDate(0, 0, -1)
	for range searched {
		if try(day) {
			return opens, opens.Add(w.Duration), true
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}, time.Time{}, false
}

// midnight is the day of a moment as days are handled here: at midnight in UTC, where each has 24 hours.
func midnight(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// has reports whether the window opens on a day.
func (w *Window) has(day time.Time) bool {
	if len(w.Weekdays) > 0 && !slices.Contains(w.Weekdays, day.Weekday()) {
		return false
	}
	if len(w.Dates) > 0 && !slices.ContainsFunc(w.Dates, day.Equal) {
		return false
	}
	if len(w.Days) == 0 {
		return true
	}
	last := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return slices.Contains(w.Days, day.Day()) || slices.Contains(w.Days, day.Day()-last-1)
}

// opens is the first moment at which the clock on the wall shows the start on a day, or later. time.Date finds none in a gap.
func (w *Window) opens(day time.Time) time.Time {
	shown := day.Add(w.Start)
	// No clock is further from UTC.
	from := shown.Add(-26 * time.Hour).In(w.Zone)
	for {
		begins, ends := from.ZoneBounds()
		_, offset := from.Zone()
		at := shown.Add(-time.Duration(offset) * time.Second)
		if ends.IsZero() || at.Before(ends) {
			if at.Before(begins) {
				at = begins
			}
			return at.In(w.Zone)
		}
		from = ends
	}
}
