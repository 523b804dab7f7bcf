package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

// Damage names entries that a reader has passed because they are not there any more.
type Damage struct {
	First, End uint64 // First <= seq < End are lost
	Path       string // where they were
	Offset     int64
	Bytes      int64 // none where a whole segment is missing
}

func (d Damage) Error() string {
	return fmt.Sprintf("journal entries %d to %d are lost: %d bad bytes at %d of %s", d.First, d.End-1, d.Bytes, d.Offset, d.Path)
}

// Reader reads the entries of a journal in their order, while another process may write it.
type Reader struct {
	dir  string
	f    *os.File
	path string
	off  int64
	next uint64
	buf  []byte // of the file, from base on
	base int64
}

// Read begins to read the journal in dir at entry from, or the first that is there.
func Read(dir string, from uint64) *Reader { return &Reader{dir: dir, next: max(from, 1)} }

// Close lets go of what is open.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}

// Next returns the next entry; its body is the caller's. At the end of what is there it returns io.EOF and can be called
// again. An error that is a Damage tells what is lost; the next call goes on behind it.
func (r *Reader) Next() (Entry, error) {
	for {
		if r.f == nil {
			if err := r.open(); err != nil {
				return Entry{}, err
			}
		}
		e, size, err := r.entry(r.off)
		if err != nil {
			return Entry{}, err
		}
		if size > 0 && e.Seq <= r.next {
			r.off += size
			if e.Seq == r.next {
				r.next++
				return e, nil
			}
			continue
		}
		if size > 0 { // numbers are missing
			d := Damage{First: r.next, End: e.Seq, Path: r.path, Offset: r.off}
			r.next = e.Seq
			return Entry{}, d
		}
		if err := r.pass(); err != nil {
			return Entry{}, err
		}
	}
}

// open opens the segment of the next entry. What was pruned is no damage.
func (r *Reader) open() error {
	segments, err := list(r.dir)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	if len(segments) == 0 {
		return io.EOF
	}
	i := max(sort.Search(len(segments), func(i int) bool { return segments[i].first > r.next })-1, 0)
	f, err := os.Open(segments[i].path)
	if errors.Is(err, os.ErrNotExist) {
		return r.open() // pruned meanwhile
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	r.use(f, segments[i])
	r.next = max(r.next, segments[i].first)
	return nil
}

func (r *Reader) use(f *os.File, s segment) {
	if r.f != nil {
		_ = r.f.Close()
	}
	r.f, r.path, r.off, r.buf, r.base = f, s.path, 0, r.buf[:0], 0
}

// pass goes on where no entry stands: behind damage, or in the next segment. At the end of all it returns io.EOF.
func (r *Reader) pass() error {
	segments, err := list(r.dir) // first: what is written to this segment from now on is not missed
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	r.buf = r.buf[:0]
	if _, size, err := r.entry(r.off); err != nil || size > 0 {
		return err // written meanwhile
	}
	off, e, err := r.find(r.off + 1)
	if err != nil {
		return err
	}
	if off >= 0 {
		r.buf = r.buf[:0]
		if _, size, err := r.entry(r.off); err != nil || size > 0 {
			return err // it was being written
		}
		d := Damage{First: r.next, End: e.Seq, Path: r.path, Offset: r.off, Bytes: off - r.off}
		r.off, r.next = off, e.Seq
		if d.First == d.End {
			return nil // only what is before the entry to begin with is lost
		}
		return d
	}
	here := r.path
	i := sort.Search(len(segments), func(i int) bool { return segments[i].path > here })
	if i == len(segments) {
		return io.EOF
	}
	next := segments[i]
	f, err := os.Open(next.path)
	if errors.Is(err, os.ErrNotExist) {
		_ = r.f.Close()
		r.f = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	pruned := i == 0
	info, err := r.f.Stat()
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("read journal: %w", err)
	}
	d := Damage{First: r.next, End: next.first, Path: r.path, Offset: r.off, Bytes: max(info.Size()-r.off, 0)}
	r.use(f, next)
	if r.next >= next.first {
		return nil
	}
	r.next = next.first
	if pruned {
		return nil
	}
	return d
}

// entry returns the sound entry at off and its size, or 0.
func (r *Reader) entry(off int64) (Entry, int64, error) {
	b, err := r.view(off, headerSize)
	if err != nil || len(b) < headerSize {
		return Entry{}, 0, err
	}
	e, size, ok := decode(b)
	if !ok {
		return Entry{}, 0, nil
	}
	if b, err = r.view(off, int(size)); err != nil || int64(len(b)) < size || !sound(b) {
		return Entry{}, 0, err
	}
	e.Body = bytes.Clone(b[headerSize:])
	return e, size, nil
}

// find returns the first sound entry from off on that is still to come, or -1.
func (r *Reader) find(off int64) (int64, Entry, error) {
	for {
		b, err := r.view(off, headerSize)
		if err != nil || len(b) < headerSize {
			return -1, Entry{}, err
		}
		rest := r.buf[off-r.base:]
		i := bytes.Index(rest, []byte(magic))
		if i < 0 {
			off += int64(len(rest) - len(magic) + 1)
			continue
		}
		off += int64(i)
		e, size, err := r.entry(off)
		if err != nil {
			return -1, Entry{}, err
		}
		if size > 0 && e.Seq >= r.next {
			return off, e, nil
		}
		off++
	}
}

const readSize = 128 << 10

// view returns n bytes of the file from off on, or fewer at its end.
func (r *Reader) view(off int64, n int) ([]byte, error) {
	if from := off - r.base; from >= 0 && from+int64(n) <= int64(len(r.buf)) {
		return r.buf[from : from+int64(n)], nil
	}
	if size := max(n, readSize); cap(r.buf) < size {
		r.buf = make([]byte, 0, size)
	}
	got, err := r.f.ReadAt(r.buf[:max(n, readSize)], off)
	r.buf, r.base = r.buf[:got], off
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read journal %s: %w", r.path, err)
	}
	return r.buf[:min(n, got)], nil
}

// endOf returns where the last sound entry of a segment ends, and its number; first-1 if there is none.
func endOf(f *os.File, first uint64, size int64) (int64, uint64, error) {
	r := &Reader{f: f, path: f.Name(), next: first}
	for r.off < size {
		e, n, err := r.entry(r.off)
		if err != nil {
			return 0, 0, err
		}
		if n == 0 {
			off, found, err := r.find(r.off + 1)
			if err != nil {
				return 0, 0, err
			}
			if off < 0 {
				break
			}
			r.off, r.next = off, found.Seq
			continue
		}
		r.off += n
		r.next = e.Seq + 1
	}
	return r.off, r.next - 1, nil
}
