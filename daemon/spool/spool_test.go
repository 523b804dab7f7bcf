package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

// mustOpen opens a spool that leaves no space to others, and closes it with the test.
func mustOpen(t testing.TB, dir string, opts Options) (*Spool, Repairs) {
	t.Helper()
	if opts.MinFree == 0 {
		opts.MinFree = -1
	}
	s, repairs, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, repairs
}

// put appends and waits for the answer.
func put(t testing.TB, s *Spool, payload []byte, points int) error {
	t.Helper()
	answer := make(chan error, 1)
	s.Append(payload, points, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-time.After(patience):
		t.Fatal("an append was not answered")
		return nil
	}
}

// payloadOf is what record i of a test holds; its length varies with i.
func payloadOf(i int, size int) []byte {
	b := fmt.Appendf(nil, "record %d ", i)
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for len(b) < size {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// putAll appends records from to to-1, one by one.
func putAll(t testing.TB, s *Spool, from, to, size int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := put(t, s, payloadOf(i, size), i); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
}

func mustRead(t testing.TB, s *Spool) Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rec, err := s.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// drain reads until nothing durable is left.
func drain(t testing.TB, s *Spool) []Record {
	t.Helper()
	var records []Record
	for {
		s.readMu.Lock()
		rec, ok, err := s.step()
		if ok {
			s.note(rec)
		}
		s.readMu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return records
		}
		records = append(records, rec)
	}
}

func segmentsIn(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

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

func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
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

func TestReadsAgainWhatWasNotCommitted(t *testing.T) {
	dir := t.TempDir()
	for _, segmentBytes := range []int64{1, 500, 1 << 20} {
		s, _ := mustOpen(t, dir, Options{SegmentBytes: segmentBytes})
		putAll(t, s, 0, 20, 60)
		for range 12 {
			mustRead(t, s)
		}
		at := s.Stats().Cursor
		if err := s.Commit(at + 7); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s, repairs := mustOpen(t, dir, Options{SegmentBytes: segmentBytes})
		records := drain(t, s)
		if len(records) != 13 || records[0].Seq != at+8 || !repairs.None() {
			t.Fatalf("read %d records from %d, repairs %+v", len(records), records[0].Seq, repairs)
		}
		if err := s.Commit(records[12].Seq); err != nil {
			t.Fatal(err)
		}
		if n := len(segmentsIn(t, dir)); n != 1 {
			t.Errorf("%d segments are left of a delivered spool", n)
		}
		s.Close()
	}
}

func TestCommitOfWhatWasNotReadIsRefused(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{})
	putAll(t, s, 0, 2, 10)
	mustRead(t, s)
	if err := s.Commit(2); err == nil || s.Stats().Cursor != 0 {
		t.Errorf("commit of an unread record: %v", err)
	}
	for range 2 { // a repeated commit is no error
		if err := s.Commit(1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCommitFreesSegmentsThoughTheCursorCanNotBeSaved(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{SegmentBytes: 1})
	putAll(t, s, 0, 10, 50)
	drain(t, s)
	s.cursor.f.Close()
	if err := s.Commit(10); !errors.Is(err, os.ErrClosed) {
		t.Errorf("commit without a cursor file: %v", err)
	}
	if n := len(segmentsIn(t, dir)); n != 1 || s.Stats().Cursor != 10 {
		t.Errorf("%d segments are left, cursor at %d", n, s.Stats().Cursor)
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

func TestNumbersGoOnAfterEverythingWasDelivered(t *testing.T) {
	for name, lose := range map[string]string{"nothing lost": "", "cursor lost": cursorName, "segments lost": "*" + segmentSuffix} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var last uint64
			for range 4 {
				s, _ := mustOpen(t, dir, Options{SegmentBytes: 300})
				putAll(t, s, 0, 10, 50)
				for _, rec := range drain(t, s) {
					if rec.Seq > last+10 {
						t.Fatalf("number %d after %d", rec.Seq, last)
					}
				}
				if got := s.Stats().LastSeq; got != last+10 {
					t.Fatalf("last number is %d, want %d", got, last+10)
				}
				last += 10
				if err := s.Commit(last); err != nil {
					t.Fatal(err)
				}
				s.Close()
				if lose == "" {
					continue
				}
				paths, _ := filepath.Glob(filepath.Join(dir, lose))
				for _, p := range paths {
					if err := os.Remove(p); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
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
