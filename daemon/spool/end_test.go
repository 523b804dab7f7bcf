package spool

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// endOf is the position behind record seq of a damageable spool.
func endOf(seq uint64) position { return position{seq: seq, points: seq * (seq - 1) / 2} }

// cursorTelling returns the contents of a cursor file, as it is when the process was killed in time.
func cursorTelling(t *testing.T, e extent) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), cursorName)
	c, _, _, err := openCursor(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.f.Close()
	if err := c.reset(e); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// firstVersion rewrites the contents of a cursor file as the first version wrote them.
func firstVersion(b []byte) []byte {
	for slot := range slotCount {
		s := b[slot*slotDistance:]
		copy(s, cursorMagic1)
		binary.LittleEndian.PutUint32(s[20:], crc32.Checksum(s[:20], castagnoli))
		clear(s[slotSize1:slotSize])
	}
	return b
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewestRecordsThatAreMissingAreReportedAndCounted(t *testing.T) {
	cut := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Truncate(segmentPath(dir, 9), size); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage    func(t *testing.T, dir string)
		delivered uint64
		first     uint64 // lost record; those behind it are lost too
	}{
		"newest segment removed":               {func(t *testing.T, dir string) { remove(t, segmentPath(dir, 9)) }, 0, 9},
		"newest segment emptied":               {cut(0), 0, 9},
		"newest segment cut":                   {cut(damageSize), 0, 10},
		"record cut":                           {cut(2*damageSize + 10), 0, 11},
		"last record damaged":                  {func(t *testing.T, dir string) { flip(t, segmentPath(dir, 9), 3*damageSize+50) }, 0, 12},
		"two segments removed":                 {func(t *testing.T, dir string) { remove(t, segmentPath(dir, 5), segmentPath(dir, 9)) }, 0, 5},
		"all segments removed":                 {func(t *testing.T, dir string) { remove(t, segmentsIn(t, dir)...) }, 0, 1},
		"partly delivered segment removed":     {func(t *testing.T, dir string) { remove(t, segmentsIn(t, dir)...) }, 10, 11},
		"partly delivered segment emptied":     {cut(0), 10, 11},
		"all removed that was not delivered":   {func(t *testing.T, dir string) { remove(t, segmentsIn(t, dir)...) }, 3, 4},
		"newest of two that are left, removed": {func(t *testing.T, dir string) { remove(t, segmentPath(dir, 9)) }, 6, 9},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			damageable(t, dir)
			s, _ := mustOpen(t, dir, Options{})
			drain(t, s)
			if err := s.Commit(c.delivered); err != nil {
				t.Fatal(err)
			}
			s.Close()
			c.damage(t, dir)

			s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
			lost := damageRecords - c.first + 1
			if len(repairs.Gaps) != 1 || repairs.Gaps[0].First != c.first || repairs.Gaps[0].Records != lost || repairs.TornBytes != 0 {
				t.Errorf("repairs %+v", repairs)
			}
			holds(t, s, except()[c.delivered:c.first-1])
			st := s.Stats()
			if st.Gaps != 1 || st.LostRecords != lost || st.LostPoints != endOf(damageRecords).points-endOf(c.first-1).points {
				t.Errorf("%+v", st)
			}
			if st.LastSeq != damageRecords+1 {
				t.Errorf("record %d was appended, though numbers up to %d were given", st.LastSeq, damageRecords)
			}
			s.Close()
			if s, repairs = mustOpen(t, dir, Options{}); !repairs.None() || s.Stats().LostPoints != 0 {
				t.Errorf("what was reported and passed is reported again: %+v", repairs)
			}
		})
	}
}

func TestRecordsBehindTheNotedEndAreThere(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	for delivered := range uint64(damageRecords + 1) {
		for end := delivered; end <= damageRecords; end++ {
			files[cursorName] = cursorTelling(t, extent{delivered: endOf(delivered), end: endOf(end)})
			restore(t, dir, files)
			s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
			if !repairs.None() {
				t.Fatalf("delivered up to %d, noted up to %d: repairs %+v", delivered, end, repairs)
			}
			holds(t, s, except()[delivered:])
			s.Close()
		}
	}
}

func TestANewSegmentNotesTheEndOfTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{SegmentBytes: 4 * damageSize})
	putAll(t, s, 0, 9, damagePayload)
	killed := t.TempDir()
	for _, name := range []string{cursorName, filepath.Base(segmentPath(dir, 1))} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(killed, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, repairs := mustOpen(t, killed, Options{})
	if len(repairs.Gaps) != 1 || repairs.Gaps[0].First != 5 || repairs.Gaps[0].Records != 4 {
		t.Errorf("the second segment is missing, and the third: repairs %+v", repairs)
	}
	holds(t, s, []uint64{1, 2, 3, 4})
}

func TestACursorOfTheFirstVersionIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	for delivered := range uint64(damageRecords + 1) {
		files[cursorName] = firstVersion(cursorTelling(t, extent{delivered: endOf(delivered)}))
		restore(t, dir, files)
		s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
		if !repairs.None() {
			t.Fatalf("delivered up to %d: repairs %+v", delivered, repairs)
		}
		s.Close()
		s, repairs = mustOpen(t, dir, Options{OnGap: noGaps(t)})
		if !repairs.None() {
			t.Fatalf("delivered up to %d, opened again: repairs %+v", delivered, repairs)
		}
		holds(t, s, except()[delivered:])
		s.Close()
	}
	files[cursorName] = firstVersion(cursorTelling(t, extent{}))
	restore(t, dir, files)
	s, _ := mustOpen(t, dir, Options{})
	s.Close()
	remove(t, segmentPath(dir, 9))
	if _, repairs := mustOpen(t, dir, Options{}); len(repairs.Gaps) != 1 {
		t.Errorf("the end was not noted when the cursor was taken over: repairs %+v", repairs)
	}
	restore(t, dir, map[string][]byte{cursorName: firstVersion(cursorTelling(t, extent{delivered: endOf(damageRecords)}))})
	s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
	if st := s.Stats(); !repairs.None() || st.LastSeq != damageRecords {
		t.Errorf("without segments: repairs %+v, %+v", repairs, st)
	}
}

func TestNewestRecordsThatWereDeliveredAreNotMissed(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	name := filepath.Base(segmentPath(dir, 9))
	files[cursorName] = cursorTelling(t, extent{delivered: endOf(damageRecords), end: endOf(damageRecords)})
	whole := files[name]
	for size := range whole {
		files[name] = whole[:size]
		restore(t, dir, files)
		s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
		if !repairs.None() {
			t.Fatalf("%d bytes are left: repairs %+v", size, repairs)
		}
		holds(t, s, nil)
		if st := s.Stats(); st.Gaps != 0 || st.LostPoints != 0 || st.LastSeq != damageRecords+1 {
			t.Fatalf("%d bytes are left: %+v", size, st)
		}
		s.Close()
	}
}

func TestADamagedCursorKnowsOfNoEnd(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	clear(files[cursorName])
	delete(files, filepath.Base(segmentPath(dir, 9)))
	restore(t, dir, files)
	s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
	if repairs.CursorSlots != slotCount || len(repairs.Gaps) != 0 {
		t.Errorf("repairs %+v", repairs)
	}
	holds(t, s, except(9, 10, 11, 12))
}

func TestRecordsOfAnotherSpoolAreReported(t *testing.T) {
	for name, c := range map[string]struct {
		first  uint64 // of the segment that is replaced
		points int    // of each foreign record
		gaps   []uint64
		lost   uint64
	}{
		// What is told is how far the totals jump: foreign points that take the place of others are not told from them.
		"oldest, by fewer points": {1, 1, []uint64{5}, 6 - 4},
		"oldest, by more points":  {1, 1000, []uint64{5}, 6},
		"middle, by fewer points": {5, 1, []uint64{5, 9}, 28 - 8},
		"middle, by more points":  {5, 1000, []uint64{5, 9}, 4 + 5 + 6 + 7},
		"newest, by fewer points": {9, 1, []uint64{9, 12}, 8 + 9 + 10 + 11},
	} {
		t.Run(name, func(t *testing.T) {
			dir, other := t.TempDir(), t.TempDir()
			damageable(t, dir)
			foreign, _ := mustOpen(t, other, Options{SegmentBytes: 4 * damageSize})
			for i := range damageRecords {
				if err := put(t, foreign, payloadOf(i, damagePayload), c.points); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(segmentPath(other, c.first))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(segmentPath(dir, c.first), b, 0o600); err != nil {
				t.Fatal(err)
			}
			var gaps gapsOf
			s, repairs := mustOpen(t, dir, Options{OnGap: gaps.add})
			if n := len(drain(t, s)); n != damageRecords {
				t.Errorf("read %d records, want %d", n, damageRecords)
			}
			putAll(t, s, 100, 101, damagePayload)
			mustRead(t, s)
			var at []uint64
			for _, g := range append(repairs.Gaps, gaps...) {
				at = append(at, g.First)
			}
			if !slices.Equal(at, c.gaps) {
				t.Errorf("gaps are reported at %v, want %v", at, c.gaps)
			}
			if st := s.Stats(); st.LostPoints != c.lost || st.LostRecords != 0 {
				t.Errorf("%+v, want %d lost points", st, c.lost)
			}
		})
	}
}

// A cursor that has just passed a gap does not always know of the points in it.
func TestAGapThatTheCursorHasPassedIsNoNews(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	for _, version := range []func([]byte) []byte{firstVersion, func(b []byte) []byte { return b }} {
		files[cursorName] = version(cursorTelling(t, extent{
			delivered: position{seq: 8, points: endOf(6).points},
			end:       endOf(damageRecords),
		}))
		restore(t, dir, files)
		s, repairs := mustOpen(t, dir, Options{OnGap: noGaps(t)})
		holds(t, s, except()[8:])
		if st := s.Stats(); !repairs.None() || st.Gaps != 0 || st.LostPoints != 0 {
			t.Errorf("%+v, repairs %+v", st, repairs)
		}
		s.Close()
	}
}
