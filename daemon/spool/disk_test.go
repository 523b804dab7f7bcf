package spool

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
)

// slowDisk syncs nothing before opened is closed.
type slowDisk struct {
	realDisk
	opened chan struct{}
}

func (d *slowDisk) open(path string, flag int) (file, error) {
	f, err := d.realDisk.open(path, flag)
	return slowFile{f, d.opened}, err
}

type slowFile struct {
	file
	opened chan struct{}
}

func (f slowFile) Sync() error {
	<-f.opened
	return f.file.Sync()
}

// faultyDisk fails what it is told to, as often as it is told to.
type faultyDisk struct {
	realDisk
	syncs, truncates, opens atomic.Int32 // how many of the next ones fail
	capacity                atomic.Int64 // bytes that each file may have; 0 is no bound
}

func (d *faultyDisk) open(path string, flag int) (file, error) {
	if take(&d.opens) {
		return nil, &os.PathError{Op: "open", Path: path, Err: syscall.ENOSPC}
	}
	f, err := d.realDisk.open(path, flag)
	return faultyFile{f, d}, err
}

// take counts n down and says whether it was above zero.
func take(n *atomic.Int32) bool {
	if n.Load() <= 0 {
		return false
	}
	n.Add(-1)
	return true
}

type faultyFile struct {
	file
	disk *faultyDisk
}

func (f faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if room := f.disk.capacity.Load() - off; f.disk.capacity.Load() > 0 && int64(len(p)) > room {
		n, _ := f.file.WriteAt(p[:max(room, 0)], off)
		return n, syscall.ENOSPC
	}
	return f.file.WriteAt(p, off)
}

func (f faultyFile) Sync() error {
	if take(&f.disk.syncs) {
		return syscall.EIO
	}
	return f.file.Sync()
}

func (f faultyFile) Truncate(size int64) error {
	if take(&f.disk.truncates) {
		return syscall.EIO
	}
	return f.file.Truncate(size)
}

// sound checks that the spool in dir, opened anew, holds records want of putAll and nothing else, without repairs.
func sound(t *testing.T, dir string, want []int, size int) {
	t.Helper()
	s, repairs := mustOpen(t, dir, Options{OnGap: func(g Gap) { t.Errorf("gap %+v", g) }})
	defer s.Close()
	if !repairs.None() {
		t.Errorf("repairs %+v", repairs)
	}
	records := drain(t, s)
	if len(records) != len(want) {
		t.Fatalf("%d records, want %d", len(records), len(want))
	}
	for i, rec := range records {
		if rec.Seq != uint64(i+1) || string(rec.Payload) != string(payloadOf(want[i], size)) {
			t.Fatalf("record %d is %.20q, want %d", rec.Seq, rec.Payload, want[i])
		}
	}
}

func TestFailedSyncIsMadeGoodInANewSegment(t *testing.T) {
	for _, before := range []int{0, 3} {
		dir, d := t.TempDir(), &faultyDisk{}
		s, _ := mustOpen(t, dir, Options{disk: d})
		putAll(t, s, 0, before, 100)
		d.syncs.Store(1)
		d.truncates.Store(1) // so that the unsynced record stays in the old segment
		putAll(t, s, before, 6, 100)
		if n := len(segmentsIn(t, dir)); n != 1+min(before, 1) {
			t.Errorf("%d segments after %d records and a failed sync", n, before)
		}
		if n := len(drain(t, s)); n != 6 {
			t.Errorf("%d of 6 records were read", n)
		}
		s.Close()
		sound(t, dir, []int{0, 1, 2, 3, 4, 5}, 100)
	}
}

func TestRepeatedlyFailedSyncFailsTheAppend(t *testing.T) {
	dir, d := t.TempDir(), &faultyDisk{}
	s, _ := mustOpen(t, dir, Options{disk: d})
	putAll(t, s, 0, 3, 100)
	d.syncs.Store(2)
	if err := put(t, s, payloadOf(99, 100), 1); !errors.Is(err, syscall.EIO) {
		t.Fatalf("append: %v", err)
	}
	putAll(t, s, 3, 6, 100)
	s.Close()
	sound(t, dir, []int{0, 1, 2, 3, 4, 5}, 100)
}

func TestShortWriteIsCutOffOrLeftBehind(t *testing.T) {
	for _, stuck := range []int32{0, 1} {
		dir, d := t.TempDir(), &faultyDisk{}
		s, _ := mustOpen(t, dir, Options{disk: d})
		putAll(t, s, 0, 3, 100)
		d.capacity.Store(3*140 + 77)
		d.truncates.Store(stuck)
		if err := put(t, s, payloadOf(99, 100), 1); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("append on a full disk: %v", err)
		}
		d.capacity.Store(0)
		putAll(t, s, 3, 6, 100)
		if n := len(segmentsIn(t, dir)); n != 1+int(stuck) {
			t.Errorf("%d segments", n)
		}
		s.Close()
		sound(t, dir, []int{0, 1, 2, 3, 4, 5}, 100)
	}
}

