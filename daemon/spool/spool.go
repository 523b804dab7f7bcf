// Package spool is a durable queue on disk: what was appended and acknowledged is read back, in order, until it is
// committed, whatever ends the process in between. Payloads are opaque; what they mean, and what to throw away when
// there is too much, is for others to decide.
//
// A spool is a directory with a log in segments, a cursor, which also knows where the log ended, and a lock. Appends of
// many goroutines are gathered, written and synced together by one, the committer. One goroutine reads, one (or the same)
// commits.
//
// What holds at all times:
//
//   - An append is acknowledged with nil only after fdatasync has returned for its bytes, and for the name of its
//     segment. Only such records are read.
//   - Records are numbered from 1, one by one, in the order in which they are acknowledged. A number that was
//     acknowledged is not given again: the cursor knows the delivered ones, and the newest segment, which is never
//     deleted, the others; each alone is enough. (Only newest records that a bad disk destroyed before the cursor file
//     knew of them leave their numbers.)
//   - Delivery is at least once: records after the cursor are read again after a restart.
//   - Damage costs the records that it touches and no others. It is counted, reported, and its bytes are kept. So is
//     what is missing up to the end that the cursor file notes: all of the log after Close; after a kill what was durable
//     when the newest segment began, or when something was delivered since; after a loss of power what the kernel had
//     written of that. Nothing in a segment makes Open or Read fail, panic or wait for ever.
//   - The segments never hold more than Options.MaxBytes, or those of several spools more than their common Bound. At
//     that bound, and on a full disk, appends fail with ErrFull, nothing acknowledged is lost, and Commit works and makes
//     room; so does DropOldest, for whom would rather lose the oldest.
//   - After an append that failed those behind it fail too, until Resume: what is appended again comes before them.
//   - Memory is bounded by some MB and the records that were read and not committed, whatever the backlog.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

var (
	// ErrFull is the error of an append for which there is no room. There is again after a Commit or DropOldest.
	ErrFull = errors.New("spool is full")
	// ErrClosed is the error of every call after Close.
	ErrClosed = errors.New("spool is closed")
	// ErrTooLarge is the error of an append that no Commit can make room for.
	ErrTooLarge = errors.New("record is too large")
)

// Options are the bounds of a spool. Zero values mean the defaults.
type Options struct {
	// SegmentBytes is the size at which a new segment begins; space is given back in such pieces. By default 8 MiB, or
	// an eighth of MaxBytes where that is less.
	SegmentBytes int64
	// MaxBytes bounds all segments together, by default 2 GiB.
	MaxBytes int64
	// Bound, if set, is the bound that this spool shares with others, in the place of MaxBytes. Share bytes of it are
	// left to this spool by the others.
	Bound *Bound
	Share int64
	// MakeRoom, if set, is called when there is no room for an append, and says whether there may be now. It may call
	// DropOldest of this spool, or of others that do not call back.
	MakeRoom func() bool
	// MinFree is how many bytes of the disk are left to others, by default 64 MiB; none if negative.
	MinFree int64
	// Linger is the longest time that the committer gathers appends before it writes and syncs them, by default 5 ms;
	// not at all if negative. It counts from the sync before, so an idle spool waits for nothing; on a fast disk it is
	// cut to four times what that sync took; and it ends when as many records have come as were answered last.
	Linger time.Duration
	// OnGap, if set, is told of each gap that Read meets and Open has not reported. It is called by Read and must not
	// call it.
	OnGap func(Gap)

	disk disk
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 2 << 30
	}
	if o.Bound == nil {
		o.Bound = NewBound(o.MaxBytes)
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = min(8<<20, o.Bound.max/8)
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.Linger == 0 {
		o.Linger = 5 * time.Millisecond
	}
	o.MinFree, o.Linger = max(o.MinFree, 0), max(o.Linger, 0)
	if o.OnGap == nil {
		o.OnGap = func(Gap) {}
	}
	if o.disk == nil {
		o.disk = realDisk{}
	}
	return o
}

