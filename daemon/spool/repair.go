package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Gap is a place without the records that belong there.
type Gap struct {
	Segment string // path of the segment that has, or had, the records
	Offset  int64  // in that segment
	Bytes   int64  // bad bytes; 0 where the records are missing altogether, as when a segment was removed
	First   uint64 // number of the first lost record
	// Records is how many that were not delivered yet are lost. It is 0 if only strange bytes were skipped, or if records
	// are there, but before or from Offset on not those of this spool.
	Records uint64
	Kept    string // path of a copy of the bad bytes; empty if there are none or they could not be kept
}

// Repairs says what Open found wrong and set right. A zero Repairs is a sound spool.
type Repairs struct {
	// TornBytes were cut off the newest segment, behind its last valid record. A crash while writing leaves such bytes,
	// of records that were not acknowledged; so does, rarely, a bad disk, and then it took the newest records, of which
	// the cursor file did not know yet.
	TornBytes int64
	TornKept  string // path of a copy of them
	// Gaps are those in the newest segment, behind it and at the cursor. Older segments are not searched; Options.OnGap
	// tells of theirs.
	Gaps []Gap
	// CursorSlots is how many of the cursor's two slots were invalid. With one, up to a commit's worth of records is
	// read again; with both, all that is still there.
	CursorSlots int
}

// None says that there was nothing to repair.
func (r Repairs) None() bool { return r.TornBytes == 0 && len(r.Gaps) == 0 && r.CursorSlots == 0 }

// recover brings the spool to the state that the files are in, and the files to one that can be written.
func (s *Spool) recover() (rep Repairs, err error) {
	if s.segments, err = listSegments(s.dir); err != nil {
		return rep, err
	}
	size := int64(0)
	for _, seg := range s.segments {
		size += seg.size
	}
	s.member = s.opts.Bound.join(s.opts.Share, size)
	slots, err := s.recoverCursor()
	if err != nil {
		return rep, err
	}
	fresh := slots == 0 && len(s.segments) == 0
	if !fresh {
		rep.CursorSlots = slotCount - slots
	}
	if err := s.recoverEnd(&rep); err != nil {
		return rep, err
	}
	if err := s.recoverReader(&rep, slots > 0); err != nil {
		return rep, err
	}
	s.cursorMu.Lock()
	defer s.cursorMu.Unlock()
	if slots < slotCount {
		if err := s.cursor.reset(extent{delivered: s.cursorAt, end: s.durable}); err != nil {
			return rep, err
		}
		if err := syncDir(s.dir); err != nil {
			return rep, err
		}
	}
	if fresh {
		return rep, syncDir(filepath.Dir(s.dir))
	}
	return rep, s.retire()
}

// recoverCursor reads the cursor and returns the number of its valid slots. Without any, nothing counts as delivered, and
// nothing is known of the end.
func (s *Spool) recoverCursor() (int, error) {
	cursor, e, slots, err := openCursor(s.cursorPath())
	if err != nil {
		return 0, err
	}
	s.cursor, s.cursorAt, s.noted = cursor, e.delivered, e.end
	if slots == 0 && len(s.segments) > 0 {
		s.cursorAt.seq = s.segments[0].first - 1
	}
	return slots, nil
}

