package spool

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

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

func TestNumbersGoOnAfterEverythingWasDelivered(t *testing.T) {
	for name, lose := range map[string]string{
		"nothing lost":  "",
		"cursor lost":   cursorName,
		"segments lost": "*" + segmentSuffix,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var last uint64
			for range 4 {
				s, repairs := mustOpen(t, dir, Options{SegmentBytes: 300})
				if len(repairs.Gaps) > 0 {
					t.Fatalf("a delivered spool has gaps: %+v", repairs)
				}
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

func TestDamagedCursorOnlyCausesRedelivery(t *testing.T) {
	zero := func(b []byte, from, to int) []byte {
		clear(b[from:to])
		return b
	}
	for name, c := range map[string]struct {
		damage func([]byte) []byte
		slots  int
		from   uint64
	}{
		"zeroed":      {func(b []byte) []byte { return zero(b, 0, len(b)) }, 2, 5},
		"emptied":     {func([]byte) []byte { return nil }, 2, 5},
		"first slot":  {func(b []byte) []byte { return zero(b, 0, slotSize) }, 1, 7},
		"second slot": {func(b []byte) []byte { return zero(b, slotDistance, slotDistance+slotSize) }, 1, 7},
		"torn":        {func(b []byte) []byte { return zero(b, 10, slotSize) }, 1, 7},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			damageable(t, dir)
			s, _ := mustOpen(t, dir, Options{})
			drain(t, s)
			if err := s.Commit(6); err != nil { // deletes the segment of 1 to 4
				t.Fatal(err)
			}
			s.Close()
			path := filepath.Join(dir, cursorName)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, repaired := range []bool{true, false} {
				s, repairs := mustOpen(t, dir, Options{})
				if want := map[bool]int{true: c.slots}[repaired]; repairs.CursorSlots != want {
					t.Errorf("%d slots were invalid, want %d", repairs.CursorSlots, want)
				}
				st := s.Stats()
				if st.Cursor+1 != c.from {
					t.Errorf("reading starts at %d, want %d", st.Cursor+1, c.from)
				}
				if st.Points != 66-st.Cursor*(st.Cursor-1)/2 {
					t.Errorf("%+v", st)
				}
				s.Close()
			}
		})
	}
}

func TestTornCursorWriteLeavesThePositionBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), cursorName)
	open := func(slots int, seq uint64) *cursorFile {
		t.Helper()
		c, e, valid, err := openCursor(path)
		if err != nil || valid != slots || e.delivered.seq != seq {
			t.Fatalf("cursor at %d in %d slots, want %d in %d: %v", e.delivered.seq, valid, seq, slots, err)
		}
		return c
	}
	c := open(0, 0)
	if err := c.reset(extent{}); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq < 10; seq++ {
		torn := c.slot
		if err := c.save(extent{delivered: position{seq: seq}}, false); err != nil {
			t.Fatal(err)
		}
		c.f.Close()
		flip(t, path, torn*slotDistance+4)
		c = open(1, seq-1)
		if err := c.save(extent{delivered: position{seq: seq}}, false); err != nil { // into the torn slot
			t.Fatal(err)
		}
		c.f.Close()
		c = open(2, seq)
	}
	c.f.Close()
}
