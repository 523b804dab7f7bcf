package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestReturnsRecordsInOrderAndAnswersEachAppendOnce(t *testing.T) {
	s, repairs := mustOpen(t, t.TempDir(), Options{SegmentBytes: 16 << 10})
	if !repairs.None() {
		t.Errorf("a new spool was repaired: %+v", repairs)
	}
	const producers, each = 8, 200
	answers := make([]atomic.Int32, producers*each)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			payload := make([]byte, 0, 300)
			for i := range each {
				payload = fmt.Appendf(payload[:0], "%d %d %s", p, i, strings.Repeat("x", i))
				s.Append(payload, i, func(err error) {
					if err != nil {
						t.Errorf("append: %v", err)
					}
					answers[p*each+i].Add(1)
				})
			}
		})
	}
	next := make([]int, producers)
	for n := range uint64(producers * each) {
		rec := mustRead(t, s)
		var p, i int
		if _, err := fmt.Sscan(string(rec.Payload), &p, &i); err != nil {
			t.Fatalf("record %d: %v", rec.Seq, err)
		}
		if rec.Seq != n+1 || i != next[p] || rec.Points != i || time.Since(rec.Time) > time.Minute {
			t.Fatalf("got record %d: %d of producer %d with %d points of %v, want record %d: %d", rec.Seq, i, p,
				rec.Points, rec.Time, n+1, next[p])
		}
		next[p]++
		if n%100 == 99 {
			if err := s.Commit(rec.Seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range answers {
		if n := answers[i].Load(); n != 1 {
			t.Fatalf("append %d was answered %d times", i, n)
		}
	}
}

func TestGathersManyAppendsIntoFewSyncs(t *testing.T) {
	gate := &slowDisk{opened: make(chan struct{})}
	s, _ := mustOpen(t, t.TempDir(), Options{disk: gate})
	const appends = 2000
	var answered, appended sync.WaitGroup
	answered.Add(appends)
	for range 20 {
		appended.Go(func() {
			for range appends / 20 {
				s.Append([]byte("m f=1 1"), 1, func(error) { answered.Done() })
			}
		})
	}
	appended.Wait()
	close(gate.opened)
	answered.Wait()
	if st := s.Stats(); st.Appended != appends || st.Syncs > 2 || st.MaxSync < st.LastSync {
		t.Errorf("%d appends took %d syncs, the longest %v, the last %v", st.Appended, st.Syncs, st.MaxSync, st.LastSync)
	}
}

func TestIdleSpoolDoesNotLinger(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{Linger: time.Hour})
	putAll(t, s, 0, 3, 10) // put gives up long before an hour
}

func TestWindowThatIsFullAgainDoesNotLinger(t *testing.T) {
	q := newQueue()
	until := time.Now()
	for range 3 {
		for range 8 {
			if err := q.add([]byte("m f=1 1"), 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		b := q.take(until)
		if len(b.entries) != 8 {
			t.Errorf("took %d records", len(b.entries))
		}
		q.release(b)
		until = time.Now().Add(time.Hour)
	}
}

func TestFullBatchDoesNotLinger(t *testing.T) {
	q := newQueue()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := q.add(make([]byte, gatherBytes*2/3), 1, nil); err != nil {
				t.Error(err)
			}
		})
	}
	if b := q.take(time.Now().Add(time.Hour)); len(b.entries) != 1 {
		t.Errorf("took %d records", len(b.entries))
	}
	wg.Wait()
}

func TestReadWaitsForARecordAndEndsWithItsContext(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("read of an empty spool: %v", err)
	}
	got := make(chan Record, 1)
	go func() { got <- mustRead(t, s) }()
	putAll(t, s, 1, 2, 50)
	if rec := <-got; !bytes.Equal(rec.Payload, payloadOf(1, 50)) {
		t.Errorf("read %q", rec.Payload)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Read(context.Background())
		ended <- err
	}()
	s.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("read of a closed spool: %v", err)
	}
}