// recoverEnd cuts a torn tail off the newest segment and finds the last number and the last position in use.
func (s *Spool) recoverEnd(rep *Repairs) error {
	s.durable = s.noted
	var end position
	for i := len(s.segments) - 1; i >= 0 && end.seq == 0; i-- {
		last, err := s.survey(i, rep)
		if err != nil {
			return err
		}
		end = last
	}
	if len(s.segments) == 0 {
		if s.noted.seq > s.cursorAt.seq { // the reader finds it empty, and says what was lost
			first := s.cursorAt.seq + 1
			s.segments = []*segment{{path: segmentPath(s.dir, first), first: first}}
		}
		return nil
	}
	newest := s.segments[len(s.segments)-1]
	end.seq = max(end.seq, newest.first-1) // what came before the newest segment may be damaged, but it was numbered
	s.durable.points = max(end.points, s.noted.points)
	if end.seq < s.noted.seq {
		return nil // the cursor file knows of later records than are left: a new segment begins after them
	}
	s.durable.seq = end.seq
	f, err := s.opts.disk.open(newest.path, os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	s.active = f
	return nil
}

// survey reads segment i and returns the position after its last valid record, zero if it has none. In the newest
// segment it reports the gaps and cuts the end.
func (s *Spool) survey(i int, rep *Repairs) (last position, err error) {
	seg, limit, newest := s.segments[i], uint64(unlimited), i == len(s.segments)-1
	if !newest {
		limit = s.segments[i+1].first
	}
	f, err := os.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		return last, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close()
	sc := scanner{r: f, end: seg.size, next: seg.first, limit: limit}
	for {
		rec, h, err := sc.scan()
		switch {
		case errors.Is(err, io.EOF):
			return last, nil
		case err != nil:
			return last, fmt.Errorf("read segment: %w", err)
		case h == nil:
			last = position{rec.Seq, rec.before + uint64(rec.Points)}
		case !newest:
		case h.last && h.first <= s.noted.seq:
			// Acknowledged records are missing. It is damage like that between records, and stays where it is.
			h.end = s.noted.seq + 1
			if h.concerns(s.cursorAt.seq) {
				s.foresee(*h, seg, f, rep)
			}
			return last, nil
		case h.last && h.bytes == 0:
			return last, nil
		case h.last:
			rep.TornBytes, rep.TornKept = h.bytes, s.keep(seg, f, h.off, h.bytes)
			if err := f.Truncate(h.off); err != nil {
				return last, fmt.Errorf("cut segment: %w", err)
			}
			if err := syncData(f); err != nil {
				return last, fmt.Errorf("cut segment %s: %w", seg.path, err)
			}
			seg.size = h.off
			s.member.free(h.bytes)
			return last, nil
		case h.concerns(s.cursorAt.seq):
			s.foresee(*h, seg, f, rep)
		}
	}
}

// foresee reports a hole that the reader has not come to yet.
func (s *Spool) foresee(h hole, seg *segment, f *os.File, rep *Repairs) {
	rep.Gaps = append(rep.Gaps, s.report(h, seg, f))
	seg.reported = append(seg.reported, h.off)
}

// recoverReader takes the reader to the first record after the cursor, over a gap that may be there.
func (s *Spool) recoverReader(rep *Repairs, knownCursor bool) error {
	tell := s.opts.OnGap
	s.opts.OnGap = func(g Gap) { rep.Gaps = append(rep.Gaps, g) }
	defer func() { s.opts.OnGap = tell }()

	r := &s.reader
	r.next, r.points = s.cursorAt.seq+1, s.cursorAt.points
	if len(s.segments) > 0 {
		r.next = min(r.next, s.segments[holding(s.segments, r.next)].first)
	}
	r.limit = r.next
	s.read = s.cursorAt.seq
	for {
		head, ok := r.peek()
		if ok && head.seq > s.cursorAt.seq {
			s.unread = head.when()
			if !knownCursor {
				s.cursorAt.points = head.before
				r.begin(head.before)
			}
			break
		}
		_, state, err := s.advance()
		if err != nil {
			return err
		}
		if state == atEnd {
			break
		}
	}
	if r.seg != nil {
		s.cursorIn = place{r.seg.first, r.off}
	}
	return nil
}

// concerns says whether h has anything to do with records after the cursor.
func (h hole) concerns(cursor uint64) bool {
	return h.end > cursor+1 || h.first == h.end && h.first > cursor
}

// report counts a hole in seg, keeps its bytes and returns the words for it.
func (s *Spool) report(h hole, seg *segment, r io.ReaderAt) Gap {
	g := Gap{Segment: seg.path, Offset: h.off, Bytes: h.bytes, Kept: s.keep(seg, r, h.off, h.bytes)}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.First = max(h.first, s.cursorAt.seq+1)
	g.Records = max(h.end, g.First) - g.First
	s.counts.gaps++
	s.counts.lostRecords += g.Records
	s.counts.lostBytes += uint64(g.Bytes)
	return g
}

const (
	// keptBytes bounds all copies of bad bytes together; the newest stay.
	keptBytes  = 16 << 20
	keptSuffix = ".bad"
)

// keep copies bad bytes of seg into a file of their own, for someone to look at, and returns its path. It is only for
// evidence: if it can not be had, the path is empty and nothing else goes wrong.
func (s *Spool) keep(seg *segment, r io.ReaderAt, off, n int64) string {
	if n == 0 {
		return ""
	}
	n = min(n, keptBytes)
	path := fmt.Sprintf("%s-%d%s", strings.TrimSuffix(seg.path, segmentSuffix), off, keptSuffix)
	s.dropKept(path, keptBytes-n)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return ""
	}
	_, copyErr := io.Copy(f, io.NewSectionReader(r, off, n))
	if err := f.Close(); err != nil || copyErr != nil {
		_ = os.Remove(path)
		return ""
	}
	return path
}

// dropKept removes the oldest copies until the others, without that at path, hold no more than room bytes.
func (s *Spool) dropKept(path string, room int64) {
	entries, _ := os.ReadDir(s.dir)
	var kept []os.FileInfo
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), keptSuffix) || e.Name() == filepath.Base(path) {
			continue
		}
		if info, err := e.Info(); err == nil {
			kept = append(kept, info)
		}
	}
	slices.SortFunc(kept, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range kept {
		if room -= info.Size(); room < 0 {
			_ = os.Remove(filepath.Join(s.dir, info.Name()))
		}
	}
}
