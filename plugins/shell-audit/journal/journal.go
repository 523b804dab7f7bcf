// Package journal keeps what was audited on disk, in order, until it was delivered and its time is over. Bodies are opaque.
//
// A journal is a directory with segments, a commit point and a lock. One process writes it; others may read it meanwhile.
//
// What holds at all times:
//
//   - Entries are numbered from 1, one by one. After Sync has returned nil for a number, that entry and all before it are
//     on disk: they are there again after any end of the process or the machine, exactly and in order.
//   - Open cuts off what a crash has torn at the end. Damage elsewhere costs what it touches: readers name it and go on.
//   - Only what is committed is ever deleted. Where that leaves no room, or the disk has none, Append fails with ErrFull,
//     leaves no trace, and works again when there is room: who gets it stops reading his sources, and loses nothing.
//   - After a failed Sync nothing is promised any more but what was synced before: the journal refuses everything until it
//     is opened again, without what was not synced.
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

var (
	// ErrFull is the error of an Append for which there is no room.
	ErrFull = errors.New("journal is full")
	// ErrInUse is the error of Open when another process writes the journal.
	ErrInUse = errors.New("in use")
	// ErrClosed is the error of every call after Close.
	ErrClosed = errors.New("journal is closed")
)

// MaxBody bounds the body of an entry.
const MaxBody = 1 << 20

// Options are the bounds of a journal. Zero values mean the defaults.
type Options struct {
	SegmentBytes int64         // the size at which a new segment begins, 4 MiB
	MaxBytes     int64         // of all segments, 1 GiB; committed ones are deleted for it, the oldest first
	MaxAge       time.Duration // after which committed segments are deleted, 400 days

	write func(*os.File, []byte, int64) (int, error)
	sync  func(*os.File) error
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 4 << 20
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 400 * 24 * time.Hour
	}
	if o.write == nil {
		o.write = (*os.File).WriteAt
	}
	if o.sync == nil {
		o.sync = (*os.File).Sync
	}
	return o
}

// Journal is an open journal. Its methods may be called by several goroutines.
type Journal struct {
	dir  string
	opts Options
	lock *os.File

	syncMu sync.Mutex // taken before mu

	mu       sync.Mutex
	segments []segment // oldest first; the last is written
	active   *os.File
	last     uint64 // the last entry
	synced   uint64 // the last entry that is on disk
	safe     int64  // where that ends in the active segment
	commit   *commitPoint
	failed   error
	buf      []byte
}

// segment is a file of entries with consecutive numbers, named after the first.
type segment struct {
	path  string
	first uint64
	size  int64
}

// Open opens the journal in dir to write it, creating it if need be. It returns how many bytes of a torn entry were cut
// off.
func Open(dir string, opts Options) (*Journal, int64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, fmt.Errorf("create journal: %w", err)
	}
	j := &Journal{dir: dir, opts: opts.withDefaults()}
	var err error
	if j.lock, err = lockDir(dir); err != nil {
		return nil, 0, err
	}
	torn, err := j.recover()
	if err != nil {
		_ = j.release()
		return nil, 0, fmt.Errorf("open journal %s: %w", dir, err)
	}
	return j, torn, nil
}

func (j *Journal) recover() (torn int64, err error) {
	if j.commit, err = openCommitPoint(filepath.Join(j.dir, commitName)); err != nil {
		return 0, err
	}
	if j.segments, err = list(j.dir); err != nil {
		return 0, err
	}
	j.last = j.commit.seq
	if len(j.segments) > 0 {
		newest := &j.segments[len(j.segments)-1]
		if j.active, err = os.OpenFile(newest.path, os.O_RDWR, 0); err != nil {
			return 0, err
		}
		end, last, err := endOf(j.active, newest.first, newest.size)
		if err != nil {
			return 0, fmt.Errorf("read segment: %w", err)
		}
		if torn = newest.size - end; torn > 0 {
			if err := j.active.Truncate(end); err != nil {
				return 0, fmt.Errorf("cut off a torn entry: %w", err)
			}
		}
		// What was read may not be on disk yet, if only the process had ended.
		if err := j.opts.sync(j.active); err != nil {
			return 0, fmt.Errorf("sync segment: %w", err)
		}
		newest.size, j.safe = end, end
		j.last = max(j.last, last)
		if last < j.last {
			// A bad disk has lost committed entries: their numbers are not given again.
			if err := j.roll(); err != nil {
				return 0, err
			}
		}
	} else if err := j.roll(); err != nil {
		return 0, err
	}
	j.synced = j.last
	return torn, nil
}

// roll begins the segment of the next entry.
func (j *Journal) roll() error {
	path := filepath.Join(j.dir, segmentName(j.last+1))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("create segment: %w", err)
	}
	if err := syncDir(j.dir); err != nil {
		_ = f.Close()
		return err
	}
	if j.active != nil {
		_ = j.active.Close() // synced before
	}
	j.active, j.safe = f, 0
	if n := len(j.segments); n == 0 || j.segments[n-1].path != path {
		j.segments = append(j.segments, segment{path: path, first: j.last + 1})
	}
	return nil
}

