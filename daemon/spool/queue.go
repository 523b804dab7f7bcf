package spool

import (
	"hash/crc32"
	"sync"
	"time"
)

// gatherBytes bounds what waits for one fdatasync. A single larger record goes alone.
const gatherBytes = 1 << 20

// batch is what one write and one fdatasync make durable: unsealed records, one after the other.
type batch struct {
	buf     []byte
	entries []entry
}

type entry struct {
	end    int // where the record ends in buf
	sum    uint32
	points uint32
	era    uint64 // how often Resume was called before
	done   func(error)
}

// countUpTo returns how many records at the beginning of b are of that era or of one before.
func (b *batch) countUpTo(era uint64) int {
	n := 0
	for n < len(b.entries) && b.entries[n].era <= era {
		n++
	}
	return n
}

// dropFirst takes the first n records off b and returns their entries.
func (b *batch) dropFirst(n int) []entry {
	if n == 0 {
		return nil
	}
	first, start := b.entries[:n], b.entries[n-1].end
	b.entries, b.buf = b.entries[n:], b.buf[start:]
	for i := range b.entries {
		b.entries[i].end -= start
	}
	return first
}

// queue gathers appends while the committer is busy with the batch before. So memory is bounded by two batches.
type queue struct {
	wake chan struct{} // tells the committer that something has changed

	mu      sync.Mutex
	room    *sync.Cond // the pending batch was taken, or the queue closed
	waiting int        // appends that wait for room
	taken   int        // records in the batch that was taken last
	era     uint64     // the first is 1
	closed  bool
	pending *batch
	spare   *batch
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), era: 1, pending: &batch{}, spare: &batch{}}
	q.room = sync.NewCond(&q.mu)
	return q
}

// add copies payload into the pending batch. It waits while that is full, and returns ErrClosed once the queue is.
func (q *queue) add(payload []byte, points uint32, done func(error)) error {
	sum := crc32.Checksum(payload, castagnoli)
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.pending.buf) > 0 && len(q.pending.buf)+headerSize+len(payload) > gatherBytes {
		q.waiting++
		q.poke()
		q.room.Wait()
		q.waiting--
	}
	if q.closed {
		return ErrClosed
	}
	b := q.pending
	b.buf = appendUnsealed(b.buf, payload, sum, points, now)
	b.entries = append(b.entries, entry{end: len(b.buf), sum: sum, points: points, era: q.era, done: done})
	if len(b.entries) == 1 || q.complete() {
		q.poke()
	}
	return nil
}

// complete says whether nothing is gained by waiting for more to join the pending batch. The caller holds mu.
//
// Producers that wait for answers come back when they have them: once as many records are here as were answered last,
// all of them are. Without that rule a plugin that fills its window would be held up for a whole linger each time.
func (q *queue) complete() bool {
	n := len(q.pending.entries)
	return q.closed || q.waiting > 0 || len(q.pending.buf) >= gatherBytes || n > 0 && n == q.taken
}

// take waits for something to be pending and then, for more of it, until the given time or until the batch is complete.
// It returns nil when the queue is closed and empty. The batch must be given back with release before the next take.
func (q *queue) take(until time.Time) *batch {
	for {
		wait, b, end := q.tryTake(until)
		if b != nil || end {
			return b
		}
		if wait == 0 {
			<-q.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-q.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tryTake returns the batch if it is due; else how long to wait for it at most, zero for as long as it takes; or that
// there will be none any more.
func (q *queue) tryTake(until time.Time) (wait time.Duration, b *batch, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending.entries) == 0 {
		return 0, nil, q.closed
	}
	wait = time.Until(until)
	if wait > 0 && !q.complete() {
		return wait, nil, false
	}
	b, q.pending, q.taken = q.pending, q.spare, len(q.pending.entries)
	q.room.Broadcast()
	return 0, b, false
}

// release makes b the batch that gathers while the next one is committed.
func (q *queue) release(b *batch) {
	clear(b.entries)
	b.buf, b.entries = b.buf[:0], b.entries[:0]
	if cap(b.buf) > 2*gatherBytes {
		b.buf = nil // a rare huge record does not keep its memory
	}
	q.mu.Lock()
	q.spare = b
	q.mu.Unlock()
}

// resume begins another era.
func (q *queue) resume() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.era++
}

// close refuses further appends. What is pending can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.room.Broadcast()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