// Spool is an open spool. Locks are taken in the order writeMu, readMu, cursorMu, mu.
type Spool struct {
	dir    string
	opts   Options
	lock   *os.File
	queue  *queue
	member *member

	arrived   chan struct{} // holds a token after records became durable
	closing   chan struct{} // closed when Close begins
	closed    chan struct{} // closed when Close has ended
	committed chan struct{} // closed when the committer has ended
	closeErr  error

	// The committer's own: appends of this era and those before fail, for this reason.
	failedEra uint64
	failedBy  error

	writeMu  sync.Mutex
	active   file // the newest segment; nil makes the next append begin a new one
	released bool

	readMu sync.Mutex
	reader reader

	noted position // the end of the log that the cursor file told Open; the log may have gone on

	cursorMu sync.Mutex
	cursor   *cursorFile // nil after Close
	retired  []*segment  // delivered ones that are still to be deleted

	mu       sync.Mutex
	isClosed bool
	segments []*segment // oldest first; the last is the newest, and stays
	durable  position   // the last acknowledged record
	read     uint64     // the last record that Read returned or passed over
	unread   time.Time  // when the record after that was appended; zero if there is none
	cursorAt position   // the last delivered record
	cursorIn place      // where it ends
	marks    []mark     // what was read and is not delivered yet
	adrift   []adrift   // what was read before it was dropped, and may yet be delivered
	counts   counts
}

// place is an offset in the segment that begins with record first.
type place struct {
	first uint64
	off   int64
}

// mark is a record that was read, or a gap that was passed, up to number seq.
type mark struct {
	seq    uint64
	points uint64 // in all records up to this one
	own    uint64 // in the record itself
	end    place
	time   time.Time
	gap    bool
}

type counts struct {
	appended, refused, syncs                 uint64
	lastSync, maxSync                        time.Duration
	gaps, lostRecords, lostPoints, lostBytes uint64
	dropped                                  Dropped
}

// Open opens the spool in dir, creating it if need be, and repairs what a crash or a bad disk has left. It reads two
// segments at most, or further back while the newest are empty. Reading starts after the cursor.
func Open(dir string, opts Options) (*Spool, Repairs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Repairs{}, fmt.Errorf("create spool: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, Repairs{}, err
	}
	s := &Spool{
		dir:       dir,
		opts:      opts.withDefaults(),
		lock:      lock,
		queue:     newQueue(),
		arrived:   make(chan struct{}, 1),
		closing:   make(chan struct{}),
		closed:    make(chan struct{}),
		committed: make(chan struct{}),
	}
	repairs, err := s.recover()
	if err != nil {
		s.release()
		return nil, Repairs{}, fmt.Errorf("open spool %s: %w", dir, err)
	}
	go s.runCommitter()
	return s, repairs, nil
}

// Append queues payload, which counts as that many points; payload may be reused when Append returns. It waits while a
// full batch is ahead of it, for as long as the disk takes.
//
// done is called exactly once: with nil when the record is on disk, or with the reason why it is not spooled: ErrFull,
// ErrClosed, ErrTooLarge (wrapped), or what the disk said, of this append or of one before it (see Resume). The calls come
// in the order of the appends, from one goroutine, and hold up the next batch: done must be quick and must not call
// Append or Close. An append that is refused at once (ErrClosed, ErrTooLarge) calls done before it returns. After an error
// other than these two, the record may still turn up after a restart.
func (s *Spool) Append(payload []byte, points int, done func(error)) {
	err := s.acceptable(payload, points)
	if err == nil {
		err = s.queue.add(payload, uint32(points), done)
	}
	if err != nil {
		s.mu.Lock()
		s.counts.refused++
		s.mu.Unlock()
		done(fmt.Errorf("append to spool %s: %w", s.dir, err))
	}
}

// Resume lets appends be tried again after one has failed. Those that were called before Resume fail like the one that
// did, if they are not answered yet.
func (s *Spool) Resume() { s.queue.resume() }

func (s *Spool) acceptable(payload []byte, points int) error {
	if bound := min(MaxPayload, s.member.most()-headerSize); int64(len(payload)) > bound {
		return fmt.Errorf("%w: %d bytes, the most is %d: split it", ErrTooLarge, len(payload), bound)
	}
	if points < 0 || int64(points) > 1<<32-1 {
		return fmt.Errorf("a record can not have %d points", points)
	}
	return nil
}