// Append adds an entry and returns its number. It is not on disk before Sync says so.
func (j *Journal) Append(kind byte, at time.Time, body []byte) (uint64, error) {
	if len(body) > MaxBody {
		return 0, fmt.Errorf("append to journal %s: entry has %d bytes, the most is %d", j.dir, len(body), MaxBody)
	}
	j.mu.Lock()
	full := j.newest().size > 0 && j.newest().size+headerSize+int64(len(body)) > j.opts.SegmentBytes
	j.mu.Unlock()
	if full {
		if err := j.next(int64(len(body))); err != nil {
			return 0, fmt.Errorf("append to journal %s: %w", j.dir, err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	seq, err := j.append(kind, at, body)
	if err != nil {
		return 0, fmt.Errorf("append to journal %s: %w", j.dir, err)
	}
	return seq, nil
}

func (j *Journal) newest() *segment { return &j.segments[len(j.segments)-1] }

// next syncs the segment that is full and begins another.
func (j *Journal) next(body int64) error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if err := j.syncAll(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if size := j.newest().size; size == 0 || size+headerSize+body <= j.opts.SegmentBytes || j.synced < j.last {
		return nil // another has begun one, or the segment grows a little beyond its bound
	}
	return outOfRoom(j.roll())
}

func (j *Journal) append(kind byte, at time.Time, body []byte) (uint64, error) {
	if j.failed != nil {
		return 0, j.failed
	}
	need := headerSize + int64(len(body))
	if j.bytes()+need > j.opts.MaxBytes {
		if err := j.prune(time.Now(), need); err != nil {
			return 0, err
		}
		if have := j.bytes(); have+need > j.opts.MaxBytes {
			return 0, fmt.Errorf("%w: %d of %d bytes wait to be delivered or are in the newest segment: "+
				"it accepts again when they were delivered, or raise its limit", ErrFull, have, j.opts.MaxBytes)
		}
	}
	j.buf = Entry{Seq: j.last + 1, Time: at, Kind: kind, Body: body}.encode(j.buf[:0])
	seg := j.newest()
	if _, err := j.opts.write(j.active, j.buf, seg.size); err != nil {
		if cut := j.active.Truncate(seg.size); cut != nil {
			j.failed = fmt.Errorf("a torn entry can not be cut off, open the journal again: %w", cut)
		}
		return 0, outOfRoom(fmt.Errorf("write segment: %w", err))
	}
	seg.size += need
	j.last++
	return j.last, nil
}

func outOfRoom(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w: free some space", ErrFull, err)
	}
	return err
}

// Sync returns when entry seq and all before it are on disk. Callers that come while the disk works share the next sync.
func (j *Journal) Sync(seq uint64) error {
	j.mu.Lock()
	done, last := j.synced >= seq, j.last
	j.mu.Unlock()
	if done {
		return nil
	}
	if seq > last {
		return fmt.Errorf("sync journal %s: entry %d is none, the last is %d", j.dir, seq, last)
	}
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	j.mu.Lock()
	done = j.synced >= seq
	j.mu.Unlock()
	if done {
		return nil
	}
	if err := j.syncAll(); err != nil {
		return fmt.Errorf("sync journal %s: %w", j.dir, err)
	}
	return nil
}

// syncAll syncs what was appended. The caller holds syncMu, which keeps the active segment.
func (j *Journal) syncAll() error {
	j.mu.Lock()
	f, last, size, failed := j.active, j.last, j.newest().size, j.failed
	j.mu.Unlock()
	if failed != nil {
		return failed
	}
	err := j.opts.sync(f)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		// The kernel may have given up on pages and call them clean: a second sync would mean nothing.
		j.failed = fmt.Errorf("the disk has failed, open the journal again: %w", err)
		_ = j.active.Truncate(j.safe)
		return j.failed
	}
	j.synced, j.safe = last, size
	return nil
}

// Last returns the number of the last entry, Committed that of the last that was delivered.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Committed returns the number up to which all was delivered.
func (j *Journal) Committed() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commit.seq
}

// Commit says that all up to entry seq was delivered. It never goes back.
func (j *Journal) Commit(seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.failed != nil:
		return fmt.Errorf("commit to journal %s: %w", j.dir, j.failed)
	case seq > j.synced:
		return fmt.Errorf("commit to journal %s: entry %d is not on disk, the last that is is %d", j.dir, seq, j.synced)
	case seq <= j.commit.seq:
		return nil
	}
	if err := j.commit.save(seq); err != nil {
		return fmt.Errorf("commit to journal %s: %w", j.dir, err)
	}
	return nil
}

// Prune deletes committed segments that are older than MaxAge at that time.
func (j *Journal) Prune(now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.prune(now, 0); err != nil {
		return fmt.Errorf("prune journal %s: %w", j.dir, err)
	}
	return nil
}

// prune deletes the oldest segments that are committed, while they are too old or there is no room for need bytes.
func (j *Journal) prune(now time.Time, need int64) error {
	for len(j.segments) > 1 && j.segments[1].first-1 <= j.commit.seq {
		oldest := j.segments[0]
		if j.bytes()+need <= j.opts.MaxBytes {
			info, err := os.Stat(oldest.path)
			if err != nil {
				return err
			}
			if now.Sub(info.ModTime()) < j.opts.MaxAge {
				return nil
			}
		}
		if err := os.Remove(oldest.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		j.segments = j.segments[1:]
	}
	return nil
}

func (j *Journal) bytes() (sum int64) {
	for _, s := range j.segments {
		sum += s.size
	}
	return sum
}

// Close syncs what was appended and lets the directory go.
func (j *Journal) Close() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.failed == ErrClosed {
		return nil
	}
	err := j.syncAll()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed = ErrClosed
	if err = errors.Join(err, j.release()); err != nil {
		return fmt.Errorf("close journal %s: %w", j.dir, err)
	}
	return nil
}

func (j *Journal) release() error {
	var errs []error
	if j.active != nil {
		errs = append(errs, j.active.Close())
	}
	if j.commit != nil {
		errs = append(errs, j.commit.f.Close())
	}
	return errors.Join(append(errs, j.lock.Close())...)
}
