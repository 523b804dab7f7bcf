package backoff

import (
	"testing"
	"time"
)

func TestWaitsGrowToTheMaximumAndStartAgainAfterReset(t *testing.T) {
	b := Backoff{Base: 100 * time.Millisecond, Max: time.Second}
	bounds := []time.Duration{100, 200, 400, 800, 1000, 1000, 1000}
	for range 100 {
		b.Reset()
		for i, ms := range bounds {
			bound := ms * time.Millisecond
			if got := b.Next(); got < bound/10 || got > bound {
				t.Fatalf("wait %d is %v, want between %v and %v", i, got, bound/10, bound)
			}
		}
	}
}

func TestManyFailuresDoNotOverflow(t *testing.T) {
	b := Backoff{Base: time.Second, Max: time.Minute}
	for range 1000 {
		if got := b.Next(); got <= 0 || got > time.Minute {
			t.Fatalf("wait is %v", got)
		}
	}
}

func TestZeroBackoffDoesNotWait(t *testing.T) {
	var b Backoff
	if got := b.Next(); got != 0 {
		t.Fatalf("wait is %v", got)
	}
}

func TestAWaitAfterFailuresThatOthersCountIsThatOfNext(t *testing.T) {
	b := Backoff{Base: 100 * time.Millisecond, Max: time.Second}
	for failures, ms := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		bound := ms * time.Millisecond
		for range 100 {
			if got := b.Wait(failures); got < bound/10 || got > bound {
				t.Fatalf("after %d failures the wait is %v, want between %v and %v", failures, got, bound/10, bound)
			}
		}
	}
	if got := b.Wait(1000); got < b.Max/10 || got > b.Max {
		t.Fatalf("after 1000 failures the wait is %v", got)
	}
}
