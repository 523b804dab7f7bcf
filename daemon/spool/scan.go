package spool

import (
	"bytes"
	"errors"
	"io"
	"math"
	"syscall"
)

// readChunk is how much is read at once: enough to make system calls rare, little enough for any backlog to need
// next to no memory.
const readChunk = 256 << 10

// scanner reads the records of one segment in their order and finds its way past damage.
//
// It always comes to an end: every call of scan moves off or next forward, or returns io.EOF.
type scanner struct {
	r     io.ReaderAt
	off   int64  // where the next record is expected
	end   int64  // bytes from here on are not to be read (yet)
	next  uint64 // the number of the record that is expected
	limit uint64 // records from this number on do not belong to this segment (or are not durable yet)

	buf  []byte
	base int64 // the offset of buf[0]
}

// hole is a stretch of a segment without its records.
type hole struct {
	off, bytes int64  // the bad bytes; none where records are simply not there
	first, end uint64 // the lost records: first <= seq < end
	last       bool   // nothing valid follows in this segment
}

// scan returns the next record, or a hole that has to be passed before it, or io.EOF when everything below limit has
// been returned. Other errors come from opening or reading the file, leave the scanner as it was, and may pass.
func (sc *scanner) scan() (Record, *hole, error) {
	if sc.next >= sc.limit {
		// Whatever stands here was never acknowledged: an append that failed, in a segment that was left because of it.
		return Record{}, nil, io.EOF
	}
	h := hole{off: sc.off, first: sc.next, end: sc.limit, last: true}
	for off := sc.off; off < sc.end; {
		head, b, err := sc.record(off)
		if err != nil {
			return Record{}, nil, err
		}
		if b == nil {
			if off, err = sc.findMagic(off + 1); err != nil {
				return Record{}, nil, err
			}
			continue
		}
		if off == sc.off && head.seq == sc.next {
			sc.off += head.size()
			sc.next++
			return Record{
				Seq:     head.seq,
				Time:    head.when(),
				Points:  int(head.points),
				Payload: bytes.Clone(b[headerSize:]),
				before:  head.before,
			}, nil, nil
		}
		h.bytes, h.end, h.last = off-sc.off, head.seq, false
		sc.off, sc.next = off, head.seq
		return Record{}, &h, nil
	}
	h.bytes = sc.end - sc.off
	sc.off, sc.next = sc.end, sc.limit
	return Record{}, &h, nil
}

// record returns the record at off with its header, or nil when no valid one that belongs here stands there.
func (sc *scanner) record(off int64) (header, []byte, error) {
	head, ok, err := sc.header(off)
	if err != nil || !ok || head.seq < sc.next || head.seq >= sc.limit || head.length > MaxPayload ||
		head.size() > sc.end-off {
		return head, nil, err
	}
	b, err := sc.view(off, int(head.size()))
	if err != nil || !head.matches(b) {
		return head, nil, err
	}
	return head, b, nil
}

// header returns what looks like a header at off.
func (sc *scanner) header(off int64) (header, bool, error) {
	if sc.end-off < headerSize {
		return header{}, false, nil
	}
	b, err := sc.view(off, headerSize)
	if err != nil {
		return header{}, false, err
	}
	head, ok := parseHeader(b)
	return head, ok, nil
}

// peek returns the time and the points before the record that scan would return next, if it looks undamaged.
func (sc *scanner) peek() (header, bool) {
	if sc.next >= sc.limit {
		return header{}, false
	}
	head, ok, err := sc.header(sc.off)
	return head, ok && err == nil && head.seq == sc.next
}

// findMagic returns the first offset, not before off, at which a record could start; end when there is none.
func (sc *scanner) findMagic(off int64) (int64, error) {
	for sc.end-off >= headerSize {
		if _, err := sc.view(off, headerSize); err != nil {
			return off, err
		}
		rest := sc.buf[off-sc.base:]
		if i := bytes.Index(rest, []byte(magic)); i >= 0 {
			return off + int64(i), nil
		}
		off += int64(len(rest) - len(magic) + 1)
	}
	return sc.end, nil
}

// view returns n bytes from off, all below end. They are valid until the next call.
func (sc *scanner) view(off int64, n int) ([]byte, error) {
	if from := off - sc.base; from >= 0 && from+int64(n) <= int64(len(sc.buf)) {
		return sc.buf[from : from+int64(n)], nil
	}
	size := int(max(int64(n), min(readChunk, sc.end-off)))
	if cap(sc.buf) < size || cap(sc.buf) > 4*readChunk && size <= readChunk {
		sc.buf = make([]byte, size) // a rare huge record does not keep its memory
	}
	sc.buf, sc.base = sc.buf[:size], off
	if err := fill(sc.r, sc.buf, off); err != nil {
		sc.buf = sc.buf[:0]
		return nil, err
	}
	return sc.buf[:n], nil
}

// fill reads all of p. What the disk can not give any more, because a sector is bad or the file was cut, becomes zeros:
// so lost bytes and wrong bytes are one case, which checksums find and scan passes. An error that may go away, too
// little memory for instance, is returned, for it must not cost data.
func fill(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		clear(p[n:])
		return nil
	case !errors.Is(err, syscall.EIO):
		return err
	case len(p) <= sector:
		clear(p)
		return nil
	}
	for from := 0; from < len(p); from += sector {
		if err := fill(r, p[from:min(from+sector, len(p))], off+int64(from)); err != nil {
			return err
		}
	}
	return nil
}

// sector is the smallest stretch that a disk loses at once.
const sector = 4096

// unlimited is the limit of a segment of which nothing is known yet.
const unlimited = math.MaxUint64
