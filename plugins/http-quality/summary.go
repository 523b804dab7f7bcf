package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// line shows one probe of several.
func (s screen) line(t *target, n int, r *probe.Result) []byte {
	var b bytes.Buffer
	if n == 1 {
		name := title(t)
		if name != "" {
			name += ": "
		}
		fmt.Fprintln(&b, s.in(bold, name+safe(r.Hops[0].Method+" "+r.Hops[0].URL)))
	}
	status := "-"
	if code := r.Last().Status; code != 0 {
		status = fmt.Sprint(code)
	}
	colour, why := green, ""
	if r.Outcome != probe.OutcomeOK {
		colour, why = red, "  "+safe(r.Err.Error())
	}
	fmt.Fprintf(&b, "%5d  %s  %3s %s%s\n", n, s.in(colour, fmt.Sprintf("%-11s", r.Outcome)), status, milliseconds(r.Total), why)
	return b.Bytes()
}

// summary shows what several probes have in common. Times are those of the probes that found the target available, for how
// long a failure took says nothing of a phase.
func (s screen) summary(results []probe.Result) []byte {
	var b bytes.Buffer
	good := slices.DeleteFunc(slices.Clone(results), func(r probe.Result) bool { return r.Outcome != probe.OutcomeOK })
	fmt.Fprintf(&b, "\n%d of %d available\n", len(good), len(results))
	if len(good) == 0 {
		return b.Bytes()
	}
	fmt.Fprintf(&b, "%-8s %13s %13s %13s\n", "", "min", "median", "max")
	row := func(name string, times []time.Duration) {
		if len(times) == 0 {
			return
		}
		slices.Sort(times)
		middle := (times[(len(times)-1)/2] + times[len(times)/2]) / 2
		fmt.Fprintf(&b, "%-8s %s %s %s\n", name, milliseconds(times[0]), milliseconds(middle), milliseconds(times[len(times)-1]))
	}
	for i := range phasesOf(good[0].Last()) {
		var times []time.Duration
		var name string
		for j := range good {
			p := phasesOf(good[j].Last())[i]
			if name = p.Phase.String(); p.span.Reached {
				times = append(times, p.span.Time)
			}
		}
		row(name, times)
	}
	var totals []time.Duration
	redirected := false
	for _, r := range good {
		totals = append(totals, r.Total)
		redirected = redirected || len(r.Hops) > 1
	}
	row("total", totals)
	if redirected {
		b.WriteString("The phases are those of the last hop.\n")
	}
	return []byte(strings.TrimSuffix(b.String(), "\n") + "\n")
}
