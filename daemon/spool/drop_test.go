package spool

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// noGaps fails the test when damage is reported.
func noGaps(t testing.TB) func(Gap) {
	return func(g Gap) { t.Errorf("gap %+v", g) }
}

func mustDrop(t testing.TB, s *Spool) Dropped {
	t.Helper()
	d, err := s.DropOldest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDropOldestTakesTheOldestSegmentAndNoOther(t *testing.T) {
	dir := t.TempDir()
	opts := Options{SegmentBytes: 4 * damageSize, OnGap: noGaps(t)}
	s, _ := mustOpen(t, dir, opts)
	putAll(t, s, 0, damageRecords, damagePayload) // record seq has seq-1 points
	mustRead(t, s)
	if err := s.Commit(1); err != nil {
		t.Fatal(err)
	}
	if d := mustDrop(t, s); d != (Dropped{Records: 3, Points: 1 + 2 + 3, Bytes: 4 * damageSize}) {
		t.Errorf("dropped %+v", d)
	}
	if st := s.Stats(); st.Records != 8 || st.Points != 4+5+6+7+8+9+10+11 || st.DiskBytes != 8*damageSize || st.Bytes != 8*damageSize {
		t.Errorf("%+v", st)
	}
	oldest := s.Stats().Oldest
	s.Close()
	s, repairs := mustOpen(t, dir, opts)
	if st := s.Stats(); !repairs.None() || st.Records != 8 || !st.Oldest.Equal(oldest) {
		t.Errorf("after a restart: %+v, repairs %+v, oldest %v", st, repairs, oldest)
	}
	holds(t, s, except(1, 2, 3, 4))
}

func TestDropOldestTakesTheNewestSegmentWhenItIsTheOnlyOne(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{OnGap: noGaps(t)})
	if d := mustDrop(t, s); d != (Dropped{}) {
		t.Errorf("an empty spool dropped %+v", d)
	}
	putAll(t, s, 0, damageRecords, damagePayload)
	if d := mustDrop(t, s); d.Records != damageRecords || d.Points != 66 {
		t.Errorf("dropped %+v", d)
	}
	if d := mustDrop(t, s); d != (Dropped{}) {
		t.Errorf("a spool of which nothing waits dropped %+v", d)
	}
	holds(t, s, nil)
	s.Close()
	s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
	if st := s.Stats(); !repairs.None() || st.LastSeq != damageRecords+1 {
		t.Errorf("after a restart: %+v, repairs %+v", st, repairs)
	}
}

func TestWhatIsBeingDeliveredIsNotCountedAsDroppedUntilItIsLost(t *testing.T) {
	for _, delivered := range []uint64{0, 2, 3} {
		s, _ := mustOpen(t, t.TempDir(), Options{SegmentBytes: 4 * damageSize, OnGap: noGaps(t)})
		putAll(t, s, 0, damageRecords, damagePayload)
		for range 3 {
			mustRead(t, s)
		}
		if d := mustDrop(t, s); d.Records != 1 || d.Points != 3 {
			t.Errorf("dropped %+v, want the record that was not read", d)
		}
		if err := s.Commit(delivered); err != nil {
			t.Errorf("commit of a dropped record: %v", err)
		}
		if err := s.Commit(damageRecords); err == nil {
			t.Error("a record that was not read was committed")
		}
		if c := s.Stats().Cursor; c != 4 {
			t.Errorf("the cursor is at %d", c)
		}
		if n := len(drain(t, s)); n != 8 {
			t.Errorf("%d records are left, want 8", n)
		}
		s.Close()
		want := Dropped{Records: 4 - delivered, Points: 6 - map[uint64]uint64{0: 0, 2: 1, 3: 3}[delivered], Bytes: 4 * damageSize}
		if d := s.Stats().Dropped; d != want {
			t.Errorf("%d of 3 records were delivered: dropped %+v, want %+v", delivered, d, want)
		}
	}
}

func TestDropOldestLeavesAReaderThatIsAheadAlone(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{SegmentBytes: 4 * damageSize, OnGap: noGaps(t)})
	putAll(t, s, 0, damageRecords, damagePayload)
	for range 6 {
		mustRead(t, s)
	}
	if d := mustDrop(t, s); d.Records != 0 || d.Points != 0 || d.Bytes != 4*damageSize {
		t.Errorf("dropped %+v, though all of it was read", d)
	}
	if rec := mustRead(t, s); rec.Seq != 7 {
		t.Errorf("read record %d after the drop, want 7", rec.Seq)
	}
	if err := s.Commit(5); err != nil || s.Stats().Cursor != 5 {
		t.Errorf("cursor at %d: %v", s.Stats().Cursor, err)
	}
}

