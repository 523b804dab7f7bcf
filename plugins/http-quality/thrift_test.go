package main

import (
	"math"
	"runtime"
	"testing"
	"time"
)

func TestTargetsGetTheProcessorsThatTheyNeedAndNoMore(t *testing.T) {
	were := given
	t.Cleanup(func() { given = were })
	given = 4
	targets := func(n int, m manner) []*target {
		var all []*target
		for range n {
			all = append(all, &target{manner: &m})
		}
		return all
	}
	for name, tc := range map[string]struct {
		targets []*target
		want    int
	}{
		"none":                         {nil, 1},
		"one":                          {targets(1, manner{interval: time.Minute}), 1},
		"500 a second":                 {targets(500, manner{interval: time.Second}), 1},
		"1,000 a second":               {targets(100, manner{interval: 100 * time.Millisecond}), 2},
		"one whose body is opened":     {targets(1, manner{interval: time.Minute, opens: true}), 2},
		"more than the machine has":    {targets(100_000, manner{interval: time.Second}), 4},
		"as many, opened, and no more": {targets(3000, manner{interval: time.Second, opens: true}), 4},
	} {
		if got := processors(tc.targets); got != tc.want {
			t.Errorf("%s: %d processors, want %d", name, got, tc.want)
		}
	}
}

func TestThePluginUsesOneProcessorForFewTargetsUnlessItIsTold(t *testing.T) {
	t.Cleanup(func() { runtime.GOMAXPROCS(given) })
	hello := site(t, says(200, ""))
	watched := func(want int) {
		t.Helper()
		runtime.GOMAXPROCS(2)
		s := startWatching(t, config{Targets: []targetConfig{targetAt("a", hello)}})
		waitFor(t, "a point", func() bool { return len(s.of(t, "a")) > 0 })
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("it runs on %d processors, want %d", got, want)
		}
		s.end(t)
	}
	watched(1)
	t.Setenv("GOMAXPROCS", "2")
	watched(2)
}

func TestGarbageGathersForAWhileWithinBounds(t *testing.T) {
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		garbage, live uint64
		want          int // MiB of garbage
	}{
		"little":         {mib / 100, 4 * mib, 1},
		"in between":     {6 * mib, 4 * mib, 6},
		"much":           {100 * mib, 4 * mib, 16},
		"nothing in use": {6 * mib, 0, 6},
	} {
		percent := collectorPercent(tc.garbage, tc.live)
		if got := float64(percent) / 100 * float64(max(tc.live, mib)) / mib; math.Abs(got-float64(tc.want)) > 0.05 {
			t.Errorf("%s: the collector begins after %.2f MiB, want %d", name, got, tc.want)
		}
	}
}
