package spool

import (
	"slices"
	"sync"
)

// Bound limits the bytes of the segments of several spools together.
type Bound struct {
	max int64

	mu      sync.Mutex
	members []*member
}

// NewBound returns a bound of so many bytes.
func NewBound(maxBytes int64) *Bound { return &Bound{max: maxBytes} }

// member is what one spool has of a bound.
type member struct {
	bound *Bound
	share int64 // the others leave it that much, whether it is used or not
	used  int64 // by segments
	taken int64 // by a batch that is being written
}

// join makes a spool whose segments have these bytes a member.
func (b *Bound) join(share, used int64) *member {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &member{bound: b, share: share, used: used}
	b.members = append(b.members, m)
	return m
}

// leave ends the membership.
func (m *member) leave() {
	m.bound.mu.Lock()
	defer m.bound.mu.Unlock()
	m.bound.members = slices.DeleteFunc(m.bound.members, func(other *member) bool { return other == m })
}

// most is how much the member can have when the others have only what is theirs.
func (m *member) most() int64 {
	m.bound.mu.Lock()
	defer m.bound.mu.Unlock()
	most := m.bound.max
	for _, other := range m.bound.members {
		if other != m {
			most -= other.share
		}
	}
	return most
}

// take lets pick choose how much of the room that there is a batch will need.
func (m *member) take(pick func(room int64) int64) {
	m.bound.mu.Lock()
	defer m.bound.mu.Unlock()
	room := m.bound.max - m.used
	for _, other := range m.bound.members {
		if other != m {
			room -= max(other.used+other.taken, other.share)
		}
	}
	m.taken = pick(room)
}

// settle ends what take began: n bytes were written.
func (m *member) settle(n int64) {
	m.bound.mu.Lock()
	defer m.bound.mu.Unlock()
	m.used += n
	m.taken = 0
}

// free gives back n bytes of segments.
func (m *member) free(n int64) {
	m.bound.mu.Lock()
	defer m.bound.mu.Unlock()
	m.used -= n
}

func (m *member) bytes() int64 {
	m.bound.mu.Lock()
	defer m.bound.mu.Unlock()
	return m.used
}
