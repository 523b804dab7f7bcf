package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// Limits of a server.
type Limits struct {
	Connections int // in all
	OfUser      int // of one user
	// Rate is how many messages a second are read of a connection, and Burst how many at once.
	Rate  float64
	Burst int
}

// Usual are the limits for all but tests.
var Usual = Limits{Connections: 4096, OfUser: 64, Rate: 200, Burst: 1000}

// Kind says what an Event tells of.
type Kind int

const (
	// Message is a record that the peer has sent.
	Message Kind = iota
	// Violation is something else that came over its connection, or a connection too many.
	Violation
	// Closed is the end of a connection over which a record had come. Alive says whether the process still runs: then somebody has
	// switched the hook off.
	Closed
)

// Event is what has happened on a connection.
type Event struct {
	Kind   Kind
	Peer   *Peer // must not be changed
	UID    int   // of the process when it sent a Message
	Record record.Record
	Err    error // of a Violation
	Alive  bool
}

// Server is the socket.
type Server struct {
	listener *net.UnixListener
	limits   Limits
	logger   hclog.Logger

	mu    sync.Mutex
	users map[int]int // connections
	all   int
}

// Listen makes the socket at a path. Another one that is there, of a process that is gone, is replaced.
func Listen(path string, limits Limits, logger hclog.Logger) (*Server, error) {
	if conn, err := net.Dial("unixpacket", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listening for shells: another collector listens at %s: stop it first", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listening for shells: %w", err)
	}
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("listening for shells: %w", err)
	}
	raw, err := listener.SyscallConn()
	if err == nil {
		var failed error
		err = raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		err = errors.Join(err, failed)
	}
	if err == nil {
		err = os.Chmod(path, 0o666) // every user's shells write here
	}
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("listening for shells: %w", err)
	}
	return &Server{listener: listener, limits: limits, logger: logger, users: map[int]int{}}, nil
}

// Run takes connections until ctx ends, and tells events. It returns when no connection is left.
func (s *Server) Run(ctx context.Context, tell func(Event)) {
	var connections sync.WaitGroup
	defer connections.Wait()
	stop := context.AfterFunc(ctx, func() { _ = s.listener.Close() })
	defer stop()
	for pause := time.Duration(0); ; {
		conn, err := s.listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			// Too many descriptors are open, for instance: that passes.
			pause = min(time.Second, max(10*time.Millisecond, 2*pause))
			s.logger.Warn("no connection of a shell can be taken", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		connections.Go(func() { s.serve(ctx, conn, tell) })
	}
}

// ending is how long a process may take to end after it has closed its connection.
const ending = time.Second

// serve reads a connection to its end.
func (s *Server) serve(ctx context.Context, conn *net.UnixConn, tell func(Event)) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	var peer *Peer
	var failed error
	if err := raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		// Where the kernel can not refuse descriptors they are closed.
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, soPassRights, 0)
		peer, failed = newPeer(int(fd))
	}); err != nil || failed != nil {
		s.logger.Debug("a connection of a shell was not taken", "error", errors.Join(err, failed))
		return
	}
	defer peer.close()
	if !s.enter(peer.UID) {
		tell(Event{Kind: Violation, Peer: peer, Err: errors.New("too many connections")})
		return
	}
	defer s.leave(peer.UID)
	bucket := bucket{rate: s.limits.Rate, burst: float64(s.limits.Burst), has: float64(s.limits.Burst), at: time.Now()}
	for {
		r, uid, err := s.next(raw, peer)
		switch {
		case errors.Is(err, errEnd):
			if peer.hello && ctx.Err() == nil {
				tell(Event{Kind: Closed, Peer: peer, Alive: peer.stays(ending)})
			}
			return
		case err != nil:
			tell(Event{Kind: Violation, Peer: peer, Err: err})
		default:
			peer.hello = true
			tell(Event{Kind: Message, Peer: peer, UID: uid, Record: r})
		}
		if wait := bucket.take(time.Now()); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	}
}

var buffers = sync.Pool{New: func() any {
	return &struct{ message, control []byte }{make([]byte, bufferSize), make([]byte, controlSize)}
}}

// next waits for a message. Only while one is read there is a buffer for it: most connections are quiet for most of the time.
func (s *Server) next(raw interface {
	Read(func(fd uintptr) bool) error
}, peer *Peer) (r record.Record, uid int, err error) {
	if failed := raw.Read(func(fd uintptr) bool {
		b := buffers.Get().(*struct{ message, control []byte })
		defer buffers.Put(b)
		r, uid, err = receive(int(fd), peer, b.message, b.control)
		return !errors.Is(err, errAgain)
	}); failed != nil {
		return r, 0, errEnd
	}
	return r, uid, err
}

func (s *Server) enter(uid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.limits.Connections || s.users[uid] >= s.limits.OfUser {
		return false
	}
	s.all++
	s.users[uid]++
	return true
}

func (s *Server) leave(uid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.users[uid]--; s.users[uid] == 0 {
		delete(s.users, uid)
	}
}

// bucket bounds a rate.
type bucket struct {
	rate, burst, has float64
	at               time.Time
}

// take takes one, and says how long to wait before the next.
func (b *bucket) take(now time.Time) time.Duration {
	b.has = min(b.burst, b.has+now.Sub(b.at).Seconds()*b.rate) - 1
	b.at = now
	if b.has >= 0 {
		return 0
	}
	return time.Duration(-b.has / b.rate * float64(time.Second))
}
