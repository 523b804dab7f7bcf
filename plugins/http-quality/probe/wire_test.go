package probe

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestRecordsAreFollowedHoweverTheStreamIsCut(t *testing.T) {
	var stream []byte
	var ends []int // of headers and of contents
	for _, length := range []int{0, 1, 5, 300, 0, 16384, 7} {
		stream = append(stream, 23, 3, 3, byte(length>>8), byte(length))
		ends = append(ends, len(stream))
		stream = append(stream, make([]byte, length)...)
		if length > 0 {
			ends = append(ends, len(stream))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		r := newRecords()
		at, end := 0, 0
		for at < len(stream) {
			for ends[end] <= at {
				end++
			}
			if want := ends[end] - at; r.next() != want {
				t.Fatalf("at %d: %d bytes to the next end, want %d", at, r.next(), want)
			}
			n := min(1+random.IntN(700), len(stream)-at)
			r.advance(stream[at:at+n], nil)
			at += n
		}
	}
}

func TestTheKernelsWordIsDoubtedWhenTheWallClockWasSet(t *testing.T) {
	for _, c := range []struct {
		name                string
		late, elapsed, wall time.Duration
		want                bool
	}{
		{"at once", 0, time.Second, time.Second, true},
		{"late", 900 * time.Millisecond, time.Second, time.Second + clockSlack/2, true},
		{"set forwards", time.Hour, time.Second, time.Second + time.Hour, false},
		{"set backwards", -time.Hour, time.Second, time.Second - time.Hour, false},
		{"set a little", 100 * time.Millisecond, time.Second, time.Second + 2*clockSlack, false},
		{"received before it was asked for", time.Second + 1, time.Second, time.Second, false},
		{"received in the future", -1, time.Second, time.Second, false},
	} {
		if got := isTrue(c.late, c.elapsed, c.wall); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
