package spool

import (
	"fmt"
	"os"
	"time"
)

// Dropped is what was thrown away to make room.
type Dropped struct {
	Records uint64
	Points  uint64
	Bytes   int64 // of the segments that were deleted for it, delivered records in them included
}

func (d *Dropped) add(more Dropped) {
	d.Records += more.Records
	d.Points += more.Points
	d.Bytes += more.Bytes
}

// adrift is a record that was read, and then dropped before it was committed: it is on disk no more, but its reader may
// still deliver it.
type adrift struct {
	seq    uint64
	points uint64
}

// DropOldest throws the oldest segment away, with all records in it that are not delivered, and says what it was. It is
// zero if nothing waits. The newest segment goes too, when it is the only one.
//
// Records that were read and not committed yet are not counted: who has read them may still deliver them, and then
// commits them in vain. Only if the spool is closed before, they count as dropped, in Stats.
//
// The cursor goes over the dropped records before they are deleted. So a crash at any moment leaves either a spool that
// has them or one that knows nothing of them, and no gap.
func (s *Spool) DropOldest() (Dropped, error) {
	d, err := s.dropOldest()
	if err != nil {
		return d, fmt.Errorf("drop the oldest records of spool %s: %w", s.dir, err)
	}
	return d, nil
}

func (s *Spool) dropOldest() (Dropped, error) {
	s.mu.Lock()
	empty := s.durable.seq == s.cursorAt.seq
	single := len(s.segments) == 1
	s.mu.Unlock()
	if empty {
		return Dropped{}, nil
	}
	if single {
		if err := s.beginAnother(); err != nil {
			return Dropped{}, err
		}
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.cursorMu.Lock()
	defer s.cursorMu.Unlock()
	if s.cursor == nil {
		return Dropped{}, ErrClosed
	}
	s.mu.Lock()
	segments := s.segments[:len(s.segments):len(s.segments)]
	s.mu.Unlock()
	if len(segments) < 2 {
		return Dropped{}, nil
	}
	to, when := s.beginning(segments[1:])
	s.mu.Lock()
	end := s.durable
	s.mu.Unlock()
	if err := s.cursor.save(extent{delivered: to, end: end}, true); err != nil {
		return Dropped{}, err
	}
	d := s.moveTo(to, when, segments[0])
	return d, s.retire()
}

// beginning returns the position before the first of these segments, and when the record after it was appended: zero if
// there is none yet. The caller holds readMu and cursorMu, so the segments stay.
func (s *Spool) beginning(segments []*segment) (position, time.Time) {
	p := position{seq: segments[0].first - 1}
	for i, seg := range segments {
		s.mu.Lock()
		end, limit := seg.size, s.durable.seq+1
		s.mu.Unlock()
		if i+1 < len(segments) {
			limit = segments[i+1].first
		}
		// A segment that can not be read is damage that the reader will report; then the next one tells.
		if rec, ok := firstRecord(seg, end, limit); ok {
			p.points = rec.before
			return p, rec.Time
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.points = s.durable.points
	return p, time.Time{}
}

// firstRecord returns the first valid record of a segment.
func firstRecord(seg *segment, end int64, limit uint64) (Record, bool) {
	f, err := os.Open(seg.path)
	if err != nil {
		return Record{}, false
	}
	defer f.Close()
	sc := scanner{r: f, end: end, next: seg.first, limit: limit}
	for {
		rec, h, err := sc.scan()
		if h == nil {
			return rec, err == nil
		}
	}
}

// moveTo takes the cursor, and the reader if it is behind, over the records of seg. The caller holds readMu and cursorMu.
func (s *Spool) moveTo(to position, when time.Time, seg *segment) Dropped {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.marks) && s.marks[n].seq <= to.seq {
		if m := s.marks[n]; !m.gap {
			s.adrift = append(s.adrift, adrift{m.seq, m.own})
		}
		n++
	}
	s.deliver(n)
	unread := s.cursorAt
	d := Dropped{Records: to.seq - unread.seq, Points: max(to.points, unread.points) - unread.points, Bytes: seg.size}
	s.counts.dropped.add(d)
	s.cursorAt, s.cursorIn = to, place{first: to.seq + 1}
	r := &s.reader
	if s.read < to.seq {
		s.read, s.unread = to.seq, when
		r.begin(to.points)
	}
	s.passGaps()
	if r.next <= to.seq || r.seg == seg {
		_ = r.close()
		r.seg = nil
		r.scanner = scanner{next: to.seq + 1, limit: to.seq + 1, buf: r.buf[:0]}
	}
	return d
}

// rescue notes that records up to seq were delivered, dropped or not. The caller holds mu.
func (s *Spool) rescue(seq uint64) {
	n := 0
	for n < len(s.adrift) && s.adrift[n].seq <= seq {
		n++
	}
	s.adrift = s.adrift[n:]
}

// sink counts as dropped what was dropped while it was read, and not delivered.
func (s *Spool) sink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.adrift {
		s.counts.dropped.add(Dropped{Records: 1, Points: a.points})
	}
	s.adrift = nil
}
