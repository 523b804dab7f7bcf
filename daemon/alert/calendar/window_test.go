package calendar

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse("2006-01-02 15:04Z", text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// TestAWindowOpensByTheClockOnTheWall asks for the first opening after a moment, on both days of the year on which the clock is
// set, where it is.
func TestAWindowOpensByTheClockOnTheWall(t *testing.T) {
	tests := []struct {
		name, zone, start, duration string
		after, opens, closes        string
	}{
		{"on a day like others", "America/New_York", "2h30m", "1h", "2026-03-07 00:00Z", "2026-03-07 07:30Z", "2026-03-07 08:30Z"},
		{"a start in the gap is its end", "America/New_York", "2h30m", "1h", "2026-03-08 05:00Z", "2026-03-08 07:00Z", "2026-03-08 08:00Z"},
		{"the gap's first moment is its end too", "America/New_York", "2h", "1h", "2026-03-08 05:00Z", "2026-03-08 07:00Z", "2026-03-08 08:00Z"},
		{"after the gap", "America/New_York", "3h", "1h", "2026-03-08 05:00Z", "2026-03-08 07:00Z", "2026-03-08 08:00Z"},
		{"a duration is time that passes, over the gap", "America/New_York", "1h30m", "1h", "2026-03-08 05:00Z", "2026-03-08 06:30Z", "2026-03-08 07:30Z"},
		{"a start that comes twice is the first", "America/New_York", "1h30m", "1h", "2026-11-01 04:00Z", "2026-11-01 05:30Z", "2026-11-01 06:30Z"},
		{"and not the second", "America/New_York", "1h30m", "1h", "2026-11-01 05:30Z", "2026-11-02 06:30Z", "2026-11-02 07:30Z"},
		{"a duration over the hour that comes twice", "America/New_York", "0h", "3h", "2026-11-01 03:00Z", "2026-11-01 04:00Z", "2026-11-01 07:00Z"},

		{"a gap", "Europe/Berlin", "2h30m", "1h", "2026-03-28 23:00Z", "2026-03-29 01:00Z", "2026-03-29 02:00Z"},
		{"a start that comes twice", "Europe/Berlin", "2h30m", "1h", "2026-10-24 23:00Z", "2026-10-25 00:30Z", "2026-10-25 01:30Z"},
		{"the hour after both", "Europe/Berlin", "3h", "1h", "2026-10-24 23:00Z", "2026-10-25 02:00Z", "2026-10-25 03:00Z"},

		{"a gap of half an hour", "Australia/Lord_Howe", "2h15m", "1h", "2026-10-03 12:00Z", "2026-10-03 15:30Z", "2026-10-03 16:30Z"},
		{"after it", "Australia/Lord_Howe", "2h45m", "1h", "2026-10-03 12:00Z", "2026-10-03 15:45Z", "2026-10-03 16:45Z"},
		{"half an hour that comes twice", "Australia/Lord_Howe", "1h45m", "1h", "2026-04-04 12:00Z", "2026-04-04 14:45Z", "2026-04-04 15:45Z"},
		{"after that", "Australia/Lord_Howe", "2h", "1h", "2026-04-04 12:00Z", "2026-04-04 15:30Z", "2026-04-04 16:30Z"},

		{"no clock is set there", "Asia/Shanghai", "2h30m", "1h", "2026-03-07 16:00Z", "2026-03-07 18:30Z", "2026-03-07 19:30Z"},
		{"nor in autumn", "Asia/Shanghai", "2h30m", "1h", "2026-10-31 16:00Z", "2026-10-31 18:30Z", "2026-10-31 19:30Z"},

		{"a day that begins with the gap", "America/Santiago", "0h", "1h", "2026-09-06 03:00Z", "2026-09-06 04:00Z", "2026-09-06 05:00Z"},
		{"a start within it", "America/Santiago", "30m", "1h", "2026-09-06 03:00Z", "2026-09-06 04:00Z", "2026-09-06 05:00Z"},
		{"an evening that comes twice", "America/Santiago", "23h30m", "1h", "2026-04-04 12:00Z", "2026-04-05 02:30Z", "2026-04-05 03:30Z"},
		{"the midnight after it", "America/Santiago", "0h", "1h", "2026-04-05 00:00Z", "2026-04-05 04:00Z", "2026-04-05 05:00Z"},

		{"a day that never was", "Pacific/Apia", "10h", "1h", "2011-12-29 21:00Z", "2011-12-30 10:00Z", "2011-12-30 11:00Z"},
	}
	for _, tc := range tests {
		t.Run(tc.zone+": "+tc.name, func(t *testing.T) {
			start, _ := time.ParseDuration(tc.start)
			duration, _ := time.ParseDuration(tc.duration)
			w := &Window{Zone: zone(t, tc.zone), Start: start, Duration: duration}
			opens, closes, ok := w.Next(at(t, tc.after))
			if want := at(t, tc.opens); !ok || !opens.Equal(want) {
				t.Errorf("after %s it opens at %s (%t), want %s", tc.after, opens.UTC(), ok, want)
			}
			if want := at(t, tc.closes); !closes.Equal(want) {
				t.Errorf("it closes at %s, want %s", closes.UTC(), want)
			}
			for _, moment := range []struct {
				at   time.Time
				open bool
			}{
				{opens.Add(-1), false}, {opens, true}, {closes.Add(-1), true}, {closes, false},
			} {
				until, open := w.Open(moment.at)
				if open != moment.open || open && !until.Equal(closes) {
					t.Errorf("at %s it is open: %t, until %s", moment.at.UTC(), open, until.UTC())
				}
			}
		})
	}
}

// TestTheDaysAreThoseOnWhichAWindowOpens lists what opens within six weeks: from Thursday, 1 January 2026.
func TestTheDaysAreThoseOnWhichAWindowOpens(t *testing.T) {
	date := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		name   string
		window Window
		days   string
	}{
		{"weekdays", Window{Weekdays: []time.Weekday{time.Monday, time.Sunday}}, "01-04 01-05 01-11 01-12 01-18 01-19 01-25 01-26 02-01 02-02 02-08 02-09"},
		{"days of the month", Window{Days: []int{1, 15}}, "01-01 01-15 02-01"},
		{"from the end of the month", Window{Days: []int{-1, -3}}, "01-29 01-31"},
		{"dates in any order", Window{Dates: []time.Time{date(20), date(3)}}, "01-03 01-20"},
		{"each list that there is", Window{Weekdays: []time.Weekday{time.Friday}, Days: []int{2, 3, 9}}, "01-02 01-09"},
		{"dates and weekdays", Window{Weekdays: []time.Weekday{time.Tuesday}, Dates: []time.Time{date(20), date(3)}}, "01-20"},
		{"a day that no month has", Window{Days: []int{0, 32, -32}}, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			w := tc.window
			w.Zone, w.Start, w.Duration = zone(t, "Asia/Shanghai"), 2*time.Hour, time.Hour
			var days []string
			for moment := time.Date(2026, 1, 1, 0, 0, 0, 0, w.Zone); ; {
				opens, _, ok := w.Next(moment)
				if !ok || !opens.Before(time.Date(2026, 2, 12, 0, 0, 0, 0, w.Zone)) {
					break
				}
				days, moment = append(days, opens.Format("01-02")), opens
			}
			if got := strings.Join(days, " "); got != tc.days {
				t.Errorf("it opens on\n  %s, want\n  %s", got, tc.days)
			}
		})
	}
}