func TestAWaitingReaderDoesNotHoldUpADrop(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{OnGap: noGaps(t)})
	putAll(t, s, 0, 2, 10)
	drain(t, s)
	got := make(chan Record, 1)
	go func() { got <- mustRead(t, s) }()
	mustDrop(t, s)
	putAll(t, s, 2, 3, 10)
	if rec := <-got; rec.Seq != 3 {
		t.Errorf("read record %d, want 3", rec.Seq)
	}
}

func TestADropBesideDamageLosesNoMore(t *testing.T) {
	ruin := func(path string) error { return os.WriteFile(path, make([]byte, 4*damageSize), 0o600) }
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		lost   []uint64
	}{
		"first record of the next segment": {func(t *testing.T, dir string) { flip(t, segmentPath(dir, 5), 20) }, []uint64{1, 2, 3, 4, 5}},
		"next segment ruined": {func(t *testing.T, dir string) {
			if err := ruin(segmentPath(dir, 5)); err != nil {
				t.Fatal(err)
			}
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}},
		"next segment removed": {func(t *testing.T, dir string) {
			if err := os.Remove(segmentPath(dir, 5)); err != nil {
				t.Fatal(err)
			}
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}},
		"dropped segment": {func(t *testing.T, dir string) {
			if err := ruin(segmentPath(dir, 1)); err != nil {
				t.Fatal(err)
			}
		}, []uint64{1, 2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			damageable(t, dir)
			var gaps gapsOf
			s, _ := mustOpen(t, dir, Options{SegmentBytes: 4 * damageSize, OnGap: gaps.add})
			c.damage(t, dir)
			mustDrop(t, s)
			holds(t, s, except(c.lost...))
			if want := min(len(c.lost)-4, 1); len(gaps) != want {
				t.Errorf("%d gaps were reported, want %d: %+v", len(gaps), want, gaps)
			}
		})
	}
}

// TestEachRecordIsDeliveredOrDroppedAndCounted runs random calls against a model.
func TestEachRecordIsDeliveredOrDroppedAndCounted(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		opts := Options{SegmentBytes: 300, OnGap: noGaps(t)}
		s, _ := mustOpen(t, dir, opts)
		var last, read, cursor uint64 // of the model
		var droppedPoints, droppedRecords uint64
		pointsOf := func(from, to uint64) (n uint64) {
			for seq := from; seq <= to; seq++ {
				n += (seq - 1) % 7
			}
			return n
		}
		var unsettled []uint64 // read and not committed
		for range 200 {
			switch k := r.IntN(10); {
			case k < 4:
				if err := put(t, s, payloadOf(int(last), 20+r.IntN(150)), int(last%7)); err != nil {
					t.Fatal(err)
				}
				last++
			case k < 6:
				rec, ok, err := s.TryRead()
				if err != nil || ok != (read < last) {
					t.Fatalf("seed %d: read %v, %v after %d of %d", seed, ok, err, read, last)
				}
				if ok {
					if rec.Seq != read+1 || !strings.HasPrefix(string(rec.Payload), string(payloadOf(int(read), 0))) {
						t.Fatalf("seed %d: read record %d, want %d: %.20q", seed, rec.Seq, read+1, rec.Payload)
					}
					read++
					unsettled = append(unsettled, read)
				}
			case k < 8 && len(unsettled) > 0:
				n := 1 + r.IntN(len(unsettled))
				if err := s.Commit(unsettled[n-1]); err != nil {
					t.Fatal(err)
				}
				cursor = max(cursor, unsettled[n-1])
				unsettled = unsettled[n:]
			case k == 8:
				before := s.Stats()
				d := mustDrop(t, s)
				cursor = s.Stats().Cursor
				from := max(read, before.Cursor) + 1
				if cursor >= from {
					if d.Records != cursor+1-from || d.Points != pointsOf(from, cursor) {
						t.Fatalf("seed %d: dropped %+v, want records %d to %d with %d points", seed, d, from, cursor, pointsOf(from, cursor))
					}
				} else if d.Records != 0 || d.Points != 0 {
					t.Fatalf("seed %d: dropped %+v when all to %d was read", seed, d, read)
				}
				droppedRecords, droppedPoints = droppedRecords+d.Records, droppedPoints+d.Points
				read = max(read, cursor)
			case k == 9 && r.IntN(4) == 0:
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				for _, seq := range unsettled {
					if seq <= cursor { // it was dropped while it was being delivered
						droppedRecords, droppedPoints = droppedRecords+1, droppedPoints+(seq-1)%7
					}
				}
				if d := s.Stats().Dropped; d.Records != droppedRecords || d.Points != droppedPoints {
					t.Fatalf("seed %d: the spool counts %+v dropped, want %d records with %d points", seed, d, droppedRecords, droppedPoints)
				}
				var repairs Repairs
				if s, repairs = mustOpen(t, dir, opts); !repairs.None() {
					t.Fatalf("seed %d: repairs %+v", seed, repairs)
				}
				unsettled, read = nil, cursor
				droppedRecords, droppedPoints = 0, 0
			}
			st := s.Stats()
			if st.Cursor != cursor || st.LastSeq != last || st.Records != last-cursor || st.Points != pointsOf(cursor+1, last) {
				t.Fatalf("seed %d: %+v, want cursor %d, last %d, %d points", seed, st, cursor, last, pointsOf(cursor+1, last))
			}
		}
		s.Close()
	}
}

