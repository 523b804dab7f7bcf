package main

import (
	"net/url"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

func TestTargetsGetTheProcessorsThatTheyNeedAndNoMore(t *testing.T) {
	were := given
	t.Cleanup(func() { given = were })
	given = 4
	targets := func(n int, address string, m manner) []*target {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		prober, err := probe.New(probe.Target{URL: u})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Repeat([]*target{{manner: &m, prober: *prober}}, n)
	}
	const plain, secure = "http://shop.example.com/", "https://shop.example.com/"
	for name, tc := range map[string]struct {
		targets []*target
		want    int
	}{
		"none":                          {nil, 1},
		"one":                           {targets(1, plain, manner{interval: time.Minute}), 1},
		"1,000 a second":                {targets(1000, plain, manner{interval: time.Second}), 1},
		"1,500 a second":                {targets(150, plain, manner{interval: 100 * time.Millisecond}), 2},
		"500 a second with TLS":         {targets(500, secure, manner{interval: time.Second}), 1},
		"900 a second with TLS":         {targets(900, secure, manner{interval: time.Second}), 2},
		"400 a second over HTTP/3":      {targets(400, secure, manner{interval: time.Second, http3: true}), 2},
		"one whose body is opened":      {targets(1, plain, manner{interval: time.Minute, opens: true}), 2},
		"more than the machine has":     {targets(100_000, plain, manner{interval: time.Second}), 4},
		"as many, opened, and not more": {targets(100_000, plain, manner{interval: time.Second, opens: true}), 4},
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
		want          int
	}{
		"little":         {mib / 100, 4 * mib, 50},
		"in between":     {4 * mib, 4 * mib, 100},
		"much":           {100 * mib, 4 * mib, 150},
		"many targets":   {16 * mib, 1000 * mib, 50},
		"nothing in use": {mib, 0, 150},
	} {
		if got := collectorPercent(tc.garbage, tc.live); got != tc.want {
			t.Errorf("%s: the collector begins after %d %%, want %d", name, got, tc.want)
		}
	}
}
