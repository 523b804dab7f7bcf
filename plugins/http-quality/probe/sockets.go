package probe

import (
	"net"
	"sync"
)

// sockets are those that a probe has open. When the probe's time is over they are all closed, so that every wait ends at
// once, and from then on none is opened. This one way works for DNS, the handshake, reading and writing alike.
type sockets struct {
	mu    sync.Mutex
	ended bool
	open  []net.Conn
}

// add takes over conn. If the probe's time is over it closes conn and returns net.ErrClosed.
func (s *sockets) add(conn net.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		conn.Close()
		return net.ErrClosed
	}
	s.open = append(s.open, conn)
	return nil
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
	for _, conn := range s.open {
		conn.Close()
	}
	clear(s.open)
	s.open = s.open[:0]
}
