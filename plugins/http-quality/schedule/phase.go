package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// Starts in a batch share what a wake-up costs, and disturb each other's measurements: batch is how many of them may come
// together on average, and longestQuantum bounds how long they are gathered where there are few.
const (
	batch          = 25
	longestQuantum = 100 * time.Millisecond
)

// quanta divide a second, so that tasks of all usual intervals meet.
var quanta = [...]time.Duration{longestQuantum, 50 * time.Millisecond, 20 * time.Millisecond, 10 * time.Millisecond, 5 * time.Millisecond,
	2 * time.Millisecond, time.Millisecond}

// quantum is that of which the phases of these tasks are multiples.
func quantum(tasks []Task) time.Duration {
	rate := 0.0 // starts a second
	for _, t := range tasks {
		rate += 1 / t.Interval().Seconds()
	}
	for _, q := range quanta {
		if q.Seconds()*rate <= batch {
			return q
		}
	}
	return quanta[len(quanta)-1]
}

// phase is where in its interval a task of this name starts. With another quantum it is another one by less than the longer
// of both.
func phase(name string, interval, quantum time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(name))
	slot, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), uint64(max(1, interval/quantum)))
	return time.Duration(slot) * quantum
}
