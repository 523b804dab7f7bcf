package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gate is a site that answers no request before it is opened, and counts those that it holds.
type gate struct {
	url  string
	open func()
	held atomic.Int64
}

func newGate(t *testing.T) *gate {
	t.Helper()
	opened := make(chan struct{})
	g := &gate{open: sync.OnceFunc(func() { close(opened) })}
	g.url = site(t, func(w http.ResponseWriter, r *http.Request) {
		g.held.Add(1)
		defer g.held.Add(-1)
		select {
		case <-opened:
		case <-r.Context().Done():
		}
	})
	// Before the site is closed, which waits for its requests.
	t.Cleanup(g.open)
	return g
}

func TestATargetThatHangsDelaysNoOtherAndItsSkippedStartsAreCounted(t *testing.T) {
	slow, hello := newGate(t), site(t, says(200, ""))
	s := startWatching(t, config{Targets: []targetConfig{targetAt("slow", slow.url), targetAt("quick", hello)}})
	waitFor(t, "points of the quick one and skipped starts of the slow one", func() bool {
		return len(s.of(t, "quick")) > 10 && s.Ticks().Skipped > 5
	})
	if held := slow.held.Load(); held != 1 || len(s.of(t, "slow")) > 0 {
		t.Errorf("the slow one is asked %d times at once and has %d points", held, len(s.of(t, "slow")))
	}
	slow.open()
	waitFor(t, "a point of the slow one", func() bool { return len(s.of(t, "slow")) > 0 })
}

func TestEachTargetHasItsOwnIntervalAndItsPointsTheTimeOfTheSchedule(t *testing.T) {
	hello := site(t, says(200, ""))
	often, seldom := targetAt("often", hello), targetAt("seldom", hello)
	seldom.Interval = 300 * time.Millisecond
	s := startWatching(t, config{Targets: []targetConfig{often, seldom}})
	waitFor(t, "points of both", func() bool { return len(s.of(t, "seldom")) > 3 && len(s.of(t, "often")) > 9 })
	s.end(t)
	for name, interval := range map[string]time.Duration{"often": 100 * time.Millisecond, "seldom": seldom.Interval} {
		points := s.of(t, name)
		first := points[0].Time
		for _, p := range points {
			// A busy machine may let a start be skipped, or be late and say so.
			if off := time.Duration(p.Time-first) % interval; off != 0 && s.Ticks().Skipped == 0 {
				t.Errorf("%s: a point is off its interval by %v", name, off)
			}
		}
	}
}

func TestATimeoutIsNotCutByTheInterval(t *testing.T) {
	target := targetAt("mute", "http://"+mute(t))
	target.Timeout = 350 * time.Millisecond // the interval is 100 ms
	p := collect(t, target)[0]
	if fields := values(t, p); fields["outcome"] != "timeout" || fields["total_time"].(float64) < 0.35 {
		t.Errorf("outcome %v after %v s", fields["outcome"], fields["total_time"])
	}
}

func TestARetryIsAProbeWithAPointOfItsOwn(t *testing.T) {
	var asked atomic.Int64
	url := site(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%3 != 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	target := targetAt("flaky", url)
	target.Interval, target.Timeout, target.Retries, target.RetryDelay = time.Second, 300*time.Millisecond, 5, time.Millisecond
	s := startWatching(t, config{Targets: []targetConfig{target}})
	waitFor(t, "a probe and two retries", func() bool { return len(s.of(t, "flaky")) >= 3 })
	for i, p := range s.of(t, "flaky")[:3] {
		if f := values(t, p); f["attempt"] != int64(i+1) || f["available"] != (i == 2) {
			t.Errorf("point %d has attempt %v, available %v", i, f["attempt"], f["available"])
		}
	}
}

func TestNothingIsTriedAgainUnlessItIsAskedFor(t *testing.T) {
	s := startWatching(t, config{Targets: []targetConfig{targetAt("refused", "http://"+closedPort(t))}})
	waitFor(t, "points", func() bool { return len(s.of(t, "refused")) > 3 })
	for _, p := range s.of(t, "refused") {
		if f := values(t, p); f["attempt"] != int64(1) || f["outcome"] != "connect" {
			t.Errorf("attempt %v, outcome %v", f["attempt"], f["outcome"])
		}
	}
}

func TestPointsSayWhetherTheVantagePointIsWell(t *testing.T) {
	hello := site(t, says(200, ""))
	for reference, want := range map[string]any{hello: true, "http://" + closedPort(t): false} {
		s := startWatching(t, config{Targets: []targetConfig{targetAt("a", hello)},
			SelfCheck: &selfCheckConfig{References: []string{reference}, Interval: time.Second, Timeout: patience}})
		waitFor(t, "a verdict in the points", func() bool {
			points := s.of(t, "a")
			return len(points) > 0 && values(t, points[len(points)-1])["vantage_ok"] == want
		})
		s.end(t)
	}
	if f := values(t, collect(t, targetAt("a", hello))[0]); f["vantage_ok"] != nil {
		t.Errorf("without a check vantage_ok is %v", f["vantage_ok"])
	}
}

func TestStoppingLeavesNothingAndCallsNobodyDown(t *testing.T) {
	slow := newGate(t)
	var targets []targetConfig
	for n := range 4 {
		targets = append(targets, targetAt(fmt.Sprint(n), slow.url))
	}
	before := runtime.NumGoroutine()
	s := startWatching(t, config{Targets: targets})
	waitFor(t, "the probes", func() bool { return slow.held.Load() == 4 })
	s.end(t)
	if points := s.out.Points(); len(points) > 0 {
		t.Errorf("%d points, the first is %v", len(points), points[0])
	}
	// Those of the site end when it notices that its clients have gone.
	waitFor(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestTwoTargetsOfTheSameSeriesAreRefused(t *testing.T) {
	a, b := targetAt("a", "http://a/"), targetAt("a", "http://a/")
	c := config{Concurrency: 1, Targets: []targetConfig{a, b}}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `target "a" is there twice`) {
		t.Errorf("error %v", err)
	}
	c.Targets[1].Labels = map[string]string{"line": "ct"}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
