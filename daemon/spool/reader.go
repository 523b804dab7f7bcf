package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
)

// reader is where reading has come. readMu guards it.
type reader struct {
	scanner
	seg    *segment // nil before the first
	f      *os.File // nil if it was removed
	points uint64   // in all records up to the one expected next, those that are known to be lost included
	gap    bool     // one was passed since the last record
	before uint64   // what the next record says of the points before it, if it is the one that followed the last
	begun  bool     // there was one
}

// begin says that reading goes on elsewhere, where so many points are before.
func (r *reader) begin(points uint64) { r.points, r.gap, r.begun = points, false, false }

func (r *reader) close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}

// Read returns the next record, waiting for one until ctx ends or the spool is closed. An error that is neither of these
// comes from a file that could not be opened or read for want of something (file descriptors, memory); a later Read
// tries again. One goroutine reads at a time.
func (s *Spool) Read(ctx context.Context) (Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Record{}, err
		}
		if rec, ok, err := s.TryRead(); ok || err != nil {
			return rec, err
		}
		select {
		case <-s.arrived:
		case <-ctx.Done():
		case <-s.closing:
		}
	}
}

// TryRead returns the next record if there is one now. It is Read for whom does not want to wait.
func (s *Spool) TryRead() (Record, bool, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	select {
	case <-s.closing:
		return Record{}, false, ErrClosed
	default:
	}
	rec, ok, err := s.step()
	if err != nil {
		return Record{}, false, fmt.Errorf("read spool %s: %w", s.dir, err)
	}
	if ok {
		s.note(rec)
	}
	return rec, ok, nil
}

// step returns the next record, if there is one, and passes the gaps before it.
func (s *Spool) step() (Record, bool, error) {
	for {
		rec, state, err := s.advance()
		if err != nil || state != onTheWay {
			return rec, state == atRecord, err
		}
	}
}

// progress is what one step of the reader has come to.
type progress int

const (
	onTheWay progress = iota // nearer to the next record
	atRecord
	atEnd // of what is durable
)

// advance scans once.
func (s *Spool) advance() (Record, progress, error) {
	r := &s.reader
	rec, h, err := r.scan()
	switch {
	case errors.Is(err, io.EOF):
		more, err := s.follow()
		if err == nil && !more {
			return rec, atEnd, nil
		}
		return rec, onTheWay, err
	case err != nil:
		return rec, onTheWay, fmt.Errorf("read segment %s: %w", r.seg.path, err)
	case h != nil:
		s.pass(*h)
		return rec, onTheWay, nil
	}
	s.weigh(rec)
	return rec, atRecord, nil
}

// weigh counts the points that were lost before rec. Where it does not follow the record before it, though its number
// does, the one or the other is from elsewhere: that is reported as a gap.
func (s *Spool) weigh(rec Record) {
	r := &s.reader
	total := rec.before + uint64(rec.Points)
	astray := r.begun && !r.gap && rec.before != r.before
	// A foreign end may have a sound beginning.
	foreignEnd := rec.Seq == s.noted.seq && total != s.noted.points
	s.mu.Lock()
	news := (astray || foreignEnd) && rec.Seq > s.cursorAt.seq
	if r.gap || astray {
		s.countLost(rec.before)
	}
	if total <= s.durable.points { // else it is not of this log
		r.points = max(r.points, total)
	}
	s.mu.Unlock()
	if news {
		off := r.off - headerSize - int64(len(rec.Payload))
		s.opts.OnGap(s.report(hole{off: off, first: rec.Seq, end: rec.Seq}, r.seg, nil))
	}
	r.gap, r.before, r.begun = foreignEnd, total, true
}

// countLost counts the points between the last record and one that has so many before it. The caller holds mu.
func (s *Spool) countLost(before uint64) {
	r := &s.reader
	if before > r.points && before <= s.durable.points {
		s.counts.lostPoints += before - r.points
		r.points = before
	}
}

// follow lets the scanner see what has been added to its segment, or takes it to the next one. It returns false when all
// that is durable has been seen.
func (s *Spool) follow() (bool, error) {
	r := &s.reader
	s.mu.Lock()
	if len(s.segments) == 0 {
		s.mu.Unlock()
		return false, nil
	}
	i := holding(s.segments, r.next)
	seg, end, limit := s.segments[i], s.segments[i].size, s.durable.seq+1
	if i+1 < len(s.segments) {
		limit = s.segments[i+1].first
	}
	s.mu.Unlock()
	if seg == r.seg {
		more := limit > r.limit
		r.limit = limit
		if r.f != nil {
			r.end = end
		}
		return more, nil
	}
	if limit <= r.next {
		return false, nil // a new segment without a record yet
	}
	f, err := os.Open(seg.path)
	if errors.Is(err, os.ErrNotExist) {
		f, end = nil, 0 // someone removed it: the scanner finds all its records missing
	} else if err != nil {
		return false, fmt.Errorf("open segment: %w", err)
	}
	_ = r.close()
	r.f, r.seg = f, seg
	r.scanner = scanner{r: f, end: end, next: r.next, limit: limit, buf: r.buf[:0]}
	return true, nil
}

