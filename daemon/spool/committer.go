package spool

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"time"
)

// lingerFactor fits the linger to the disk: after a sync that took t, the next one waits up to 4t for records to join. So
// steady traffic leaves a slow disk to others for most of the time, and waits little on a fast one.
const lingerFactor = 4

// runCommitter makes batches durable until the queue is closed and empty.
func (s *Spool) runCommitter() {
	defer close(s.committed)
	var until time.Time
	for {
		b := s.queue.take(until)
		if b == nil {
			return
		}
		s.commit(b)
		s.mu.Lock()
		until = time.Now().Add(min(s.opts.Linger, lingerFactor*s.counts.lastSync))
		s.mu.Unlock()
		s.queue.release(b)
	}
}

// commit writes what there is room for and answers all of the batch.
func (s *Spool) commit(all *batch) {
	rest := *all
	b := &rest
	s.answer(b.dropFirst(b.countUpTo(s.failedEra)), s.failedBy)
	if len(b.entries) == 0 {
		return
	}
	n, err := s.store(b)
	s.answer(b.entries[:n], nil)
	if failed := b.entries[n:]; len(failed) > 0 {
		s.failedEra, s.failedBy = failed[len(failed)-1].era, err
		s.answer(failed, err)
	}
}

// store writes what there is room for and returns how many records that is, and the error for the others.
func (s *Spool) store(b *batch) (int, error) {
	n, err := s.admit(b)
	if n == 0 {
		return 0, err
	}
	writeErr := s.write(b, n)
	if errors.Is(writeErr, ErrFull) && s.opts.MakeRoom != nil && s.opts.MakeRoom() {
		// Where the free space is not known beforehand, this is how the disk says that there is none.
		if n, err = s.admit(b); n == 0 {
			return 0, err
		}
		writeErr = s.write(b, n)
	}
	if writeErr != nil {
		return 0, fmt.Errorf("append to spool %s: %w", s.dir, writeErr)
	}
	return n, err
}

func (s *Spool) answer(entries []entry, err error) {
	if err != nil {
		s.mu.Lock()
		s.counts.refused += uint64(len(entries))
		s.mu.Unlock()
	}
	for _, e := range entries {
		e.done(err)
	}
}

// admit reserves room for the first records of b and returns how many these are, and the error for the others.
func (s *Spool) admit(b *batch) (int, error) {
	given := false
	for {
		n, err := s.fitting(b)
		if n == len(b.entries) {
			return n, nil
		}
		// The newest segment may be in the way although all of it is delivered: then it makes room here, where Commit,
		// which leaves it alone, can not.
		if s.leaveDelivered() {
			continue
		}
		// A disk may take a while to tell that something was deleted: more than one segment is not given up for it.
		if given && errors.Is(err, errDiskShort) || s.opts.MakeRoom == nil || !s.opts.MakeRoom() {
			return n, err
		}
		given = true
	}
}

// errDiskShort says that it is the disk that has no room.
var errDiskShort = errors.New("its disk is full")

func (s *Spool) fitting(b *batch) (n int, err error) {
	// A disk that does not say what is free says so by refusing the write.
	free, freeErr := s.opts.disk.free(s.dir)
	s.member.take(func(room int64) int64 {
		diskShort := freeErr == nil && free-s.opts.MinFree < room
		if diskShort {
			room = free - s.opts.MinFree
		}
		n = sort.Search(len(b.entries), func(i int) bool { return int64(b.entries[i].end) > room })
		switch {
		case n == len(b.entries):
		case diskShort:
			err = fmt.Errorf("append to spool %s: %w: %w: of %d bytes that are free %d are reserved: free some space",
				s.dir, ErrFull, errDiskShort, free, s.opts.MinFree)
		default:
			err = fmt.Errorf("append to spool %s: %w: there is no room left of %d bytes: it accepts again when records are "+
				"delivered, or raise its limit", s.dir, ErrFull, s.member.bound.max)
		}
		if n == 0 {
			return 0
		}
		return int64(b.entries[n-1].end)
	})
	return n, err
}

// leaveDelivered replaces the newest segment with an empty one if all of it is delivered.
func (s *Spool) leaveDelivered() bool {
	s.mu.Lock()
	can := s.durable.seq == s.cursorAt.seq && len(s.segments) > 0 && s.segments[len(s.segments)-1].size > 0
	s.mu.Unlock()
	if !can || s.beginAnother() != nil {
		return false
	}
	s.cursorMu.Lock()
	defer s.cursorMu.Unlock()
	return s.retire() == nil
}

