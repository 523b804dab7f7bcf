package spool

import (
	"errors"
	"sync"
	"testing"
)

// putUntilFull appends records of n bytes on disk until one is refused, and returns how many bytes were taken.
func putUntilFull(t *testing.T, s *Spool, n int) (taken int64) {
	t.Helper()
	for {
		err := put(t, s, make([]byte, n-headerSize), 1)
		if errors.Is(err, ErrFull) {
			return taken
		}
		if err != nil {
			t.Fatal(err)
		}
		taken += int64(n)
	}
}

func TestSpoolsOfABoundLeaveEachOtherTheirShares(t *testing.T) {
	bound := NewBound(100_000)
	a, _ := mustOpen(t, t.TempDir(), Options{Bound: bound, Share: 10_000, SegmentBytes: 10_000})
	b, _ := mustOpen(t, t.TempDir(), Options{Bound: bound, Share: 20_000, SegmentBytes: 10_000})
	if n := putUntilFull(t, a, 1000); n != 80_000 {
		t.Errorf("the first took %d bytes, and the share of the second is 20,000 of 100,000", n)
	}
	if n := putUntilFull(t, b, 1000); n != 20_000 {
		t.Errorf("the second took %d bytes when the first was full", n)
	}
	if err := put(t, a, make([]byte, 80_000), 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append beyond what the first can ever have: %v", err)
	}
	records := drain(t, a)
	if err := a.Commit(records[len(records)-1].Seq); err != nil {
		t.Fatal(err)
	}
	if n := putUntilFull(t, b, 1000); n != 70_000 {
		t.Errorf("the second took %d bytes more when the first was drained, and the share of the first is 10,000", n)
	}
	b.Close()
	if n := putUntilFull(t, a, 1000); n < 90_000 {
		t.Errorf("the first took %d bytes when the second was closed", n)
	}
}

func TestSpoolsThatGrowAtOnceStayWithinTheirBound(t *testing.T) {
	const most = 3 << 20
	bound := NewBound(most)
	var spools []*Spool
	var all sync.WaitGroup
	for range 3 {
		s, _ := mustOpen(t, t.TempDir(), Options{Bound: bound, SegmentBytes: 64 << 10})
		spools = append(spools, s)
		for range 8 {
			all.Go(func() {
				for range 100 {
					all.Add(1)
					s.Append(make([]byte, 10_000), 1, func(error) { all.Done() })
				}
			})
		}
	}
	all.Wait()
	var sum int64
	for _, s := range spools {
		sum += s.Size()
	}
	if sum > most || sum < most-20_000 {
		t.Errorf("%d bytes are used of %d", sum, most)
	}
}
