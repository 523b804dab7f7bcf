package probe

import (
	"errors"
	"net"
)

// http1 speaks HTTP/1.1.
type http1 struct {
	conn net.Conn
	wire *wire // beneath conn
	last bool  // no other request can follow
}

func (c *http1) exchange(r *run, q *request) *Error {
	r.beginRequest(c.wire)
	n, err := c.conn.Write(q.wire)
	r.hop.RequestSize += int64(n)
	if err == nil {
		r.mark(&r.hop.Pretransfer, PhaseRequest)
		if len(q.rest) > 0 {
			n, err = c.conn.Write(q.rest)
			r.hop.RequestSize += int64(n)
		}
	}
	if err != nil {
		return r.failure(OutcomeSend, err, "sending the request: %s after %d bytes", reason(err), r.hop.RequestSize)
	}
	r.sent(len(q.rest) > 0)

	a := r.answer
	a.in.Reset(c.conn)
	c.wire.await()
	_, err = a.in.Peek(1)
	if err != nil {
		return r.failure(OutcomeReceive, err, "waiting for the answer: %s", reason(err))
	}
	r.firstByte(c.wire)
	err = a.readHead()
	if err == nil {
		r.hop.Status, r.hop.HTTPVersion, r.hop.ContentLength = a.status, a.version, a.contentLength
		err = a.readBody(q.method)
	}
	r.late.last = c.wire.late
	r.hop.BodySize = a.bodySize
	c.last = err != nil || !a.persists(q.method) || a.in.Buffered() > 0
	return r.answerError(err)
}

// answerError is the failure to read an answer, or nil.
func (r *run) answerError(err error) *Error {
	switch {
	case errors.Is(err, errBodyTooLong):
		return r.failure(OutcomeBody, err, "body is longer than %d bytes", r.target.MaxBody)
	case err != nil:
		return r.failure(OutcomeReceive, err, "reading the answer: %v", err)
	}
	return nil
}

func (c *http1) spent() bool { return c.last }

func (c *http1) farewell() {
	if session, ok := c.conn.(interface{ CloseWrite() error }); ok && c.conn != net.Conn(c.wire) {
		session.CloseWrite()
	}
}
