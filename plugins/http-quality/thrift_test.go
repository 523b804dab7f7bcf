package main

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestTargetsGetTheProcessorsThatTheyNeedAndNoMore(t *testing.T) {
	const given = 4
	targets := func(n int, interval time.Duration, c targetConfig) []*target {
		made, err := c.targets("shop", c.URL, newShared(interval))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Repeat([]*target{&made[0]}, n)
	}
	const plain, secure = "http://shop.example.com/", "https://shop.example.com/"
	with := func(url string, change func(*targetConfig)) targetConfig {
		c := targetAt("shop", url)
		c.Interval = 0
		if change != nil {
			change(&c)
		}
		return c
	}
	http3 := func(c *targetConfig) { c.HTTPVersion = "3" }
	contains := func(c *targetConfig) { c.Expect = &expectConfig{BodyContains: "cart"} }
	for name, tc := range map[string]struct {
		targets []*target
		want    int
	}{
		"none":                          {nil, 1},
		"one":                           {targets(1, time.Minute, with(plain, nil)), 1},
		"1,000 a second":                {targets(1000, time.Second, with(plain, nil)), 1},
		"1,500 a second":                {targets(150, 100*time.Millisecond, with(plain, nil)), 2},
		"500 a second with TLS":         {targets(500, time.Second, with(secure, nil)), 1},
		"900 a second with TLS":         {targets(900, time.Second, with(secure, nil)), 2},
		"400 a second over HTTP/3":      {targets(400, time.Second, with(secure, http3)), 2},
		"one whose body is looked into": {targets(1, time.Minute, with(plain, contains)), 2},
		"one that is compressed":        {targets(1, time.Minute, with(plain, func(c *targetConfig) { c.Compression = true })), 2},
		"more than the machine has":     {targets(100_000, time.Second, with(plain, nil)), 4},
		"as many, and their bodies":     {targets(100_000, time.Second, with(plain, contains)), 4},
	} {
		if got := processors(tc.targets, given); got != tc.want {
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
