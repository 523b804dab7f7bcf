package probe

import (
	"context"
	"errors"
	"net"
	"time"
)

// run is one probe under way. All of it belongs to the goroutine that called Run, but for the sockets.
type run struct {
	*Prober
	ctx      context.Context
	start    time.Time
	deadline time.Time
	sockets  sockets
	answer   *answer

	hops     int // begun so far, less one: the redirects followed
	hop      Hop
	hopStart time.Time
	phase    Phase
}

// Run probes once. The probe is over at the target's timeout or the end of ctx, whichever comes first; if it is not done by
// then, its outcome is timeout (and its error is context.Canceled, if that is why ctx ended).
//
// A host with addresses of both families is connected to as curl does it: the family of the resolver's first address, and
// after 200 ms, or once that has failed, the other one beside it; the first to succeed is used. Within a family the addresses
// are tried one after the other, each with an equal share of the time that is left. So with AnyFamily an outage of one
// family shows as a slow connect at most; a target that should see it names its family.
//
// A redirect is followed over a new connection, after its body was read.
func (p *Prober) Run(ctx context.Context) Result {
	start := time.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(p.target.Timeout))
	defer cancel()
	r := &run{Prober: p, ctx: ctx, start: start, answer: answers.Get().(*answer)}
	r.deadline, _ = ctx.Deadline()
	defer r.answer.release()

	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		r.sockets.end()
		close(ended)
	})
	defer func() {
		if !stop() {
			<-ended
		}
	}()

	res := Result{Start: start, Outcome: OutcomeOK, Hops: make([]Hop, 0, 1)}
	for q := p.first; ; r.hops++ {
		err := r.do(q)
		r.sockets.closeHop()
		var next *request
		if err == nil {
			next, err = r.follow(q)
		}
		res.Hops = append(res.Hops, r.hop)
		if err == nil && next != nil {
			q = next
			continue
		}
		res.Total = r.hop.Start + r.hop.Total
		text := r.answer.search
		res.BodyMatched = text.found
		res.BodyChecked = len(text.text) > 0 && (err == nil || text.found)
		if err != nil {
			res.fail(err)
		} else {
			r.judge(&res)
		}
		return res
	}
}

// do sends q and reads the answer, and leaves in r.hop what it found.
func (r *run) do(q *request) *Error {
	r.hopStart = r.start // the first hop begins with the probe
	if r.hops > 0 {
		r.hopStart = time.Now()
	}
	r.phase = PhaseDNS
	r.hop = Hop{
		Method: q.method, URL: q.clean, Secure: q.secure, ContentLength: -1,
		Start: r.hopStart.Sub(r.start),
	}
	r.answer.reset(r.target.MaxBody, r.target.Expect.BodyContains)
	conn, err := r.open(q)
	if err == nil {
		err = r.exchange(q, conn)
	}
	r.hop.Total = time.Since(r.hopStart)
	r.hop.Ended = r.phase
	if secured, isTLS := conn.(interface{ CloseWrite() error }); err == nil && q.secure && isTLS {
		secured.CloseWrite() // a farewell, so that the server need not count this as cut off; all was received by now
	}
	return err
}

// mark ends the present phase: its end is now, and next is the phase that begins.
func (r *run) mark(end *Span, next Phase) {
	*end = Span{time.Since(r.hopStart), true}
	r.phase = next
}

// open returns a connection that is ready for the request.
func (r *run) open(q *request) (net.Conn, *Error) {
	addrs, err := r.resolve(q)
	if err != nil {
		return nil, err
	}
	r.mark(&r.hop.Resolved, PhaseTCP)
	conn, err := r.connect(q, addrs)
	if err != nil {
		return nil, err
	}
	r.hop.RemoteIP, r.hop.LocalIP = ip(conn.RemoteAddr()), ip(conn.LocalAddr())
	if !q.secure {
		r.mark(&r.hop.Connected, PhaseRequest)
		return conn, nil
	}
	r.mark(&r.hop.Connected, PhaseTLS)
	secured, err := r.handshake(q, conn)
	if err != nil {
		return nil, err
	}
	r.mark(&r.hop.Secured, PhaseRequest)
	return secured, nil
}

// exchange sends q over conn and reads the answer. It reads nothing before all is sent, and does not send Expect: a server
// that refuses a long body by closing early is a failure to send, as what it may have said is often lost to the reset.
func (r *run) exchange(q *request, conn net.Conn) *Error {
	n, err := conn.Write(q.wire)
	r.hop.RequestSize = int64(n)
	if err == nil {
		r.mark(&r.hop.Pretransfer, PhaseRequest)
		if len(q.rest) > 0 {
			n, err = conn.Write(q.rest)
			r.hop.RequestSize += int64(n)
		}
	}
	if err != nil {
		return r.failure(OutcomeSend, err, "sending the request: %s after %d bytes", reason(err), r.hop.RequestSize)
	}
	r.hop.Sent = r.hop.Pretransfer
	if len(q.rest) > 0 {
		r.mark(&r.hop.Sent, PhaseRequest)
	}
	r.phase = PhaseWait

	a := r.answer
	a.in.Reset(conn)
	if _, err := a.in.Peek(1); err != nil {
		return r.failure(OutcomeReceive, err, "waiting for the answer: %s", reason(err))
	}
	r.mark(&r.hop.FirstByte, PhaseTransfer)
	err = a.readHead()
	if err == nil {
		r.hop.Status, r.hop.HTTPVersion, r.hop.ContentLength = a.status, a.version, a.contentLength
		err = a.readBody(q.method)
	}
	r.hop.HeaderSize, r.hop.BodySize = a.headerSize, a.bodySize
	switch {
	case errors.Is(err, errBodyTooLong):
		return r.failure(OutcomeBody, err, "body is longer than %d bytes", r.target.MaxBody)
	case err != nil:
		return r.failure(OutcomeReceive, err, "reading the answer: %v", err)
	}
	return nil
}

// failure is why the probe ends here and now: the outcome given, unless something else lies behind it.
func (r *run) failure(o Outcome, cause error, format string, args ...any) *Error {
	switch err := r.over(); {
	case errors.Is(err, context.DeadlineExceeded):
		limit := r.deadline.Sub(r.start).Round(time.Millisecond)
		return newError(OutcomeTimeout, r.phase, err, "no answer within %v: %s", limit, r.phase.doing())
	case err != nil:
		return newError(OutcomeTimeout, r.phase, err, "stopped early: %s", r.phase.doing())
	case isTLSAlert(cause):
		o = OutcomeTLS
	}
	return newError(o, r.phase, cause, format, args...)
}

// over tells why the probe's time is over, or nil. The clock is asked as well: a socket with the same deadline may give up a
// little before the context's timer has fired.
func (r *run) over() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if !time.Now().Before(r.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
