package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const (
	damageRecords = 12
	damagePayload = 30
	damageSize    = damagePayload + headerSize
)

// damageable makes a spool of three segments with four records each and returns its files' contents.
func damageable(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	s, _, err := Open(dir, Options{SegmentBytes: 4 * damageSize, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	putAll(t, s, 0, damageRecords, damagePayload)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(segmentsIn(t, dir)); n != 3 {
		t.Fatalf("%d segments, want 3", n)
	}
	return files
}

// restore makes dir hold files and nothing else.
func restore(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// except returns the numbers of all records of a damageable spool but some.
func except(lost ...uint64) []uint64 {
	var seqs []uint64
	for seq := uint64(1); seq <= damageRecords; seq++ {
		if !slices.Contains(lost, seq) {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// holds checks that s gives the records with these numbers, each as it was appended, and then takes and gives another.
func holds(t *testing.T, s *Spool, want []uint64) {
	t.Helper()
	var got []uint64
	for _, rec := range drain(t, s) {
		got = append(got, rec.Seq)
		i := int(rec.Seq) - 1
		if !bytes.Equal(rec.Payload, payloadOf(i, damagePayload)) || rec.Points != i {
			t.Fatalf("record %d came back as %q with %d points", rec.Seq, rec.Payload, rec.Points)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("read %v, want %v", got, want)
	}
	putAll(t, s, 100, 101, damagePayload)
	rec := mustRead(t, s)
	if !bytes.Equal(rec.Payload, payloadOf(100, damagePayload)) {
		t.Fatalf("the record after the damage is %q", rec.Payload)
	}
	if err := s.Commit(rec.Seq); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Records != 0 || st.Cursor != rec.Seq {
		t.Fatalf("after all was delivered: %+v", st)
	}
}

// gapsOf is an Options.OnGap that remembers.
type gapsOf []Gap

func (g *gapsOf) add(gap Gap) { *g = append(*g, gap) }

func TestTornTailCostsOnlyTheTornRecord(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	name := filepath.Base(segmentPath(dir, 9))
	whole := files[name]
	files[cursorName] = cursorTelling(t, extent{end: endOf(8)})
	for cut := range damageSize {
		files[name] = whole[:3*damageSize+cut]
		restore(t, dir, files)
		s, repairs := mustOpen(t, dir, Options{SegmentBytes: 4 * damageSize})
		if repairs.TornBytes != int64(cut) || len(repairs.Gaps) != 0 || (repairs.TornKept == "") != (cut == 0) {
			t.Fatalf("cut at byte %d: repairs %+v", cut, repairs)
		}
		holds(t, s, except(12))
		s.Close()
	}
}

func TestZerosBehindTheTailAreCut(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	name := filepath.Base(segmentPath(dir, 9))
	files[name] = append(files[name], make([]byte, 10000)...)
	restore(t, dir, files)
	s, repairs := mustOpen(t, dir, Options{})
	if repairs.TornBytes != 10000 {
		t.Errorf("repairs %+v", repairs)
	}
	holds(t, s, except())
}

// TestFlippedBitCostsOnlyItsRecord damages every byte of every segment, once before Open and once while it is open.
func TestFlippedBitCostsOnlyItsRecord(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	for n := range damageRecords * damageSize {
		lost := uint64(n/damageSize + 1)
		path := segmentPath(dir, (lost-1)/4*4+1)
		off := n % (4 * damageSize)
		damaged := slices.Clone(files[filepath.Base(path)])
		damaged[off] ^= 1 << (n % 8)

		for _, opened := range []bool{false, true} {
			restore(t, dir, files)
			damage := func() {
				if err := os.WriteFile(path, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if !opened {
				damage()
			}
			var gaps gapsOf
			s, repairs := mustOpen(t, dir, Options{OnGap: gaps.add})
			if opened {
				damage()
				s.reader.buf = nil // what was read ahead would hide the damage
			}
			holds(t, s, except(lost))
			st := s.Stats()
			s.Close()
			gaps = append(gaps, repairs.Gaps...)
			start := int64(off) / damageSize * damageSize
			if len(gaps) != 1 || gaps[0].Segment != path || gaps[0].Offset != start || gaps[0].Bytes != damageSize ||
				gaps[0].First != lost || gaps[0].Records != 1 {
				t.Fatalf("byte %d of %s: gaps %+v", off, path, gaps)
			}
			if st.Gaps != 1 || st.LostRecords != 1 || st.LostPoints != lost-1 || st.LostBytes != damageSize {
				t.Fatalf("byte %d of %s: %+v", off, path, st)
			}
			kept, err := os.ReadFile(gaps[0].Kept)
			if err != nil || !bytes.Equal(kept, damaged[start:start+damageSize]) {
				t.Fatalf("byte %d of %s: kept %q: %v", off, path, kept, err)
			}
		}
	}
}

func TestRemovedSegmentIsReportedAndPassed(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	for _, c := range []struct {
		first uint64
		lost  []uint64
	}{{1, []uint64{1, 2, 3, 4}}, {5, []uint64{5, 6, 7, 8}}} {
		for _, opened := range []bool{false, true} {
			restore(t, dir, files)
			var gaps gapsOf
			remove := func() {
				if err := os.Remove(segmentPath(dir, c.first)); err != nil {
					t.Fatal(err)
				}
			}
			if !opened {
				remove()
			}
			s, repairs := mustOpen(t, dir, Options{OnGap: gaps.add})
			if opened {
				remove()
			}
			if opened && c.first == 1 {
				holds(t, s, except()) // it is open already: nothing is lost
				s.Close()
				continue
			}
			holds(t, s, except(c.lost...))
			s.Close()
			gaps = append(gaps, repairs.Gaps...)
			if len(gaps) != 1 || gaps[0].First != c.first || gaps[0].Records != 4 || gaps[0].Bytes != 0 {
				t.Fatalf("segment %d removed: gaps %+v", c.first, gaps)
			}
		}
	}
}

func TestRuinedSegmentCostsItsOwnRecords(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	for name, ruin := range map[string]func([]byte) []byte{
		"emptied": func([]byte) []byte { return nil },
		"zeroed":  func(b []byte) []byte { return make([]byte, len(b)) },
		"halved":  func(b []byte) []byte { return b[:len(b)/2+10] },
		"doubled": func(b []byte) []byte { return append(bytes.Clone(b), b...) },
		"swapped": func([]byte) []byte { return files[filepath.Base(segmentPath(dir, 9))] },
	} {
		lost := map[string][]uint64{"halved": {7, 8}, "doubled": {}}
		want, partly := lost[name]
		if !partly {
			want = []uint64{5, 6, 7, 8}
		}
		t.Run(name, func(t *testing.T) {
			restore(t, dir, files)
			path := segmentPath(dir, 5)
			if err := os.WriteFile(path, ruin(files[filepath.Base(path)]), 0o600); err != nil {
				t.Fatal(err)
			}
			s, _ := mustOpen(t, dir, Options{})
			holds(t, s, except(want...))
			if st := s.Stats(); st.LostRecords != uint64(len(want)) {
				t.Errorf("%+v", st)
			}
			s.Close()
		})
	}
}

func TestGapAtTheEndDoesNotWaitForADelivery(t *testing.T) {
	for _, passed := range []bool{false, true} { // when the record before it is committed
		dir := t.TempDir()
		damageable(t, dir)
		s, _ := mustOpen(t, dir, Options{})
		if err := os.WriteFile(segmentPath(dir, 9), make([]byte, 4*damageSize), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			mustRead(t, s)
		}
		if passed {
			drain(t, s)
		}
		if err := s.Commit(8); err != nil {
			t.Fatal(err)
		}
		if n := len(drain(t, s)); n != 0 {
			t.Fatalf("%d more records", n)
		}
		if st := s.Stats(); st.Records != 0 || st.Points != 0 || st.Cursor != 12 || st.LostPoints != 8+9+10+11 {
			t.Errorf("%+v", st)
		}
	}
}

func TestEmptyNewestSegmentKnowsItsNumberAfterADamagedOne(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	files[filepath.Base(segmentPath(dir, 9))] = nil
	files[cursorName] = cursorTelling(t, extent{})
	restore(t, dir, files)
	flip(t, segmentPath(dir, 5), 3*damageSize+20)
	s, _ := mustOpen(t, dir, Options{})
	if last := s.Stats().LastSeq; last != 8 {
		t.Errorf("the last number is %d, want 8", last)
	}
	holds(t, s, except(8, 9, 10, 11, 12))
}

func TestGapBeforeTheCursorIsNoNews(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	putAll(t, s, 0, damageRecords, damagePayload)
	drain(t, s)
	if err := s.Commit(6); err != nil {
		t.Fatal(err)
	}
	s.Close()
	flip(t, segmentPath(dir, 1), 2*damageSize+50)
	s, repairs := mustOpen(t, dir, Options{OnGap: func(g Gap) { t.Errorf("gap %+v", g) }})
	if !repairs.None() {
		t.Errorf("repairs %+v", repairs)
	}
	holds(t, s, []uint64{7, 8, 9, 10, 11, 12})
	if st := s.Stats(); st.LostPoints != 0 {
		t.Errorf("points that were delivered count as lost: %+v", st)
	}
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeptBytesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	seg := &segment{path: segmentPath(dir, 1)}
	zeros := bytes.NewReader(make([]byte, keptBytes*2))
	for i := range 10 {
		if path := s.keep(seg, zeros, int64(i), keptBytes/4+1); path == "" {
			t.Fatal("nothing was kept")
		}
	}
	s.keep(seg, zeros, 9, keptBytes/4+1) // the same place again
	if n := len(keptIn(t, dir)); n != 3 {
		t.Errorf("%d copies are kept, want 3", n)
	}
	s.keep(seg, zeros, 100, keptBytes*2)
	if kept := keptIn(t, dir); len(kept) != 1 || kept[0] != keptBytes {
		t.Errorf("kept %v", kept)
	}
}

func keptIn(t *testing.T, dir string) (sizes []int64) {
	paths, _ := filepath.Glob(filepath.Join(dir, "*"+keptSuffix))
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	return sizes
}

func TestNewestSegmentRemovedWhileOpenIsPassed(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{SegmentBytes: 4 * damageSize})
	putAll(t, s, 0, 6, damagePayload)
	if err := os.Remove(segmentPath(dir, 5)); err != nil {
		t.Fatal(err)
	}
	if n := len(drain(t, s)); n != 4 {
		t.Errorf("read %d records, want 4", n)
	}
	putAll(t, s, 6, 8, damagePayload) // into the file without a name
	if n := len(drain(t, s)); n != 0 {
		t.Errorf("read %d records of a file without a name", n)
	}
	putAll(t, s, 8, 9, damagePayload) // into the next segment
	if rec := mustRead(t, s); rec.Seq != 9 {
		t.Errorf("read record %d, want 9", rec.Seq)
	}
	if st := s.Stats(); st.LostRecords != 4 {
		t.Errorf("%+v", st)
	}
}