// pass goes over a hole: reports what is lost, and lets the cursor go over it too.
func (s *Spool) pass(h hole) {
	r := &s.reader
	r.gap = true
	s.mu.Lock()
	news := h.concerns(s.cursorAt.seq) && !slices.Contains(r.seg.reported, h.off)
	s.mu.Unlock()
	if news {
		s.opts.OnGap(s.report(h, r.seg, r.r))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.end-1 == s.durable.seq {
		s.countLost(s.durable.points) // no record behind the hole has to tell
	}
	if h.end-1 <= s.read {
		return
	}
	m := mark{seq: h.end - 1, points: r.points, end: place{r.seg.first, r.off}, time: s.unread, gap: true}
	s.read = m.seq
	s.noteUnread(m)
	s.marks = append(s.marks, m)
	s.passGaps()
}

// note remembers a record that is about to be returned, for Commit and Stats.
func (s *Spool) note(rec Record) {
	r := &s.reader
	s.mu.Lock()
	defer s.mu.Unlock()
	m := mark{seq: rec.Seq, points: r.points, own: uint64(rec.Points), end: place{r.seg.first, r.off}, time: rec.Time}
	s.read = m.seq
	s.noteUnread(m)
	s.marks = append(s.marks, m)
}

// noteUnread finds out how old the record after m is: in the same segment by a look at its header, else it is taken to
// be as old as m. The caller holds mu; the header is in the scanner's buffer but for one time in many.
func (s *Spool) noteUnread(m mark) {
	s.unread = m.time
	if head, ok := s.reader.peek(); ok {
		s.unread = head.when()
	}
}

// Commit says that every record up to seq is delivered. It saves the cursor and deletes the segments that are delivered
// as a whole. They are deleted even if the cursor can not be saved and an error is returned: then some records may be
// read again after a restart, and the deleted ones be reported as a gap. A seq that was not read yet is an error.
func (s *Spool) Commit(seq uint64) error {
	s.cursorMu.Lock()
	defer s.cursorMu.Unlock()
	if s.cursor == nil {
		return fmt.Errorf("commit record %d of spool %s: %w", seq, s.dir, ErrClosed)
	}
	s.mu.Lock()
	done, read := s.cursorAt.seq, s.read
	if seq <= read {
		s.rescue(seq)
	}
	if seq > done && seq <= read {
		n := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].seq > seq })
		s.deliver(n)
		s.passGaps()
	}
	s.mu.Unlock()
	if seq > read {
		return fmt.Errorf("commit record %d of spool %s: only %d have been read", seq, s.dir, read)
	}
	if seq <= done {
		return nil
	}
	if err := s.retire(); err != nil {
		return fmt.Errorf("commit record %d of spool %s: %w", seq, s.dir, err)
	}
	return nil
}

// deliver moves the cursor over the first n marks. The caller holds mu.
func (s *Spool) deliver(n int) {
	if n == 0 {
		return
	}
	m := s.marks[n-1]
	s.cursorAt, s.cursorIn = position{m.seq, m.points}, m.end
	s.marks = slices.Delete(s.marks, 0, n)
}

// passGaps moves the cursor over gaps that directly follow it: nobody will commit them. The caller holds mu.
func (s *Spool) passGaps() {
	n := 0
	for n < len(s.marks) && s.marks[n].gap {
		n++
	}
	s.deliver(n)
}

// retire saves the cursor and deletes the segments before it. The caller holds cursorMu.
func (s *Spool) retire() error {
	s.mu.Lock()
	n := 0
	for n+1 < len(s.segments) && s.segments[n+1].first <= s.cursorAt.seq+1 {
		n++
	}
	s.retired = append(s.retired, s.segments[:n]...)
	s.segments = slices.Delete(s.segments, 0, n)
	s.mu.Unlock()
	// A cursor that is older than the oldest segment looks like lost data, so it goes to the disk first.
	errs := []error{s.saveCursor(n > 0)}
	s.retired = slices.DeleteFunc(s.retired, func(seg *segment) bool {
		if err := os.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("delete segment: %w", err))
			return false // the next commit tries again
		}
		s.member.free(seg.size)
		return true
	})
	return errors.Join(errs...)
}

// saveCursor writes the cursor. The caller holds cursorMu.
func (s *Spool) saveCursor(sync bool) error {
	s.mu.Lock()
	e := extent{delivered: s.cursorAt, end: s.durable}
	s.mu.Unlock()
	return s.cursor.save(e, sync)
}