// beginAnother makes the newest segment one that is not written any more.
func (s *Spool) beginAnother() error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	return s.roll()
}

// write makes the first n records of b durable, all in one segment. On an error none is acknowledged.
func (s *Spool) write(b *batch, n int) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	defer s.member.settle(0)
	last := s.sealAll(b, n)
	buf := b.buf[:b.entries[n-1].end]
	err := s.writeOnce(buf, last, n)
	if errors.Is(err, errUnsynced) {
		// The kernel may have marked pages clean that it could not write; a second fdatasync of that file would then
		// succeed and mean nothing. The bytes go to another file.
		err = s.writeOnce(buf, last, n)
	}
	if outOfSpace(err) {
		err = fmt.Errorf("%w: %w: free some space", ErrFull, err)
	}
	return err
}

// sealAll numbers the first n records of b and returns the position after them.
func (s *Spool) sealAll(b *batch, n int) position {
	p := s.durable // only the committer writes it
	start := 0
	for _, e := range b.entries[:n] {
		p.seq++
		seal(b.buf[start:e.end], e.sum, p.seq, p.points)
		p.points += uint64(e.points)
		start = e.end
	}
	return p
}

var errUnsynced = errors.New("sync segment")

// writeOnce writes buf, n records up to last, behind the last good byte of the newest segment. Afterwards either the
// records are durable, or the segment ends where it did, or it is left for good.
func (s *Spool) writeOnce(buf []byte, last position, n int) error {
	if s.active != nil {
		if size := s.newest().size; size > 0 && size+int64(len(buf)) > s.opts.SegmentBytes {
			s.leave()
		}
	}
	if s.active == nil {
		if err := s.roll(); err != nil {
			return err
		}
	}
	seg := s.newest()
	if _, err := s.active.WriteAt(buf, seg.size); err != nil {
		// Without space the file is sound once the part that was written is off; otherwise another place is better.
		if s.active.Truncate(seg.size) != nil || !outOfSpace(err) {
			s.leave()
		}
		return fmt.Errorf("write segment: %w", err)
	}
	start := time.Now()
	err := s.active.Sync()
	took := time.Since(start)
	if err != nil {
		_ = s.active.Truncate(seg.size) // only for the space: the next segment's name already says where this one ends
		s.leave()
		return fmt.Errorf("%w %s: %w", errUnsynced, seg.path, err)
	}
	s.publish(seg, buf, last, n, took)
	return nil
}

// publish makes n records that are durable now visible to the reader.
func (s *Spool) publish(seg *segment, buf []byte, last position, n int, took time.Duration) {
	s.mu.Lock()
	if s.read == s.durable.seq {
		first, _ := parseHeader(buf)
		s.unread = first.when()
	}
	seg.size += int64(len(buf))
	s.member.settle(int64(len(buf)))
	s.durable = last
	s.counts.appended += uint64(n)
	s.counts.syncs++
	s.counts.lastSync = took
	s.counts.maxSync = max(s.counts.maxSync, took)
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// newest returns the segment that active writes.
func (s *Spool) newest() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.segments[len(s.segments)-1]
}

// leave ends the use of the newest segment. All that was acknowledged of it is synced.
func (s *Spool) leave() {
	_ = s.active.Close()
	s.active = nil
}

// roll begins the segment of the next record. The caller holds writeMu.
func (s *Spool) roll() error {
	if s.released {
		return ErrClosed
	}
	if s.active != nil {
		s.leave()
	}
	s.mu.Lock()
	next := s.durable.seq + 1
	s.mu.Unlock()
	path := segmentPath(s.dir, next)
	// A segment of that name holds nothing that was acknowledged. It may be there from a first append that failed.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replace segment: %w", err)
	}
	f, err := s.opts.disk.open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return fmt.Errorf("create segment: %w", err)
	}
	if err := syncDir(s.dir); err != nil {
		_ = f.Close()
		return err
	}
	s.active = f
	s.mu.Lock()
	if i := len(s.segments) - 1; i >= 0 && s.segments[i].first == next {
		s.segments = s.segments[:i]
	}
	s.segments = append(s.segments, &segment{path: path, first: next})
	s.mu.Unlock()
	s.noteEnd()
	return nil
}

// noteEnd lets the cursor file know how far the log has come, so that segments that go missing are missed though nothing
// is delivered. That it can not is for those to say whose cursor it is.
func (s *Spool) noteEnd() {
	s.cursorMu.Lock()
	defer s.cursorMu.Unlock()
	if s.cursor != nil {
		_ = s.saveCursor(false)
	}
}
