package pipeline

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func TestDeliveryKeepsTheOrderAndLinesWithNewlinesWhole(t *testing.T) {
	p := newPipeline(t, Options{})
	p.inOrder()
	s := p.testSource()
	store := new(memory)
	r := start(t, p, store)
	var want []string
	for n := range 300 {
		text := "first\nm n=1i 1\r\n\n"
		mustTake(t, s, encode(t, withText(2*n, text), numbered(2*n+1)))
		want = append(want, lineOf(2*n, text), lineOf(2*n+1, ""))
	}
	waitFor(t, "all lines", func() bool { return len(store.lines()) == len(want) })
	r.stop(t)
	wantLines(t, store.lines(), want...)
}

func TestPointsAreCommittedOnlyWhenTheStoreHasThem(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	store := &memory{permit: make(chan struct{})}
	mustTake(t, s, encode(t, numbered(0)))
	start(t, p, store)
	waitFor(t, "the first delivery", func() bool { return store.begun() == 1 })
	if c := p.samples.spool.Stats().Cursor; c != 0 {
		t.Errorf("committed up to record %d while the store had nothing", c)
	}
	store.permit <- struct{}{}
	waitFor(t, "the commit", func() bool { return p.samples.spool.Stats().Cursor == 1 })
	wantLines(t, store.lines(), lineOf(0, ""))
}

func TestWhatWasNotCommittedIsDeliveredAgainAfterARestart(t *testing.T) {
	dir := t.TempDir()
	first := openPipeline(t, dir, Options{})
	s := first.testSource()
	store := &memory{permit: make(chan struct{})}
	r := start(t, first, store)
	mustTake(t, s, encode(t, numbered(0)))
	store.permit <- struct{}{}
	waitFor(t, "the first commit", func() bool { return first.samples.spool.Stats().Cursor == 1 })
	for n := 1; n < 4; n++ {
		mustTake(t, s, encode(t, numbered(n)))
	}
	waitFor(t, "the second delivery", func() bool { return store.begun() == 2 })
	r.stop(t)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := openPipeline(t, dir, Options{})
	wantLines(t, delivered(t, second), lineOf(1, ""), lineOf(2, ""), lineOf(3, ""))
}

func TestARecordThatIsNoBlockIsPassedOver(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	mustTake(t, s, encode(t, numbered(0)))
	for _, junk := range []string{"x", "junk that is no block", "\x00\x00\x00\x00", "\xff\xff\xff\xffx", ""} {
		answered := make(chan error, 1)
		p.samples.spool.Append([]byte(junk), 1, func(err error) { answered <- err })
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	mustTake(t, s, encode(t, numbered(1)))
	wantLines(t, delivered(t, p), lineOf(0, ""), lineOf(1, ""))
}

func TestADeliveryIsBounded(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	const each = 1000
	var points [][]byte
	for n := range each {
		points = append(points, encode(t, numbered(n))...)
	}
	const batches = 2*deliveryPoints/each + 1
	for range batches {
		mustTake(t, s, points)
	}
	largest, total := 0, 0
	var mu sync.Mutex
	store := storeFunc(func(_ context.Context, lines [][]byte) error {
		mu.Lock()
		defer mu.Unlock()
		largest, total = max(largest, len(lines)), total+len(lines)
		return nil
	})
	r := start(t, p, store)
	waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
	r.stop(t)
	if largest < each || largest > deliveryPoints || total != batches*each {
		t.Errorf("the largest of the deliveries had %d lines, all %d of %d", largest, total, batches*each)
	}
}

type storeFunc func(context.Context, [][]byte) error

func (f storeFunc) Write(ctx context.Context, lines [][]byte) (influx.Result, error) {
	return influx.Result{Stored: len(lines)}, f(ctx, lines)
}

func TestRunEndsAndLeavesNoGoroutine(t *testing.T) {
	failure := errors.New("the store is gone for good")
	tests := map[string]struct {
		store Store
		end   func(*Pipeline, *running)
		want  error
	}{
		"idle, when its context ends": {new(memory), func(_ *Pipeline, r *running) { r.cancel() }, nil},
		"idle, when the spool closes": {new(memory), func(p *Pipeline, _ *running) { _ = p.Close() }, nil},
		"delivering, when its context ends": {
			&memory{permit: make(chan struct{})}, func(_ *Pipeline, r *running) { r.cancel() }, nil,
		},
		"when the store fails": {
			storeFunc(func(context.Context, [][]byte) error { return failure }), func(*Pipeline, *running) {}, failure,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, Options{})
			before := runtime.NumGoroutine()
			r := start(t, p, tc.store)
			mustTake(t, p.testSource(), encode(t, numbered(0)))
			if m, ok := tc.store.(*memory); ok {
				waitFor(t, "the delivery", func() bool { return m.begun() == 1 })
				if m.permit == nil {
					waitFor(t, "the commit", func() bool { return p.waiting() == 0 })
				}
			}
			tc.end(p, r)
			if err := r.wait(t); !errors.Is(err, tc.want) {
				t.Errorf("Run: %v, want %v", err, tc.want)
			}
			wantGoroutines(t, before)
		})
	}
}

func TestASpoolThatClosesDuringADeliveryEndsRunAndKeepsThePoints(t *testing.T) {
	dir := t.TempDir()
	p := openPipeline(t, dir, Options{})
	mustTake(t, p.testSource(), encode(t, numbered(0)))
	store := &memory{permit: make(chan struct{})}
	r := start(t, p, store)
	waitFor(t, "the delivery", func() bool { return store.begun() == 1 })
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	store.permit <- struct{}{}
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	again := delivered(t, openPipeline(t, dir, Options{}))
	if !slices.Equal(again, store.lines()) {
		t.Errorf("delivered again %q, want what could not be committed: %q", again, store.lines())
	}
}
