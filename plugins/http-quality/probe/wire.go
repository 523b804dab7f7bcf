package probe

import (
	"net"
	"sync"
	"time"
)

// clockSlack is by how much the wall clock and the monotonic clock may differ over a connection. They are disciplined alike,
// so more than the time between reading the one and the other means that the wall clock was set.
const clockSlack = time.Millisecond

// wire is a TCP connection that knows when the kernel received what is read from it, where the kernel tells. All of it
// belongs to the goroutine of the probe, but for Close.
type wire struct {
	stream
	began time.Time // of the attempt that succeeded

	// late is by how much the newest read came after the arrival of the last segment that it returned, 0 if that is unknown.
	late time.Duration
	// answered is the sum of late before each write: as long as the prober had not read what it was to answer, the other side
	// waited for it, so that all that followed was later by as much.
	answered time.Duration
	// connectLate is by how much the prober saw the connection after it was there.
	connectLate time.Duration
	doubt       bool // the wall clock was set; nothing of the above is true

	// parting says that what is written is the last, that Close follows, and that nothing more is expected.
	parting bool

	// awaiting makes the kernel's word on the next read that of its first bytes, as far as that can be had: see Read.
	awaiting bool
	first    time.Duration // late, of these
	records  *records      // of TLS above it, nil without

	mu      sync.Mutex
	closed  bool
	last    segments // when it was closed
	earlier segments // before this probe, which the connection was kept for
}

// segments is what the kernel counted on a connection.
type segments struct {
	known         bool
	retransmitted int
	disordered    int // came out of order: then the newest one's arrival says little about the older ones'
}

// Write answers what was read before.
func (w *wire) Write(b []byte) (int, error) {
	w.answer()
	if w.parting {
		return w.stream.writeLast(b)
	}
	return w.stream.Write(b)
}

// await is called when the first byte of an answer is waited for, and arrived when it was read.
func (w *wire) await() { w.awaiting, w.first = true, 0 }

// arrived returns by how much the first byte of an answer was read after it had come.
func (w *wire) arrived() time.Duration {
	w.awaiting = false
	return w.first
}

// answer takes note that what was read is dealt with now.
func (w *wire) answer() { w.answered, w.late = w.answered+w.late, 0 }

// stamp notes when the kernel received what was just read, in nanoseconds of its wall clock; 0 if it does not say.
func (w *wire) stamp(received int64) {
	w.late = 0
	if received == 0 || w.doubt {
		return
	}
	late, ok := lateness(w.began, received)
	if !ok {
		w.doubt = true
		return
	}
	w.late = late
}

// lateness is how long ago something was received, by the kernel's wall clock, and whether that is to be trusted.
func lateness(since time.Time, received int64) (late time.Duration, ok bool) {
	now := time.Now()
	late = time.Duration(now.UnixNano() - received)
	return late, isTrue(late, now.Sub(since), time.Duration(now.UnixNano()-since.UnixNano()))
}

// isTrue tells whether something can have been received so long ago, by the wall clock, when so much has elapsed by each clock
// since before: not if the wall clock was set meanwhile.
func isTrue(late, elapsed, wall time.Duration) bool {
	return (wall-elapsed).Abs() <= clockSlack && 0 <= late && late <= elapsed
}

// Close counts what the connection went through, and closes it.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	w.closed, w.last = true, w.stream.segments()
	return w.stream.Close()
}

// segments is what the kernel has counted for this probe until now, or until the connection was closed.
func (w *wire) segments() segments {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.last
	if !w.closed {
		seen = w.stream.segments()
	}
	seen.retransmitted -= w.earlier.retransmitted
	seen.disordered -= w.earlier.disordered
	return seen
}

// restart forgets what was noted for the probe before, for a connection that is used again.
func (w *wire) restart(now time.Time) {
	w.began, w.late, w.answered, w.connectLate, w.doubt = now, 0, 0, 0, false
	w.mu.Lock()
	defer w.mu.Unlock()
	w.earlier = w.stream.segments()
}

// records follows the records of TLS (RFC 8446, 5.1) in a stream.
type records struct {
	header [5]byte
	have   int // bytes of the header
	left   int // bytes of the record's content
}

// next is how many bytes are missing to the end of the header or of the record.
func (r *records) next() int {
	if r.left > 0 {
		return r.left
	}
	return len(r.header) - r.have
}

func (r *records) advance(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left, b = r.left-n, b[n:]
			continue
		}
		n := copy(r.header[r.have:], b)
		r.have, b = r.have+n, b[n:]
		if r.have == len(r.header) {
			r.have, r.left = 0, int(r.header[3])<<8|int(r.header[4])
		}
	}
}
