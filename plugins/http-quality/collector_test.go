package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

// collecting is a call of Collect under way.
type collecting struct {
	out   sdktest.Recorder
	ended chan error
}

func startCollecting(t *testing.T, ctx context.Context, c *collector) *collecting {
	t.Helper()
	run := &collecting{ended: make(chan error, 1)}
	var all sync.WaitGroup
	all.Go(func() { run.ended <- c.Collect(ctx, &run.out) })
	t.Cleanup(all.Wait)
	return run
}

func (c *collecting) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(patience):
		t.Fatal("Collect did not return")
		return nil
	}
}

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

func TestASlowTargetDelaysNoOther(t *testing.T) {
	slow := newGate(t)
	hello := site(t, says(200, ""))
	targets := []targetConfig{targetAt("slow", slow.url)}
	const fast = 20
	for n := range fast {
		targets = append(targets, targetAt(fmt.Sprint("fast ", n), hello))
	}
	run := startCollecting(t, context.Background(), mustCollector(t, 2, targets...))
	waitFor(t, "the points of all others", func() bool { return len(run.out.Points()) == fast })
	waitFor(t, "the slow target to be asked", func() bool { return slow.held.Load() == 1 })
	slow.open()
	if err := run.wait(t); err != nil {
		t.Error(err)
	}
	for _, p := range run.out.Points() {
		if values(t, p)["outcome"] != "ok" {
			t.Errorf("point %v", p)
		}
	}
	if n := len(run.out.Points()); n != fast+1 {
		t.Errorf("%d points of %d targets", n, fast+1)
	}
}

func TestNoMoreProbesRunAtOnceThanConfigured(t *testing.T) {
	const most, targets = 3, 30
	var now, highest atomic.Int64
	full := make(chan struct{})
	url := site(t, func(_ http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1) // before the answer leaves, so that the next probe is never counted beside this one
		for {
			h := highest.Load()
			if n <= h || highest.CompareAndSwap(h, n) {
				break
			}
		}
		// The first ones wait until as many are there as may be, so that one too many would be there as well.
		if n == most {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		select {
		case <-full:
		case <-r.Context().Done():
		}
	})
	var all []targetConfig
	for n := range targets {
		all = append(all, targetAt(fmt.Sprint(n), url))
	}
	run := startCollecting(t, context.Background(), mustCollector(t, most, all...))
	if err := run.wait(t); err != nil {
		t.Error(err)
	}
	if highest.Load() != most || len(run.out.Points()) != targets {
		t.Errorf("%d probes ran at once, and %d of %d targets have a point", highest.Load(), len(run.out.Points()), targets)
	}
}

func TestProbesThatAStopCutsShortMakeNoPoints(t *testing.T) {
	slow := newGate(t)
	before := runtime.NumGoroutine()
	var targets []targetConfig
	for n := range 100 {
		targets = append(targets, targetAt(fmt.Sprint(n), slow.url))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	run := startCollecting(t, ctx, mustCollector(t, 4, targets...))
	waitFor(t, "the probes", func() bool { return slow.held.Load() == 4 })
	cancel()
	start := time.Now()
	if err := run.wait(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > patience/4 {
		t.Errorf("Collect took %v to stop", took)
	}
	if points := run.out.Points(); len(points) > 0 {
		t.Errorf("%d points, the first is %v", len(points), points[0])
	}
	// Those of the site end when it notices that its clients have gone.
	waitFor(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

// tick is the context of a tick whose time is over when the test says so.
type tick struct {
	context.Context
	over chan struct{}
}

func (t tick) Done() <-chan struct{} { return t.over }

func (t tick) Err() error {
	select {
	case <-t.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestProbesThatTheTicksEndCutsShortAreTimeouts(t *testing.T) {
	slow := newGate(t)
	var targets []targetConfig
	const probed, all = 4, 10
	for n := range all {
		targets = append(targets, targetAt(fmt.Sprint(n), slow.url))
	}
	ctx := tick{context.Background(), make(chan struct{})}
	run := startCollecting(t, ctx, mustCollector(t, probed, targets...))
	waitFor(t, "the probes", func() bool { return slow.held.Load() == probed })
	close(ctx.over)
	err := run.wait(t)
	points := run.out.Points()
	for _, p := range points {
		if fields := values(t, p); fields["outcome"] != "timeout" || fields["up"] != int64(0) {
			t.Errorf("outcome is %v, up %v", fields["outcome"], fields["up"])
		}
	}
	// Of the others nothing is known: a point that calls them down would raise a false alarm.
	if len(points) != probed {
		t.Errorf("%d points, when %d of %d targets could be probed", len(points), probed, all)
	}
	if err == nil || !strings.Contains(err.Error(), "6 of 10 targets") || !strings.Contains(err.Error(), "concurrency") {
		t.Errorf("error is %v, want one that counts the others and says what to do", err)
	}
}

func TestEachTickProbesEveryTargetAnew(t *testing.T) {
	var asked atomic.Int64
	url := site(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	c := mustCollector(t, 2, targetAt("a", url), targetAt("b", url), targetAt("c", url))
	var out sdktest.Recorder
	for range 5 {
		if err := c.Collect(context.Background(), &out); err != nil {
			t.Fatal(err)
		}
	}
	if len(out.Points()) != 15 || asked.Load() != 15 {
		t.Errorf("%d points of %d requests, want 15", len(out.Points()), asked.Load())
	}
}

func TestWithoutTargetsNothingIsCollected(t *testing.T) {
	var out sdktest.Recorder
	if err := mustCollector(t, 64).Collect(context.Background(), &out); err != nil || len(out.Points()) > 0 {
		t.Errorf("%d points, error %v", len(out.Points()), err)
	}
}