func TestTryReadReturnsWhatIsThereAndDoesNotWait(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{})
	if rec, ok, err := s.TryRead(); ok || err != nil {
		t.Fatalf("an empty spool has %v, %v", rec, err)
	}
	putAll(t, s, 1, 3, 50)
	if rec := mustRead(t, s); rec.Seq != 1 {
		t.Errorf("first is %d", rec.Seq)
	}
	if rec, ok, err := s.TryRead(); !ok || err != nil || rec.Seq != 2 {
		t.Errorf("second is %v, %v, %v", rec, ok, err)
	}
	s.Close()
	if _, _, err := s.TryRead(); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed spool says %v", err)
	}
}

func TestCloseCommitsWhatIsQueuedAndRefusesTheRest(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{Linger: time.Hour})
	var failed atomic.Int32
	for i := range 100 {
		s.Append(payloadOf(i, 100), 1, func(err error) {
			if err != nil {
				failed.Add(1)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if n := failed.Load(); n != 0 {
		t.Errorf("%d queued appends failed", n)
	}
	if err := put(t, s, nil, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if err := s.Commit(1); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after close: %v", err)
	}
	s, _ = mustOpen(t, dir, Options{})
	if n := len(drain(t, s)); n != 100 {
		t.Errorf("%d of 100 records were kept", n)
	}
}

func TestOpenLooksAtFewOfManySegments(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{SegmentBytes: 1})
	const segments = 300
	putAll(t, s, 0, segments, 50)
	s.Close()
	paths := segmentsIn(t, dir)
	for i, path := range paths[1 : segments-1] {
		if i%3 == 0 {
			if err := os.WriteFile(path, []byte("ruined"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, repairs := mustOpen(t, dir, Options{})
	if st := s.Stats(); !repairs.None() || st.Records != segments || st.Gaps != 0 {
		t.Errorf("open has found %d gaps where it need not look: %+v", st.Gaps, repairs)
	}
	if n := len(drain(t, s)); n != segments-100 || s.Stats().Gaps != 100 {
		t.Errorf("read %d of %d records, over %d gaps", n, segments-100, s.Stats().Gaps)
	}
}

func TestStatsSayWhatWaits(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{SegmentBytes: 1000})
	putAll(t, s, 0, 30, 100) // record i has i points
	check := func(s *Spool, cursor uint64, points uint64) Stats {
		t.Helper()
		st := s.Stats()
		waiting := 30 - cursor
		if st.Records != waiting || st.Points != points || st.Bytes != int64(waiting)*(100+headerSize) ||
			st.LastSeq != 30 || st.Cursor != cursor || st.DiskBytes < st.Bytes {
			t.Fatalf("cursor %d: %+v", cursor, st)
		}
		return st
	}
	if st := check(s, 0, 435); st.Appended != 30 || st.Oldest.IsZero() {
		t.Errorf("%+v", st)
	}
	var times []time.Time
	for range 17 {
		times = append(times, mustRead(t, s).Time)
	}
	if st := check(s, 0, 435); !st.Oldest.Equal(times[0]) {
		t.Errorf("oldest is %v, want %v", st.Oldest, times[0])
	}
	if err := s.Commit(10); err != nil {
		t.Fatal(err)
	}
	if st := check(s, 10, 435-45); !st.Oldest.Equal(times[10]) {
		t.Errorf("oldest is %v, want %v", st.Oldest, times[10])
	}
	s.Close()
	s, _ = mustOpen(t, dir, Options{SegmentBytes: 1000})
	if st := check(s, 10, 435-45); !st.Oldest.Equal(times[10]) {
		t.Errorf("after a restart the oldest is %v, want %v", st.Oldest, times[10])
	}
	last := drain(t, s)[19]
	if err := s.Commit(last.Seq); err != nil {
		t.Fatal(err)
	}
	if st := check(s, 30, 0); !st.Oldest.IsZero() {
		t.Errorf("oldest is %v when nothing waits", st.Oldest)
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, _, err := Open(dir, Options{})
	if want := fmt.Sprintf("in use by process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second open: %v", err)
	}
	s.Close()
	mustOpen(t, dir, Options{})
}

func TestDirectoryThatCanNotBeIsNamedInTheError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(path, "below")} {
		if _, _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("open of %s: %v", dir, err)
		}
	}
}

func TestNobodyElseMayRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, _ := mustOpen(t, dir, Options{})
	putAll(t, s, 0, 1, 10)
	err := filepath.Walk(filepath.Dir(dir), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
