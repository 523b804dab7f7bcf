//go:build !linux

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// stream is a TCP connection. The system tells nothing of it: the prober's own clock is all there is.
type stream struct{ *net.TCPConn }

func (*stream) segments() segments { return segments{} }

func (s *stream) writeLast(b []byte) (int, error) { return s.Write(b) }

func (*stream) drain() {}

func keepStamping() {}

// dial connects to an address until the deadline at most, or the end of ctx.
func (r *run) dial(ctx context.Context, to netip.AddrPort, deadline time.Time) (*wire, error) {
	began := time.Now()
	dialer := net.Dialer{KeepAlive: -1, Deadline: deadline}
	if source := r.target.Line.Source; source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	// Not DialTCP, which binds the socket before it connects, even to no address (Go 1.26): a port bound so serves one
	// destination at a time, and those of a few hundred probes a second run out.
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	w := &wire{stream: stream{conn.(*net.TCPConn)}, began: began}
	return w, r.sockets.add(w)
}

// quiet tells whether the other side has neither said anything nor closed since what was read last.
func (w *wire) quiet() bool {
	if w.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	_, err := w.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded) && w.SetReadDeadline(time.Time{}) == nil
}

func stampDatagrams(conn *net.UDPConn, _ func(stamp int64)) net.Conn { return conn }
