package delayline

import (
	"errors"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// packet is on its way.
type packet struct {
	due  time.Time
	data []byte
}

// way is one direction of a line.
type way struct {
	from, to int
	drop     int // every n-th is lost
	seen     int
	queue    []packet // in the order in which they came, which is that in which they are due
	free     [][]byte
}

// maxPacket is more than a TUN device's MTU.
const maxPacket = 2048

// carry carries packets between two TUN devices until one of them fails. It is one thread that sleeps until a packet comes or
// is due: handing packets to another one would cost more than the delay may be wrong.
func carry(devices [2]int, delay time.Duration, drop int) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // nothing is garbage here: buffers are used again
	ways := [2]way{{from: devices[0], to: devices[1], drop: drop}, {from: devices[1], to: devices[0]}}
	polled := []unix.PollFd{{Fd: int32(devices[0]), Events: unix.POLLIN}, {Fd: int32(devices[1]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Ppoll(polled, untilDue(ways[:]), nil); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for i := range ways {
			if err := ways[i].take(delay); err != nil {
				return err
			}
		}
		for i := range ways {
			ways[i].deliver()
		}
	}
}

// untilDue is how long it takes until the next packet is due; nil if there is none.
func untilDue(ways []way) *unix.Timespec {
	var next time.Time
	for i := range ways {
		if q := ways[i].queue; len(q) > 0 && (next.IsZero() || q[0].due.Before(next)) {
			next = q[0].due
		}
	}
	if next.IsZero() {
		return nil
	}
	left := unix.NsecToTimespec(int64(max(0, time.Until(next))))
	return &left
}

// take reads all packets that are there.
func (w *way) take(delay time.Duration) error {
	for {
		var buffer []byte
		if n := len(w.free); n > 0 {
			buffer, w.free = w.free[n-1], w.free[:n-1]
		} else {
			buffer = make([]byte, maxPacket)
		}
		n, err := unix.Read(w.from, buffer[:maxPacket])
		if err != nil {
			w.free = append(w.free, buffer)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
				return nil
			}
			return err
		}
		w.seen++
		if w.drop > 0 && w.seen%w.drop == 0 {
			w.free = append(w.free, buffer)
			continue
		}
		w.queue = append(w.queue, packet{time.Now().Add(delay), buffer[:n]})
	}
}

// deliver writes all packets that are due. One that the other device does not take is lost, as on any line.
func (w *way) deliver() {
	now, done := time.Now(), 0
	for ; done < len(w.queue) && !w.queue[done].due.After(now); done++ {
		_, _ = unix.Write(w.to, w.queue[done].data)
		w.free = append(w.free, w.queue[done].data)
	}
	w.queue = w.queue[:copy(w.queue, w.queue[done:])]
}