func TestTheDayIsTheOneOnWhichItOpens(t *testing.T) {
	w := &Window{Zone: zone(t, "Europe/Berlin"), Weekdays: []time.Weekday{time.Monday}, Start: 23*time.Hour + 30*time.Minute, Duration: 2 * time.Hour}
	for moment, want := range map[string]bool{
		"2026-01-05 22:29Z": false, "2026-01-05 22:30Z": true, "2026-01-06 00:29Z": true, "2026-01-06 00:30Z": false, "2026-01-06 22:45Z": false,
	} {
		if _, open := w.Open(at(t, moment)); open != want {
			t.Errorf("at %s it is open: %t", moment, open)
		}
	}
}

func TestAWindowMayBeOpenForLongerThanADay(t *testing.T) {
	w := &Window{Zone: time.UTC, Weekdays: []time.Weekday{time.Friday}, Start: 18 * time.Hour, Duration: 60 * time.Hour}
	until, open := w.Open(at(t, "2026-01-05 05:59Z"))
	if !open || !until.Equal(at(t, "2026-01-05 06:00Z")) {
		t.Errorf("on Monday morning it is open: %t, until %s", open, until)
	}
	w = &Window{Zone: time.UTC, Start: 18 * time.Hour, Duration: 30 * time.Hour}
	if until, open = w.Open(at(t, "2026-01-05 19:00Z")); !open || !until.Equal(at(t, "2026-01-07 00:00Z")) {
		t.Errorf("of two openings that overlap it is open: %t, until %s", open, until)
	}
}

