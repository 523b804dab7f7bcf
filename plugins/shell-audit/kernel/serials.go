package kernel

import "time"

const (
	// late is how long an event may come after those that have begun after it.
	late = 2 * time.Second
	// maxMissing is of how many events that did not come it is remembered which.
	maxMissing = 8192
)

// serials counts the events that did not come: each has a number, one more than the last one's. Their order is not strict, for
// several processors number at once.
type serials struct {
	begun   bool
	next    uint32 // numbers begin anew after 2³²-1
	missing map[uint32]time.Time
	lost    uint64
	seen    uint64
}

// note takes the number of an event. It may be called for each part of an event.
func (s *serials) note(n uint32, now time.Time) {
	if !s.begun {
		s.begun, s.next, s.missing = true, n, map[uint32]time.Time{}
	}
	ahead := n - s.next
	if ahead >= 1<<31 { // it is behind
		if _, ok := s.missing[n]; ok {
			delete(s.missing, n)
			s.seen++
		}
		return
	}
	if room := uint32(maxMissing - len(s.missing)); ahead > room {
		s.lost += uint64(ahead - room)
		s.next += ahead - room
	}
	for ; s.next != n; s.next++ {
		s.missing[s.next] = now
	}
	s.next++
	s.seen++
}

// settle gives up what should have come long ago.
func (s *serials) settle(now time.Time) {
	for n, since := range s.missing {
		if now.Sub(since) >= late {
			delete(s.missing, n)
			s.lost++
		}
	}
}
