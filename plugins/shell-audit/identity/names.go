package identity

import (
	"os/user"
	"strconv"
	"sync"
	"time"
)

// Names knows what users are called. A directory service that does not answer delays nobody for long.
type Names struct {
	lookUp func(uid string) (*user.User, error)
	wait   time.Duration
	keep   time.Duration

	mu    sync.Mutex
	known map[int]named
}

type named struct {
	name string
	at   time.Time
	// pending says that an answer is awaited.
	pending bool
}

// NewNames asks the system.
func NewNames() *Names {
	return &Names{lookUp: user.LookupId, wait: 500 * time.Millisecond, keep: 10 * time.Minute, known: map[int]named{}}
}

// Of is the name of a user; the number if there is none, or none is to be had in time.
func (n *Names) Of(uid int) string {
	n.mu.Lock()
	have, ok := n.known[uid]
	if ok && (have.pending || time.Since(have.at) < n.keep) {
		n.mu.Unlock()
		return have.name
	}
	before := have.name
	if !ok {
		before = strconv.Itoa(uid)
	}
	n.known[uid] = named{name: before, at: time.Now(), pending: true}
	n.mu.Unlock()
	answer := make(chan string, 1)
	go func() {
		// It ends when the directory service has answered or given up; no more than one for each user.
		name := strconv.Itoa(uid)
		if u, err := n.lookUp(name); err == nil && u.Username != "" {
			name = u.Username
		}
		n.mu.Lock()
		n.known[uid] = named{name: name, at: time.Now()}
		n.mu.Unlock()
		answer <- name
	}()
	select {
	case name := <-answer:
		return name
	case <-time.After(n.wait):
		return before
	}
}