func TestSegmentThatCanNotBeCreatedFailsTheAppendOnly(t *testing.T) {
	dir, d := t.TempDir(), &faultyDisk{}
	s, _ := mustOpen(t, dir, Options{disk: d, SegmentBytes: 1})
	putAll(t, s, 0, 3, 100)
	d.opens.Store(3)
	for range 3 {
		if err := put(t, s, payloadOf(99, 100), 1); !errors.Is(err, ErrFull) {
			t.Fatalf("append: %v", err)
		}
	}
	putAll(t, s, 3, 6, 100)
	s.Close()
	sound(t, dir, []int{0, 1, 2, 3, 4, 5}, 100)
}

// boundedDisk is a full disk for those who can not mount one: all segments share its capacity.
type boundedDisk struct {
	realDisk
	dir      string
	capacity int64
}

func (d *boundedDisk) free(string) (int64, error) { return 0, syscall.ENOSYS }

func (d *boundedDisk) open(path string, flag int) (file, error) {
	f, err := d.realDisk.open(path, flag)
	return boundedFile{f, d}, err
}

type boundedFile struct {
	file
	disk *boundedDisk
}

func (f boundedFile) WriteAt(p []byte, off int64) (int, error) {
	segments, err := listSegments(f.disk.dir)
	if err != nil {
		return 0, err
	}
	room := f.disk.capacity
	for _, seg := range segments {
		room -= seg.size
	}
	if int64(len(p)) > room {
		n, _ := f.file.WriteAt(p[:max(room, 0)], off)
		return n, syscall.ENOSPC
	}
	return f.file.WriteAt(p, off)
}

// TestFullDiskLosesNothingAndCommitMakesRoom runs on a real full disk where this user may mount one, and always on an
// imitated one.
func TestFullDiskLosesNothingAndCommitMakesRoom(t *testing.T) {
	const capacity = 4 << 20
	t.Run("imitated", func(t *testing.T) {
		dir := t.TempDir()
		fillAndFree(t, dir, Options{disk: &boundedDisk{dir: dir, capacity: capacity}})
	})
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return
	}
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", dir).CombinedOutput(); err != nil {
			t.Fatalf("mount: %v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v: %s", err, out)
			}
		})
		t.Run("statfs", func(t *testing.T) { fillAndFree(t, dir+"/a", Options{}) })
		if err := os.RemoveAll(dir + "/a"); err != nil {
			t.Fatal(err)
		}
		// Where the free space is not known beforehand, as with quotas, the write itself fails.
		t.Run("write", func(t *testing.T) { fillAndFree(t, dir+"/b", Options{disk: blindDisk{}}) })
	})
}

type blindDisk struct{ realDisk }

func (blindDisk) free(string) (int64, error) { return 0, syscall.ENOSYS }

func fillAndFree(t *testing.T, dir string, opts Options) {
	opts.SegmentBytes = 256 << 10
	opts.OnGap = func(g Gap) { t.Errorf("gap %+v", g) }
	s, _ := mustOpen(t, dir, opts)
	next, appended := uint64(1), 0
	for round := range 3 {
		refused := 0
		for refused < 20 {
			err := put(t, s, payloadOf(appended, 10<<10), 1)
			if err == nil {
				appended++
			} else if !errors.Is(err, ErrFull) {
				t.Fatalf("append on a full disk: %v", err)
			} else {
				refused++
			}
		}
		if round == 1 { // a restart on the full disk
			s.Close()
			var repairs Repairs
			if s, repairs = mustOpen(t, dir, opts); !repairs.None() {
				t.Errorf("repairs %+v", repairs)
			}
		}
		for range 120 {
			rec := mustRead(t, s)
			if rec.Seq != next || string(rec.Payload) != string(payloadOf(int(next)-1, 10<<10)) {
				t.Fatalf("read record %d, want %d", rec.Seq, next)
			}
			if err := s.Commit(rec.Seq); err != nil {
				t.Fatalf("commit on a full disk: %v", err)
			}
			next++
		}
	}
	if appended < 600 {
		t.Errorf("only %d records found room", appended)
	}
	if n := len(drain(t, s)); uint64(n) != uint64(appended)+1-next {
		t.Errorf("%d of %d records are left", n, uint64(appended)+1-next)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
