package probe

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// run is one probe under way. All of it belongs to the goroutine that called Run, but for the sockets and answered.
type run struct {
	*Prober
	ctx      context.Context
	dialing  context.Context // as ctx, but it ends with the time for connecting
	start    time.Time
	deadline time.Time
	sockets  sockets
	answer   *answer
	secrets  secrets
	first    *request // of the first hop

	hops      int // begun so far, less one: the redirects followed
	hop       Hop
	hopStart  time.Time
	corrected time.Duration // taken out of the times of the hops before
	phase     Phase
	answered  atomic.Int64 // when the newest answer of a DNS server came: see noteAnswer
	late      delays
}

// Run probes once. The probe is over at the target's timeout or the end of ctx, whichever comes first; if it is not done by
// then, its outcome is timeout (and its error is context.Canceled, if that is why ctx ended).
//
// A host with addresses of both families is connected to as curl does it: the family of the resolver's first address, and
// after 200 ms, or once that has failed, the other one beside it; the first to succeed is used. Within a family the addresses
// are tried one after the other, each with an equal share of the time that is left. So with AnyFamily an outage of one
// family shows as a slow connect at most; a target that should see it names its family.
//
// A redirect is followed over a new connection, after its body was read, or with Reuse over the one that is there.
func (p *Prober) Run(ctx context.Context) Result {
	// What the collector of garbage makes a probe wait for is not part of it, as far as its memory is had before it begins.
	r := &run{Prober: p, answer: answers.Get().(*answer)}
	defer r.answer.release()
	res := Result{Outcome: OutcomeOK, Hops: make([]Hop, 0, 1)}
	life := newLifetime(ctx, p.target.Timeout, &r.sockets)
	defer life.release()
	r.ctx, r.start, r.deadline = life, life.start, life.deadline
	res.Start = r.start

	q, err := r.firstRequest()
	if err != nil {
		r.begin(q)
		res.Hops = append(res.Hops, r.hop)
		res.fail(err)
		return res
	}
	for ; ; r.hops++ {
		err := r.do(q)
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
		r.judge(&res, err)
		return res
	}
}

// begin makes the record of a hop.
func (r *run) begin(q *request) {
	r.hopStart = r.start // the first hop begins with the probe
	if r.hops > 0 {
		r.hopStart = time.Now()
	}
	r.phase, r.late, r.dialing = PhaseDNS, delays{}, r.ctx
	r.answered.Store(0)
	r.hop = Hop{
		Method: q.method, URL: q.clean, Secure: q.secure, ContentLength: -1, Retrans: -1,
		Start: r.hopStart.Sub(r.start) - r.corrected,
	}
}

// do sends q and reads the answer, and leaves in r.hop what it found.
func (r *run) do(q *request) *Error {
	r.begin(q)
	r.answer.reset(&r.target)
	l, err := r.link(q)
	if err == nil {
		err = l.exchange(r, q)
	}
	r.hop.Total = time.Since(r.hopStart)
	r.hop.Ended = r.phase
	r.hop.HeaderSize += r.answer.headerSize
	kept := l != nil && err == nil && r.keeps(l)
	if l != nil && err == nil && !kept {
		l.part()
	}
	r.sockets.closeHop()
	r.correct(l, err == nil)
	if kept {
		r.kept.put(l) // from now on it may be another probe's
	}
	r.corrected += r.hop.Lag.Time
	return err
}

// mark ends the present phase: its end is now, and next is the phase that begins.
func (r *run) mark(end *Span, next Phase) {
	*end = Span{time.Since(r.hopStart), true}
	r.phase = next
}

// failure is why the probe ends here and now: the outcome given, unless something else lies behind it.
func (r *run) failure(o Outcome, cause error, format string, args ...any) *Error {
	switch err := r.over(); {
	case errors.Is(err, context.DeadlineExceeded):
		limit := r.deadline.Sub(r.start).Round(time.Millisecond)
		return newError(OutcomeTimeout, r.phase, err, "no answer within %v: %s", limit, r.phase.doing())
	case err != nil:
		return newError(OutcomeTimeout, r.phase, err, "stopped early: %s", r.phase.doing())
	case r.connectOver():
		return newError(OutcomeTimeout, r.phase, context.DeadlineExceeded, "no connection within %v: %s", r.target.ConnectTimeout, r.phase.doing())
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

// connectOver tells whether the time for connecting is over, while that is under way.
func (r *run) connectOver() bool {
	return r.dialing != nil && r.dialing != r.ctx && !time.Now().Before(r.connectDeadline())
}

// connectDeadline is when a connection must be ready.
func (r *run) connectDeadline() time.Time {
	if r.dialing == nil {
		return r.deadline
	}
	deadline, _ := r.dialing.Deadline()
	return deadline
}