// dropping makes room by dropping the spool's own oldest segment.
func dropping(opts Options) (Options, *sync.Map) {
	var self sync.Map
	opts.MakeRoom = func() bool {
		s, _ := self.Load("spool")
		d, err := s.(*Spool).DropOldest()
		return err == nil && d.Bytes > 0
	}
	return opts, &self
}

// TestAFullDiskMakesRoomByDropping runs on a real full disk where this user may mount one, and always on an imitated one.
func TestAFullDiskMakesRoomByDropping(t *testing.T) {
	const records, size = 900, 10 << 10
	fill := func(t *testing.T, dir string, opts Options) {
		opts.SegmentBytes, opts.OnGap = 256<<10, noGaps(t)
		opts, self := dropping(opts)
		s, _ := mustOpen(t, dir, opts)
		self.Store("spool", s)
		putAll(t, s, 0, records, size)
		st := s.Stats()
		if st.Refused != 0 || st.Dropped.Records+st.Records != records || st.Dropped.Points+st.Points != records*(records-1)/2 {
			t.Errorf("%+v", st)
		}
		if st.DiskBytes < 2<<20 {
			t.Errorf("only %d bytes of 4 MiB are used", st.DiskBytes)
		}
		if got := drain(t, s); len(got) != int(st.Records) || string(got[len(got)-1].Payload) != string(payloadOf(records-1, size)) {
			t.Errorf("%d records are left", len(got))
		}
	}
	t.Run("imitated", func(t *testing.T) {
		dir := t.TempDir()
		fill(t, dir, Options{disk: &boundedDisk{dir: dir, capacity: 4 << 20}})
	})
	t.Run("bound", func(t *testing.T) { fill(t, t.TempDir(), Options{MaxBytes: 4 << 20}) })
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return
	}
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		mountSmall(t, dir)
		fill(t, dir+"/a", Options{})
		if err := os.RemoveAll(dir + "/a"); err != nil {
			t.Fatal(err)
		}
		fill(t, dir+"/b", Options{disk: blindDisk{}})
	})
}

// mountSmall mounts a disk of 4 MiB at dir until the test ends.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
}

// lateDisk has no room until some time after a file was deleted.
type lateDisk struct{ realDisk }

func (lateDisk) free(string) (int64, error) { return 0, nil }

func TestADiskThatIsSlowToTellCostsOneSegmentAnAppend(t *testing.T) {
	opts, self := dropping(Options{SegmentBytes: 1000, MinFree: 1000})
	s, _ := mustOpen(t, t.TempDir(), opts)
	self.Store("spool", s)
	putAll(t, s, 0, 60, 100)
	s.opts.disk = lateDisk{}
	before := s.Stats()
	if err := put(t, s, payloadOf(60, 100), 1); !errors.Is(err, ErrFull) {
		t.Fatalf("append: %v", err)
	}
	if n := s.Stats().DiskBytes; n < before.DiskBytes-1000 || n == before.DiskBytes {
		t.Errorf("%d bytes are left of %d", n, before.DiskBytes)
	}
}

func TestAppendsBehindAFailedOneFailUntilResume(t *testing.T) {
	gate := &slowDisk{opened: make(chan struct{})}
	s, _ := mustOpen(t, t.TempDir(), Options{disk: gate, MaxBytes: 1000, SegmentBytes: 1000})
	var mu sync.Mutex
	var answers []error
	var all sync.WaitGroup
	add := func(size int) {
		all.Add(1)
		s.Append(make([]byte, size), 1, func(err error) {
			mu.Lock()
			answers = append(answers, err)
			mu.Unlock()
			all.Done()
		})
	}
	add(300)
	waitFor(t, "the first to be taken", func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return len(s.queue.pending.entries) == 0
	})
	add(800) // has no room
	add(10)  // would have
	close(gate.opened)
	all.Wait()
	add(10)
	all.Wait()
	s.Resume()
	add(20)
	all.Wait()
	want := []bool{true, false, false, false, true}
	for i, err := range answers {
		if (err == nil) != want[i] || err != nil && !errors.Is(err, ErrFull) {
			t.Errorf("append %d: %v", i, err)
		}
	}
	if got := drain(t, s); len(got) != 2 || len(got[1].Payload) != 20 {
		t.Errorf("read %d records", len(got))
	}
}
