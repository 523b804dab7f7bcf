package sdk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Limits on what a plugin holds before the daemon has taken it.
const (
	batchPoints = 1000
	batchBytes  = 1 << 20
	// headBytes is what a message has beside its points: the tag and the value of its sequence number.
	headBytes   = 16
	outboxBytes = 8 << 20
	// linger is how long a point waits for others to share its batch while one is under way, and gather how long while
	// none is; that becomes pace where the batch before went less than steady ago. So a quiet plugin's points go at once, and a
	// busy one's in few messages, although each is acknowledged in no time: one wakes a handful of goroutines on either side.
	linger = 100 * time.Millisecond
	gather = 2 * time.Millisecond
	pace   = 25 * time.Millisecond
	steady = 100 * time.Millisecond
)

// outbox gathers points into batches. It holds a bounded number of bytes: when it is full, put waits, and that is how
// the daemon's back-pressure reaches the collector.
type outbox struct {
	// wake gets a value when take may have something new to return.
	wake chan struct{}
	// limit is the size of the points of a batch.
	limit int

	mu      sync.Mutex
	full    []batch
	current batch
	usual   int       // bytes of the batch before
	since   time.Time // when the first point of current came
	last    time.Time // when a batch was taken
	bytes   int
	room    chan struct{} // closed, and replaced, when something was taken
	points  uint64
	dropped uint64
	settled uint64 // points that are acknowledged, and all before them
	refused Refused
	hurried int           // flushes that wait: nothing lingers
	moved   chan struct{} // closed, and replaced, when settled has grown
}

// batch is a number of encoded points.
type batch struct {
	body   []byte
	points int
}

// newOutbox makes an outbox whose batches make messages of at most maxMessage bytes.
func newOutbox(maxMessage int) *outbox {
	return &outbox{
		wake:  make(chan struct{}, 1),
		room:  make(chan struct{}),
		moved: make(chan struct{}),
		limit: min(batchBytes, maxMessage-headBytes),
	}
}

// put adds the point, waiting for room until ctx ends; then the point is dropped.
func (o *outbox) put(ctx context.Context, p *Point, when time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.bytes >= outboxBytes {
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			o.mu.Lock()
			o.drop("the daemon took none until it was too late")
			return
		}
		o.mu.Lock()
	}
	if o.current.body == nil {
		o.current.body = o.newBody()
	}
	before := len(o.current.body)
	body := p.encode(o.current.body, when)
	switch size := len(body) - before; {
	case size > o.limit:
		o.drop(fmt.Sprintf("one has %d bytes, and %d are the most", size, o.limit))
		return
	case len(body) > o.limit:
		// It would make the batch too long, so it starts the next one.
		o.closeCurrent()
		body = append(o.newBody(), body[before:]...)
		before = 0
	}
	if o.current.points == 0 {
		o.since = time.Now()
		o.signal()
	}
	o.current.body = body
	o.current.points++
	o.points++
	o.bytes += len(body) - before
	if o.current.points == batchPoints {
		o.closeCurrent()
	}
}

// drop counts a point that is not sent: a flush must not say that it is on disk.
func (o *outbox) drop(reason string) {
	o.dropped++
	o.refused.Points++
	o.refused.Reason = reason
}

// newBody has room for as much as the batch before, and a little more.
func (o *outbox) newBody() []byte {
	return make([]byte, 0, o.usual+o.usual/8+headBytes)
}

func (o *outbox) closeCurrent() {
	o.full = append(o.full, o.cut())
	o.signal()
}

// cut ends the current batch.
func (o *outbox) cut() batch {
	b := o.current
	o.usual, o.current = len(b.body), batch{}
	return b
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns a batch that is due: one that is full, or one whose oldest point has lingered for so long, or for the pace of a
// steady stream, unless that is 0. If none is due it returns how long that point still lingers, or 0 if there is nothing at all.
func (o *outbox) take(linger time.Duration) (b batch, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.full) > 0:
		b = o.full[0]
		o.full = o.full[1:]
	case o.current.points == 0:
		return batch{}, 0
	default:
		if linger > 0 && o.since.Sub(o.last) < steady {
			linger = max(linger, pace)
		}
		if wait := linger - time.Since(o.since); wait > 0 && o.hurried == 0 {
			return batch{}, wait
		}
		b = o.cut()
	}
	o.last = time.Now()
	o.bytes -= len(b.body)
	close(o.room)
	o.room = make(chan struct{})
	return b, 0
}

// settle counts the points of batches that are acknowledged, in the order in which they were taken.
func (o *outbox) settle(points int, refused []*wire.Refusal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled += uint64(points)
	if n := len(refused); n > 0 {
		o.refused.Points += n
		o.refused.Reason = refused[n-1].Reason
	}
	close(o.moved)
	o.moved = make(chan struct{})
}

// flush waits until every point that was put before is settled. The error is ctx's, or what was refused since the last
// flush.
func (o *outbox) flush(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurried++
	defer func() { o.hurried-- }()
	o.signal()
	for until := o.points; o.settled < until; {
		moved := o.moved
		o.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			o.mu.Lock()
			return ctx.Err()
		}
		o.mu.Lock()
	}
	if refused := o.refused; refused.Points > 0 {
		o.refused = Refused{}
		return &refused
	}
	return nil
}

func (o *outbox) counts() (points, dropped uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.points, o.dropped
}
