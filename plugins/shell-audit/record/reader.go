package record

import (
	"bytes"
	"errors"
	"io"
)

// Item is what a Reader found: a record, or a stretch of bytes that is none.
type Item struct {
	Record Record
	// Bad says why this is no record; then Record is empty. The bytes are passed for good.
	Bad error
	// Offset and End say where it lies in the stream.
	Offset, End int64
}

// Reader reads the records of a stream, for instance of a file that grows.
type Reader struct {
	r       io.Reader
	room    [readSize]byte
	buf     []byte // the part of room that was read and not yet passed
	base    int64  // the offset of buf[0]
	seen    int    // bytes of buf in which there is no NUL
	waiting *Item  // found behind the bytes that were returned as bad
}

// NewReader reads from r, whose next byte has that offset in the stream.
func NewReader(r io.Reader, offset int64) *Reader { return &Reader{r: r, base: offset} }

// readSize is how much is read at once. Two records fit, so a whole one always does.
const readSize = 2 * MaxSize

// ErrTooLong is the reason of Item.Bad for bytes without an end: more than a record can have.
var ErrTooLong = errors.New("no record ends within the longest that there may be")

// Next returns the next record or what is none. Its error is that of the stream, io.EOF where nothing that is whole
// is left; when the stream has grown, Next can be called again.
func (r *Reader) Next() (Item, error) {
	if r.waiting != nil {
		item := *r.waiting
		r.waiting = nil
		return item, nil
	}
	for {
		if i := bytes.IndexByte(r.buf[r.seen:], 0); i >= 0 {
			return r.take(r.seen + i), nil
		}
		r.seen = len(r.buf)
		if r.seen > MaxSize {
			// What may still be the beginning of a record stays.
			return r.pass(r.seen-MaxSize, ErrTooLong), nil
		}
		if err := r.fill(); err != nil {
			return Item{}, err
		}
	}
}

// Pending is the offset of the first byte that Next has not returned, and how many bytes from there on were read: at
// the end of a stream they are the beginning of a record whose end is missing.
func (r *Reader) Pending() (offset int64, bytes int) {
	offset = r.base
	if r.waiting != nil {
		offset = r.waiting.Offset
	}
	return offset, int(r.base-offset) + len(r.buf)
}

// fill reads more behind buf, which has at most MaxSize bytes.
func (r *Reader) fill() error {
	r.buf = r.room[:copy(r.room[:], r.buf)]
	n, err := r.r.Read(r.room[len(r.buf):])
	r.buf = r.room[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// take returns what ends with the NUL at end: a record; or, of something that only ends with a record, first what is
// before it. That is what a write that was cut short leaves: half a record, and the next one right behind it.
func (r *Reader) take(end int) Item {
	if end == 0 {
		// Zeros are what a file system leaves of a write that a crash has cut off. A run of them is one item.
		n := 1
		for n < len(r.buf) && r.buf[n] == 0 {
			n++
		}
		return r.pass(n, errors.New("zeros between records"))
	}
	var why error
	if end < MaxSize {
		rec, err := parse(r.buf[:end])
		if err == nil {
			return r.found(rec, end)
		}
		why = err
	} else {
		why = ErrTooLong
	}
	for from := max(1, end+1-MaxSize); ; from++ {
		i := bytes.Index(r.buf[from:end], []byte("1 "))
		if i < 0 {
			return r.pass(end+1, why)
		}
		from += i
		if from+4 > end || r.buf[from+3] != ' ' {
			continue
		}
		if rec, err := parse(r.buf[from:end]); err == nil {
			bad := r.pass(from, why)
			item := r.found(rec, end-from)
			r.waiting = &item
			return bad
		}
	}
}

// found returns the record whose NUL is at end.
func (r *Reader) found(rec Record, end int) Item {
	item := r.pass(end+1, nil)
	item.Record = rec
	return item
}

func (r *Reader) pass(n int, why error) Item {
	item := Item{Bad: why, Offset: r.base, End: r.base + int64(n)}
	r.buf, r.base, r.seen = r.buf[n:], item.End, max(r.seen-n, 0)
	return item
}
