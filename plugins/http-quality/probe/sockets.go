package probe

import (
	"io"
	"net"
	"slices"
	"sync"
)

// sockets are those that a probe has open. When the probe's time is over they are all closed, so that every wait ends at
// once, and from then on none is opened. This one way works for DNS, the handshake, reading and writing alike.
type sockets struct {
	mu    sync.Mutex
	ended bool
	open  []io.Closer
}

// add takes over a socket. If the probe's time is over it closes it and returns net.ErrClosed.
func (s *sockets) add(socket io.Closer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		socket.Close()
		return net.ErrClosed
	}
	s.open = append(s.open, socket)
	return nil
}

// release gives a socket back, still open, unless the probe's time is over.
func (s *sockets) release(socket io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.open = slices.DeleteFunc(s.open, func(c io.Closer) bool { return c == socket })
	return true
}

// end closes all, and everything that is added later.
func (s *sockets) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.closeAll()
}

// closeHop closes all and is ready for the next hop. A socket that its user has closed before does not mind.
func (s *sockets) closeHop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeAll()
}

func (s *sockets) closeAll() {
	for _, socket := range s.open {
		socket.Close()
	}
	clear(s.open)
	s.open = s.open[:0]
}
