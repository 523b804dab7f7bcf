package probe

import (
	"sync"
	"time"
)

// maxKept is how many connections a prober keeps: one for its target, and some for where that redirects to.
const maxKept = 4

// keeper keeps connections from one probe to the next, at most one for each origin.
type keeper struct {
	mu     sync.Mutex
	closed bool
	links  map[origin]*link
}

// take hands out the connection that is kept to an origin, if the other side has not ended it, or said anything, meanwhile.
func (k *keeper) take(o origin) *link {
	k.mu.Lock()
	l := k.links[o]
	delete(k.links, o)
	k.mu.Unlock()
	if l == nil {
		return nil
	}
	if !l.quiet() {
		l.socket.Close()
		return nil
	}
	l.idle(time.Now())
	return l
}

func (k *keeper) put(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, taken := k.links[l.origin]
	if k.closed || taken || len(k.links) >= maxKept {
		l.part()
		l.socket.Close()
		return
	}
	if k.links == nil {
		k.links = map[origin]*link{}
	}
	k.links[l.origin] = l
}

// close closes all, and everything that is put later.
func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for o, l := range k.links {
		l.part()
		l.socket.Close()
		delete(k.links, o)
	}
}
