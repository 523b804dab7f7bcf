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
	records  *frames       // of TLS above it, nil without

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

// frames follows the frames of a protocol in a stream. Each is a header of so many bytes, and as many more as length finds in that.
type frames struct {
	size   int
	length func(header []byte) int
	header [9]byte
	have   int // bytes of the header
	left   int // bytes of what follows it
}

// newRecords follows the records of TLS (RFC 8446, 5.1).
func newRecords() *frames {
	return &frames{size: 5, length: func(header []byte) int { return int(header[3])<<8 | int(header[4]) }}
}

// next is how many bytes are missing to the end of the header or of the frame.
func (f *frames) next() int {
	if f.left > 0 {
		return f.left
	}
	return f.size - f.have
}

// advance takes what comes next. It calls begun, unless that is nil, with each header that is whole.
func (f *frames) advance(b []byte, begun func(header []byte)) {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		header := f.header[:f.size]
		n := copy(header[f.have:], b)
		f.have, b = f.have+n, b[n:]
		if f.have == f.size {
			f.have, f.left = 0, f.length(header)
			if begun != nil {
				begun(header)
			}
		}
	}
}
