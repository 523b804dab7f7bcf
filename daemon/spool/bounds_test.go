package spool

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAppendWaitsRatherThanTakingMemory(t *testing.T) {
	gate := &slowDisk{opened: make(chan struct{})}
	s, _ := mustOpen(t, t.TempDir(), Options{disk: gate})
	const big = gatherBytes / 4
	var accepted atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			s.Append(make([]byte, big), 1, func(error) { wg.Done() })
			accepted.Add(1)
		})
		wg.Add(1)
	}
	waitFor(t, "appends to wait", func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.waiting > 20
	})
	if n := accepted.Load(); n*big > 2*gatherBytes {
		t.Errorf("%d appends of %d bytes are held in memory", n, big)
	}
	close(gate.opened)
	wg.Wait()
	if st := s.Stats(); st.Appended != 40 {
		t.Errorf("appended %d of 40", st.Appended)
	}
}

func TestFullSpoolAcceptsAgainAfterCommit(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{SegmentBytes: 1 << 10, MaxBytes: 10 << 10})
	for round := range 5 {
		accepted := 0
		for {
			err := put(t, s, payloadOf(accepted, 200), 1)
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			accepted++
		}
		st := s.Stats()
		if st.DiskBytes > 10<<10 || accepted < 20 || st.Refused != uint64(round+1) {
			t.Fatalf("round %d: %d accepted, %+v", round, accepted, st)
		}
		records := drain(t, s)
		if len(records) != accepted {
			t.Fatalf("round %d: %d of %d came back", round, len(records), accepted)
		}
		if err := s.Commit(records[len(records)-1].Seq); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeliveredSegmentDoesNotFillTheSpool(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{SegmentBytes: 1 << 20, MaxBytes: 1000})
	for i := range 50 {
		putAll(t, s, i, i+1, 400)
		if err := s.Commit(mustRead(t, s).Seq); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusesWhatItCanNeverHold(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{MaxBytes: 1000})
	if err := put(t, s, make([]byte, 961), 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append beyond MaxBytes: %v", err)
	}
	if err := put(t, s, nil, -1); err == nil {
		t.Error("a negative number of points was accepted")
	}
	s, _ = mustOpen(t, t.TempDir(), Options{})
	if err := put(t, s, make([]byte, MaxPayload+1), 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append beyond MaxPayload: %v", err)
	}
	if err := put(t, s, make([]byte, MaxPayload), 1); err != nil {
		t.Errorf("append of MaxPayload: %v", err)
	}
	if n := len(mustRead(t, s).Payload); n != MaxPayload {
		t.Errorf("read %d bytes of %d", n, MaxPayload)
	}
}

func TestKeepsTheReservedSpaceFree(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{MinFree: 1 << 60})
	if err := put(t, s, []byte("x"), 1); !errors.Is(err, ErrFull) {
		t.Errorf("append into the reserve: %v", err)
	}
}

func TestReadsABacklogInLittleMemory(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	var wg sync.WaitGroup
	payload := make([]byte, 64<<10)
	const records = 1000
	wg.Add(records)
	for range records {
		s.Append(payload, 1, func(error) { wg.Done() })
	}
	wg.Wait()
	s.Close()
	s, _ = mustOpen(t, dir, Options{})
	var peak uint64
	for i := range records {
		rec := mustRead(t, s)
		if i%50 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			if err := s.Commit(rec.Seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	if peak > 8<<20 {
		t.Errorf("reading a backlog of 64 MB took %d bytes of heap", peak)
	}
}
