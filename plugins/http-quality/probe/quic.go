package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// openQUIC returns a new connection over QUIC. As with curl, it counts as connected with the first packet of the server, and
// as secured when the handshake is complete. Addresses are tried one after the other, whatever their family.
func (r *run) openQUIC(q *request) (*link, *Error) {
	addrs, err := r.resolve(q.to)
	if err != nil {
		return nil, err
	}
	r.mark(&r.hop.Resolved, PhaseTCP)
	var first *Error
	for i, addr := range addrs {
		ctx, cancel := r.dialing, context.CancelFunc(func() {})
		if left := len(addrs) - i; left > 1 {
			ctx, cancel = context.WithTimeout(ctx, max(time.Until(r.connectDeadline())/time.Duration(left), minAttempt))
		}
		l, err := r.dialQUIC(ctx, q, netip.AddrPortFrom(addr, q.to.port))
		cancel()
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
		if err.Phase != PhaseTCP || r.dialing.Err() != nil {
			break
		}
	}
	return nil, first
}

func (r *run) dialQUIC(ctx context.Context, q *request, to netip.AddrPort) (*link, *Error) {
	dialer := net.Dialer{Control: r.target.Line.control}
	if source := r.target.Line.Source; source.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	conn, err := dialer.DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, r.failure(OutcomeConnect, err, "connecting to %s: %s", to, reason(err))
	}
	packets := &packets{conn: conn.(*net.UDPConn), since: r.hopStart}
	socket := &quicSocket{packets: packets, transport: &quic.Transport{Conn: packets}}
	if r.sockets.add(socket) != nil {
		return nil, r.failure(OutcomeConnect, net.ErrClosed, "connecting to %s: its time is over", to)
	}
	r.hop.RemoteIP, r.hop.LocalIP = ip(conn.RemoteAddr()), ip(conn.LocalAddr())

	var known learned
	config := r.tlsConfig(q, known.note, protocolHTTP3)
	config.MinVersion = tls.VersionTLS13
	session, err := socket.transport.Dial(ctx, conn.RemoteAddr(), config, &quic.Config{
		HandshakeIdleTimeout: r.target.Timeout, MaxIdleTimeout: max(r.target.Timeout, 5*time.Minute), MaxIncomingStreams: -1,
	})
	s, bad := known.get()
	s.describe(&r.hop)
	if at := packets.first.Load(); at > 0 {
		r.hop.Connected, r.phase = Span{time.Duration(at), true}, PhaseTLS
	}
	if err != nil {
		socket.Close()
		switch {
		case bad != nil:
			return nil, r.handshakeError(q, bad)
		case r.phase == PhaseTCP:
			return nil, r.failure(OutcomeConnect, err, "connecting to %s: %s", to, quicReason(err))
		}
		return nil, r.failure(OutcomeTLS, err, "handshake with %s: %s", q.serverName, quicReason(err))
	}
	r.mark(&r.hop.Secured, PhaseRequest)
	s.version, s.protocol = tls.VersionName(session.ConnectionState().TLS.Version), protocolHTTP3
	socket.keep(session)
	return &link{
		speaker: newHTTP3(session), origin: q.origin(), socket: socket, remote: r.hop.RemoteIP, local: r.hop.LocalIP, secured: s,
	}, nil
}

// learned is what a handshake learned, on whichever goroutine.
type learned struct {
	mu      sync.Mutex
	secured secured
	bad     error
}

func (l *learned) note(s secured, bad error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secured, l.bad = s, bad
}

func (l *learned) get() (secured, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secured, l.bad
}

// quicSocket is a UDP socket with what quic-go has built upon it.
type quicSocket struct {
	packets   *packets
	transport *quic.Transport

	mu      sync.Mutex
	session *quic.Conn
	closed  bool
}

func (s *quicSocket) keep(session *quic.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
}

// Close takes leave of the other side and ends all of it.
func (s *quicSocket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	if s.session != nil {
		_ = s.session.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
	_ = s.transport.Close()
	return s.packets.Close()
}

// packets is a connected UDP socket, so that the system tells when nobody listens, in the form that quic-go wants.
type packets struct {
	conn  *net.UDPConn
	since time.Time
	first atomic.Int64 // when the first packet came, since then; 0 before
}

func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.conn.Read(b)
	if err == nil {
		p.first.CompareAndSwap(0, max(1, int64(time.Since(p.since))))
	}
	return n, p.conn.RemoteAddr(), err
}

func (p *packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.conn.Write(b) }
func (p *packets) Close() error                              { return p.conn.Close() }
func (p *packets) LocalAddr() net.Addr                       { return p.conn.LocalAddr() }
func (p *packets) SetDeadline(t time.Time) error             { return p.conn.SetDeadline(t) }
func (p *packets) SetReadDeadline(t time.Time) error         { return p.conn.SetReadDeadline(t) }
func (p *packets) SetWriteDeadline(t time.Time) error        { return p.conn.SetWriteDeadline(t) }

// SetReadBuffer and SetWriteBuffer are quic-go's to ask for large buffers. A probe does with the system's own.
func (p *packets) SetReadBuffer(int) error  { return nil }
func (p *packets) SetWriteBuffer(int) error { return nil }

// quicReason is err in as few words as possible.
func quicReason(err error) string {
	var handshake *quic.HandshakeTimeoutError
	var transport *quic.TransportError
	var ours *http3.Error
	switch {
	case errors.As(err, &handshake):
		return "no answer"
	case errors.As(err, &ours):
		return ours.Error()
	case errors.As(err, &transport):
		return transport.Error()
	}
	return reason(err)
}
