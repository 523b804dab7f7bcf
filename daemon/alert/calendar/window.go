// Package calendar is when something is open by the clock on the wall: hours of work, windows of maintenance.
package calendar

import "time"

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
