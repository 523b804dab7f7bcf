package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var at = time.Unix(1_760_000_000, 42)

func open(t testing.TB, dir string, opts Options) *Journal {
	t.Helper()
	j, _, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func add(t testing.TB, j *Journal, body string) uint64 {
	t.Helper()
	seq, err := j.Append('p', at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// bodies reads all entries from one on, as "seq:body", and damage as "first-end lost".
func bodies(t testing.TB, dir string, from uint64) (got []string) {
	t.Helper()
	r := Read(dir, from)
	defer r.Close()
	for {
		e, err := r.Next()
		var d Damage
		switch {
		case err == io.EOF:
			return got
		case errors.As(err, &d):
			got = append(got, fmt.Sprintf("%d-%d lost", d.First, d.End))
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, fmt.Sprintf("%d:%s", e.Seq, e.Body))
		}
	}
}

func wantBodies(t testing.TB, dir string, from uint64, want ...string) {
	t.Helper()
	if got := bodies(t, dir, from); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %.300q\nwant %.300q", got, want)
	}
}

func TestWhatWasAppendedIsReadInOrderAndAgainAfterOpening(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		j := open(t, dir, Options{SegmentBytes: 200})
		for i := range 10 {
			body := fmt.Sprintf("body-%d-%d", round, i)
			seq := add(t, j, body)
			want = append(want, fmt.Sprintf("%d:%s", seq, body))
		}
		wantBodies(t, dir, 1, want...)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantBodies(t, dir, 1, want...)
	wantBodies(t, dir, 17, want[16:]...)
	wantBodies(t, dir, 31)
	r := Read(dir, 1)
	defer r.Close()
	if e, err := r.Next(); err != nil || e.Kind != 'p' || !e.Time.Equal(at) {
		t.Errorf("%+v, %v", e, err)
	}
	for _, name := range []string{segmentName(1), commitName, "lock"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestATornEntryIsCutOffWhereverItIsTorn(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	add(t, j, "first")
	add(t, j, "second")
	_ = j.Close()
	path := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := headerSize + len("first")
	for cut := first; cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		wantBodies(t, dir, 1, "1:first")
		j, torn, err := Open(dir, Options{})
		if err != nil || torn != int64(cut-first) || j.Last() != 1 {
			t.Fatalf("cut at %d: %d bytes torn, last %d, %v", cut, torn, j.Last(), err)
		}
		add(t, j, "again")
		_ = j.Close()
		wantBodies(t, dir, 1, "1:first", "2:again")
	}
}

func TestDamageIsNamedAndCostsWhatItTouches(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 5 * (headerSize + 2)})
	for i := range 12 {
		add(t, j, fmt.Sprintf("%02d", i))
	}
	_ = j.Close()
	flip := func(path string, off int64) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[off] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []int64{2, 5} { // in the middle of the first segment, and at its end
		flip(filepath.Join(dir, segmentName(1)), seq*(headerSize+2)-1)
	}
	flip(filepath.Join(dir, segmentName(11)), headerSize) // in the newest, with a good one behind
	want := []string{"1:00", "2-3 lost", "3:02", "4:03", "5-6 lost", "6:05", "7:06", "8:07", "9:08", "10:09", "11-12 lost", "12:11"}
	wantBodies(t, dir, 1, want...)
	j = open(t, dir, Options{})
	if j.Last() != 12 {
		t.Errorf("the last entry is %d", j.Last())
	}
	add(t, j, "new")
	wantBodies(t, dir, 1, append(want, "13:new")...)
	if err := os.Remove(filepath.Join(dir, segmentName(6))); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, dir, 3, "3:02", "4:03", "5-11 lost", "11-12 lost", "12:11", "13:new")
}

