package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// weekdays are the days of the week as they are written, in the order of time.Weekday.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// windowBody is what a window says, in a block of its own or in the one around it.
type windowBody struct {
	Weekdays []string       `json:"weekdays"`
	Days     []int          `json:"days"`
	Dates    []string       `json:"dates"`
	Start    *string        `json:"start"`
	Duration config.Seconds `json:"duration"`
}

// windows reads the windows of a block.
func (l *loader) windows(b *config.Body) []*calendar.Window {
	var v struct{ Timezone string }
	b.Into(&v)
	zone := l.zone(b, v.Timezone)
	inner := b.Blocks("window")
	if len(inner) == 0 {
		return []*calendar.Window{l.window(b, zone)}
	}
	for _, a := range windowAttributes {
		if b.Has(a.Name) {
			l.Fail(b.At(a.Name), "Window twice", "Where there are blocks window, %s belongs into them.", a.Name)
		}
	}
	var list []*calendar.Window
	for _, w := range inner {
		list = append(list, l.window(w, zone))
	}
	return list
}

// zone finds the time zone that the argument timezone of a body names.
func (l *loader) zone(b *config.Body, name string) *time.Location {
	if !b.Has("timezone") || !b.Sound {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		l.Fail(b.At("timezone"), "Unknown time zone", "%q is no time zone such as \"Asia/Shanghai\", \"Europe/Berlin\" or \"UTC\".", name)
		return time.UTC
	}
	return zone
}

func (l *loader) window(b *config.Body, zone *time.Location) *calendar.Window {
	var v windowBody
	b.Into(&v)
	w := &calendar.Window{Zone: zone, Days: v.Days, Duration: v.Duration.Duration()}
	for _, day := range v.Weekdays {
		w.Weekdays = append(w.Weekdays, time.Weekday(slices.Index(weekdays, day)))
	}
	for i, day := range v.Days {
		if day == 0 || day < -31 || day > 31 {
			l.Fail(b.Element("days", strconv.Itoa(i)), "Invalid day", "%d is no day of a month: they are 1 to 31, and -1 is the last one.", day)
		}
	}
	for i, text := range v.Dates {
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			l.Fail(b.Element("dates", strconv.Itoa(i)), "Invalid date", "%q is no date such as \"2026-10-01\".", text)
		}
		w.Dates = append(w.Dates, date)
	}
	switch start, err := clock(v.Start); {
	case !b.Sound:
	case v.Start == nil:
		l.Fail(b.At("start"), "Missing required argument", "The argument \"start\" is required: when it opens, such as \"09:00\".")
	case err != nil:
		l.Fail(b.At("start"), "Invalid time of day", "%s.", upper(err.Error()))
	default:
		w.Start = start
	}
	if b.Sound && !b.Has("duration") {
		l.Fail(b.At("duration"), "Missing required argument", "The argument \"duration\" is required: how long it is open, such as \"8h\".")
	}
	return w
}

var clockTime = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

// clock reads a time of the day.
func clock(text *string) (time.Duration, error) {
	if text == nil {
		return 0, nil
	}
	m := clockTime.FindStringSubmatch(*text)
	if m == nil {
		return 0, fmt.Errorf("%q is no time of the day from \"00:00\" to \"23:59\"", *text)
	}
	hours, _ := strconv.Atoi(m[1])
	minutes, _ := strconv.Atoi(m[2])
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, nil
}
