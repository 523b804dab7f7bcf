package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// link is a connection that is ready for a request to one origin.
type link struct {
	speaker
	origin        origin
	wire          *wire // nil over UDP
	socket        io.Closer
	remote, local netip.Addr
	secured       secured
	session       *tls.Conn // over wire; nil without TLS
}

// speaker speaks a version of HTTP over a connection.
type speaker interface {
	// exchange sends a request and reads its answer, marks r's phases from PhaseRequest on, and fills r.answer. It does not
	// send Expect: a server that refuses a long body by closing early is a failure to send, as what it may have said is often
	// lost to the reset.
	exchange(r *run, q *request) *Error
	// spent tells whether the connection can not carry another request, after an exchange that went well.
	spent() bool
	// farewell tells the other side that no more will come, so that it need not count the connection as cut off.
	farewell()
}

// link returns the connection that is kept to the request's origin, or else a new one.
func (r *run) link(q *request) (*link, *Error) {
	if r.target.Reuse {
		if l := r.kept.take(q.origin()); l != nil && r.sockets.add(l.socket) == nil {
			r.describe(l)
			r.hop.Reused, r.phase = true, PhaseRequest
			return l, nil
		}
	}
	l, err := r.open(q)
	if err != nil {
		return l, err
	}
	r.describe(l)
	return l, nil
}

func (r *run) describe(l *link) {
	r.hop.RemoteIP, r.hop.LocalIP = l.remote, l.local
	l.secured.describe(&r.hop)
}

// keeps tells whether the connection is to be kept for the next probe. Then it is no longer among those of this one.
func (r *run) keeps(l *link) bool {
	return r.target.Reuse && !l.spent() && r.sockets.release(l.socket)
}

// open returns a new connection that is ready for the request, within the time for connecting. If it fails the link that it
// returns is as far as it came, or nil.
func (r *run) open(q *request) (*link, *Error) {
	if r.target.ConnectTimeout > 0 {
		dialing, cancel := context.WithDeadline(r.ctx, r.hopStart.Add(r.target.ConnectTimeout))
		r.dialing = dialing
		ended := make(chan struct{})
		stop := context.AfterFunc(dialing, func() {
			r.sockets.end()
			close(ended)
		})
		defer func() {
			if !stop() {
				<-ended
			}
			cancel()
		}()
	}
	dial := r.openStream
	if r.target.Version == HTTP3 && q.secure {
		dial = r.openQUIC
	}
	l, err := dial(q)
	if err == nil && r.connectOver() {
		err = r.failure(OutcomeTimeout, nil, "no connection in time") // by a hair
	}
	if err == nil {
		r.dialing = r.ctx
	}
	return l, err
}

// openStream returns a new connection over TCP.
func (r *run) openStream(q *request) (*link, *Error) {
	to, what := q.to, ""
	if r.proxy != nil {
		to, what = r.proxy.to, "proxy "
	}
	addrs, err := r.resolve(to)
	if err != nil {
		return nil, err
	}
	r.mark(&r.hop.Resolved, PhaseTCP)
	w, err := r.connect(what, addrs, to.port)
	if err != nil {
		return nil, err
	}
	l := &link{origin: q.origin(), wire: w, socket: w, remote: ip(w.RemoteAddr()), local: ip(w.LocalAddr())}
	r.hop.RemoteIP, r.hop.LocalIP = l.remote, l.local
	r.late.connect = w.connectLate
	next := PhaseRequest
	if q.secure {
		next = PhaseTLS
	}
	r.mark(&r.hop.Connected, next)
	var conn net.Conn = w
	if r.proxy != nil {
		if err := r.tunnel(q, w); err != nil {
			return l, err
		}
	}
	if !q.secure {
		l.speaker = r.speak(r.plainVersion(), conn, w)
		return l, nil
	}
	w.records = newRecords()
	session, secured, err := r.handshake(q, w)
	if err != nil {
		return l, err
	}
	w.answer()
	r.mark(&r.hop.Secured, PhaseRequest)
	l.secured, l.session = secured, session
	l.speaker = r.speak(secured.protocol, session, w)
	return l, nil
}

// plainVersion is the protocol, in the names of ALPN, that is spoken without TLS, where nothing can be agreed on.
func (r *run) plainVersion() string {
	if r.target.Version == HTTP2 {
		return protocolHTTP2
	}
	return protocolHTTP1
}

func (r *run) speak(protocol string, conn net.Conn, w *wire) speaker {
	if protocol == protocolHTTP2 {
		return newHTTP2(conn, w)
	}
	return &http1{conn: conn, wire: w}
}

// beginRequest is called before the first byte of a request is sent over w.
func (r *run) beginRequest(w *wire) {
	w.answer()
	r.late.replies = w.answered
	w.answered = 0
}

// sent is called when a whole request was sent. If it had a body that was sent apart, that ended now.
func (r *run) sent(apart bool) {
	r.hop.Sent = r.hop.Pretransfer
	if apart {
		r.mark(&r.hop.Sent, PhaseRequest)
	}
	r.phase = PhaseWait
}

// firstByte is called when the first byte of an answer was read from w, nil over UDP.
func (r *run) firstByte(w *wire) {
	r.mark(&r.hop.FirstByte, PhaseTransfer)
	if w != nil {
		r.late.first = w.arrived()
	}
}

// quiet tells whether nothing has happened on a kept connection, so that a request may be sent over it.
func (l *link) quiet() bool {
	if l.wire == nil {
		return !l.spent()
	}
	return l.wire.quiet() && (l.session == nil || l.nothingRead())
}

// nothingRead tells whether TLS holds nothing that it has read and nobody has taken. Its deadline is over, so that it does not wait for
// more.
func (l *link) nothingRead() bool {
	if l.wire.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	n, err := l.session.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && l.wire.SetReadDeadline(time.Time{}) == nil
}

// part says farewell. The connection is to be closed next, and both leave together; but where the server ends the connection itself the
// farewell goes ahead, because what the server still says would make the kernel forget it.
func (l *link) part() {
	if l.wire == nil {
		l.farewell()
		return
	}
	l.wire.parting = !l.spent()
	l.farewell()
	l.wire.drain()
}

// idle prepares a connection for being kept: what the kernel told of it until now is of no use for the next hop.
func (l *link) idle(now time.Time) {
	if l.wire != nil {
		l.wire.restart(now)
	}
}