// Stats says what a spool holds and what it has done since Open.
type Stats struct {
	// Records, Points and Bytes wait: they are on disk and not committed. Lost ones count until Read has passed them.
	Records uint64
	Points  uint64
	Bytes   int64
	// Oldest is when the first of them was appended; zero if none waits. Before a record is read it may be the time of
	// the record ahead of it.
	Oldest time.Time
	// DiskBytes is the size of all segments. The delivered part of a segment is freed with the rest of it.
	DiskBytes int64

	LastSeq uint64 // the last durable record
	Cursor  uint64 // the last delivered record

	Appended uint64 // records made durable
	Refused  uint64 // appends answered with an error

	Syncs    uint64        // batches made durable
	LastSync time.Duration // what the last fdatasync took
	MaxSync  time.Duration // the longest since Open

	Gaps        uint64 // found by Open and by Read
	LostRecords uint64 // in them
	LostPoints  uint64 // in them, known once Read has met the record after or the end
	LostBytes   uint64 // bad bytes skipped, those of a torn tail left out

	Dropped Dropped // all that was dropped since Open
}

// Stats returns the state of this moment.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Records:     s.durable.seq - s.cursorAt.seq,
		DiskBytes:   s.member.bytes(),
		LastSeq:     s.durable.seq,
		Cursor:      s.cursorAt.seq,
		Appended:    s.counts.appended,
		Refused:     s.counts.refused,
		Syncs:       s.counts.syncs,
		LastSync:    s.counts.lastSync,
		MaxSync:     s.counts.maxSync,
		Gaps:        s.counts.gaps,
		LostRecords: s.counts.lostRecords,
		LostPoints:  s.counts.lostPoints,
		LostBytes:   s.counts.lostBytes,
		Dropped:     s.counts.dropped,
	}
	if st.Records == 0 {
		return st
	}
	// Totals go backwards only when the newest records were destroyed on disk.
	st.Points = max(s.durable.points, s.cursorAt.points) - s.cursorAt.points
	st.Bytes = s.bytesAfter(s.cursorIn)
	st.Oldest = s.unread
	if len(s.marks) > 0 {
		st.Oldest = s.marks[0].time
	}
	return st
}

// Size is the size of all segments: Stats.DiskBytes, for whom asks often.
func (s *Spool) Size() int64 { return s.member.bytes() }

// bytesAfter returns how many bytes of segments come after p. The caller holds mu.
func (s *Spool) bytesAfter(p place) int64 {
	var sum int64
	for i := len(s.segments) - 1; i >= 0 && s.segments[i].first >= p.first; i-- {
		sum += s.segments[i].size
		if s.segments[i].first == p.first {
			sum -= p.off
		}
	}
	return sum
}

// Close refuses further appends, commits those that are queued, saves the cursor and lets the directory go. Calls of
// Append and Read that are under way return ErrClosed. A second Close waits for the first and returns the same.
func (s *Spool) Close() error {
	s.mu.Lock()
	first := !s.isClosed
	s.isClosed = true
	s.mu.Unlock()
	if !first {
		<-s.closed
		return s.closeErr
	}
	close(s.closing)
	s.queue.close()
	<-s.committed
	s.cursorMu.Lock()
	err := s.saveCursor(true)
	s.cursorMu.Unlock()
	s.sink()
	if closeErr := s.release(); err == nil {
		err = closeErr
	}
	if err != nil {
		s.closeErr = fmt.Errorf("close spool %s: %w", s.dir, err)
	}
	close(s.closed)
	return s.closeErr
}

// release closes all files. The committer does not run, or has ended.
func (s *Spool) release() error {
	var errs []error
	s.writeMu.Lock()
	s.released = true
	if s.active != nil {
		errs = append(errs, s.active.Close())
		s.active = nil
	}
	s.writeMu.Unlock()
	s.readMu.Lock()
	errs = append(errs, s.reader.close())
	s.readMu.Unlock()
	s.cursorMu.Lock()
	if s.cursor != nil {
		errs = append(errs, s.cursor.f.Close())
		s.cursor = nil
	}
	s.cursorMu.Unlock()
	if s.member != nil {
		s.member.leave()
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

func (s *Spool) cursorPath() string { return filepath.Join(s.dir, cursorName) }