// TestAWindowIsWhatAClockThatIsLookedAtEachMinuteShows looks at the clock on the wall at each minute of some weeks, with windows of all
// kinds, and holds Open and Next against what it sees.
func TestAWindowIsWhatAClockThatIsLookedAtEachMinuteShows(t *testing.T) {
	changes := []struct{ zone, around string }{
		{"America/New_York", "2026-03-08 07:00Z"}, {"America/New_York", "2026-11-01 06:00Z"},
		{"Europe/Berlin", "2026-03-29 01:00Z"}, {"Europe/Berlin", "2026-10-25 01:00Z"},
		{"Australia/Lord_Howe", "2026-10-03 15:30Z"}, {"Australia/Lord_Howe", "2026-04-04 15:00Z"},
		{"Asia/Shanghai", "2026-03-08 07:00Z"}, {"Asia/Shanghai", "2026-11-01 06:00Z"},
		{"America/Santiago", "2026-09-06 04:00Z"}, {"America/Santiago", "2026-04-05 03:00Z"},
		{"Pacific/Apia", "2011-12-30 10:00Z"}, {"America/Havana", "2026-11-01 05:00Z"},
	}
	const week = 7 * 24 * 60
	for seed, change := range changes {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		z := zone(t, change.zone)
		from := at(t, change.around).Add(-2 * week * time.Minute)
		// shown is the clock at each minute, as a time in UTC with the same figures.
		shown := make([]time.Time, 4*week)
		for i := range shown {
			s, err := time.Parse("2006-01-02 15:04", from.Add(time.Duration(i)*time.Minute).In(z).Format("2006-01-02 15:04"))
			if err != nil {
				t.Fatal(err)
			}
			shown[i] = s
		}
		for range 40 {
			w := &Window{Zone: z, Start: time.Duration(r.IntN(24*60)) * time.Minute, Duration: time.Duration(1+r.IntN(40*60)) * time.Minute}
			if r.IntN(2) == 0 {
				w.Start = time.Duration(r.IntN(4*12)) * 5 * time.Minute // most clocks are set at night
			}
			switch r.IntN(3) {
			case 0:
				w.Weekdays = []time.Weekday{time.Weekday(r.IntN(7)), time.Saturday, time.Sunday}
			case 1:
				w.Days = []int{1 + r.IntN(31), -1 - r.IntN(31), shown[2*week].Day()}
			}
			// openings are the minutes at which it opens.
			var openings []int
			i := 0
			for day := shown[0].Truncate(24 * time.Hour); i < len(shown); day = day.AddDate(0, 0, 1) {
				last := day.AddDate(0, 1, -day.Day()).Day()
				if w.Weekdays != nil && !slices.Contains(w.Weekdays, day.Weekday()) ||
					w.Days != nil && !slices.Contains(w.Days, day.Day()) && !slices.Contains(w.Days, day.Day()-last-1) {
					continue
				}
				for i < len(shown) && shown[i].Before(day.Add(w.Start)) {
					i++
				}
				openings = append(openings, i)
			}
			length := int(w.Duration / time.Minute)
			for i := week; i < 3*week; i += 1 + r.IntN(20) {
				want, until := false, 0
				next := slices.IndexFunc(openings, func(o int) bool { return o > i })
				for _, o := range openings {
					if o <= i && i < o+length {
						want, until = true, o+length
					}
				}
				moment := from.Add(time.Duration(i) * time.Minute)
				what := func() string { return fmt.Sprintf("%s, %+v at %s", change.zone, *w, moment.In(z)) }
				if got, open := w.Open(moment); open != want || open && !got.Equal(from.Add(time.Duration(until)*time.Minute)) {
					t.Fatalf("%s: open %t until %s, want %t until %s", what(), open, got, want, from.Add(time.Duration(until)*time.Minute).In(z))
				}
				if next < 0 || openings[next] == len(shown) {
					continue
				}
				got, closes, ok := w.Next(moment)
				if wanted := from.Add(time.Duration(openings[next]) * time.Minute); !ok || !got.Equal(wanted) || closes.Sub(got) != w.Duration {
					t.Fatalf("%s: it opens next at %s (%t), want %s", what(), got, ok, wanted.In(z))
				}
			}
		}
	}
}

func TestEveryCombinationOfDaysIsFound(t *testing.T) {
	for weekday := range time.Weekday(7) {
		for day := 1; day <= 31; day++ {
			w := &Window{Zone: time.UTC, Weekdays: []time.Weekday{weekday}, Days: []int{day}, Duration: time.Hour}
			v := &Window{Zone: time.UTC, Weekdays: []time.Weekday{weekday}, Days: []int{-day}, Duration: time.Hour}
			for year := 2026; year < 2054; year += 3 {
				after := time.Date(year, time.Month(1+year%12), 5, 0, 0, 0, 0, time.UTC)
				if _, _, ok := w.Next(after); !ok {
					t.Fatalf("%s %d is not found after %s", weekday, day, after)
				}
				if _, _, ok := v.Next(after); !ok {
					t.Fatalf("%s %d is not found after %s", weekday, -day, after)
				}
			}
		}
	}
}