func TestOnlyWhatIsCommittedIsDeleted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 100, MaxBytes: 1000, MaxAge: time.Hour})
	var err error
	n := uint64(0)
	for ; err == nil; n++ {
		_, err = j.Append('p', at, make([]byte, 50))
	}
	n-- // the last one was refused
	if !errors.Is(err, ErrFull) || n < 10 {
		t.Fatalf("after %d entries: %v", n, err)
	}
	if err := j.Prune(time.Now().Add(1000 * time.Hour)); err != nil || len(bodies(t, dir, 1)) != int(n) {
		t.Fatalf("%d of %d entries are left, %v", len(bodies(t, dir, 1)), n, err)
	}
	if err := j.Commit(n + 1); err == nil {
		t.Error("what is not on disk was committed")
	}
	if err := j.Sync(n); err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(3); err != nil {
		t.Fatal(err)
	}
	if seq := add(t, j, "room"); seq != n+1 {
		t.Errorf("the next entry is %d", seq)
	}
	if got := bodies(t, dir, 1); !strings.HasPrefix(got[0], "2:") {
		t.Errorf("more than was needed has gone: %q", got[0])
	}
	if err := j.Sync(n + 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Commit(n+1), j.Prune(time.Now())); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, dir, 1); len(got) < 10 {
		t.Errorf("%d are left of what is not old", len(got))
	}
	if err := j.Prune(time.Now().Add(2 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	j = open(t, dir, Options{})
	if j.Last() != n+1 || j.Committed() != n+1 {
		t.Errorf("last %d, committed %d, want %d", j.Last(), j.Committed(), n+1)
	}
}

// On a full disk some bytes are written and the rest is refused.
func TestAFullDiskRefusesAndLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	full := false
	j := open(t, dir, Options{write: func(f *os.File, b []byte, off int64) (int, error) {
		if full {
			n, _ := f.WriteAt(b[:len(b)/2], off)
			return n, syscall.ENOSPC
		}
		return f.WriteAt(b, off)
	}})
	add(t, j, "before")
	full = true
	if _, err := j.Append('p', at, []byte("refused")); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	wantBodies(t, dir, 1, "1:before")
	full = false
	if err := j.Sync(add(t, j, "after")); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, dir, 1, "1:before", "2:after")
}

func TestAfterAFailedSyncNothingIsPromisedButWhatWasSynced(t *testing.T) {
	dir := t.TempDir()
	broken := false
	j := open(t, dir, Options{sync: func(f *os.File) error {
		if broken {
			return syscall.EIO
		}
		return f.Sync()
	}})
	if err := j.Sync(add(t, j, "safe")); err != nil {
		t.Fatal(err)
	}
	seq := add(t, j, "not safe")
	broken = true
	if err := j.Sync(seq); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	broken = false
	if err := j.Sync(seq); err == nil {
		t.Error("a second sync has succeeded")
	}
	if _, err := j.Append('p', at, nil); err == nil {
		t.Error("a broken journal accepts")
	}
	_ = j.Close()
	j = open(t, dir, Options{})
	wantBodies(t, dir, 1, "1:safe")
	if seq := add(t, j, "again"); seq != 2 {
		t.Errorf("the next entry is %d", seq)
	}
}

func TestManySyncsShareOne(t *testing.T) {
	const callers = 50
	syncs, begun, release := 0, make(chan struct{}), make(chan struct{})
	j := open(t, t.TempDir(), Options{})
	j.opts.sync = func(f *os.File) error {
		if syncs++; syncs == 1 {
			close(begun)
			<-release
		}
		return f.Sync()
	}
	var wg sync.WaitGroup
	first := add(t, j, "x")
	wg.Go(func() {
		if err := j.Sync(first); err != nil {
			t.Error(err)
		}
	})
	<-begun
	for range callers {
		seq := add(t, j, "x")
		wg.Go(func() {
			if err := j.Sync(seq); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	wg.Wait()
	if syncs != 2 {
		t.Errorf("%d syncs for %d callers", syncs, callers+1)
	}
}

func TestOneProcessWrites(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
}

func TestATornCommitPointLeavesTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	for range 3 {
		seq := add(t, j, "x")
		if err := errors.Join(j.Sync(seq), j.Commit(seq)); err != nil {
			t.Fatal(err)
		}
	}
	slot := 1 - j.commit.slot
	_ = j.Close()
	f, err := os.OpenFile(filepath.Join(dir, commitName), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{9}, slot*slotDistance+6); err != nil {
		t.Fatal(err)
	}
	if j = open(t, dir, Options{}); j.Committed() != 2 {
		t.Errorf("committed %d", j.Committed())
	}
}

func TestNumbersOfDestroyedEntriesAreNotGivenAgain(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	for range 3 {
		seq := add(t, j, "x")
		if err := errors.Join(j.Sync(seq), j.Commit(seq)); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	if err := os.Truncate(filepath.Join(dir, segmentName(1)), headerSize+1); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	if seq := add(t, j, "new"); seq != 4 {
		t.Errorf("the next entry is %d", seq)
	}
	wantBodies(t, dir, 1, "1:x", "2-4 lost", "4:new")
}

func BenchmarkAppend(b *testing.B) {
	j := open(b, b.TempDir(), Options{})
	body := make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Append('p', at, body); errors.Is(err, ErrFull) {
			b.StopTimer()
			if err := errors.Join(j.Sync(j.Last()), j.Commit(j.Last())); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}
