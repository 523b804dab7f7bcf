package probe

import "time"

// delays is by how much the prober itself was late in one hop, where the kernel tells. What it was late to answer before the
// request was sent made all that followed later by as much, because the other side waited for it; what it was late to read
// afterwards delayed nobody.
type delays struct {
	lookup  time.Duration // after the DNS server's answer had come
	connect time.Duration // after the connection was there
	replies time.Duration // before what was said next, until the request: in the handshake, and to a proxy
	first   time.Duration // after the first byte of the answer had come
	last    time.Duration // after the last one had
}

// correct takes what the prober itself was late out of the times of a hop that ended well, where the kernel's word is to be
// trusted: not if the wall clock was set meanwhile, nor if segments came out of order, for a read is stamped with the arrival
// of its newest segment. A hop that failed keeps its times, for how long it took until then is part of its failure.
func (r *run) correct(l *link, ended bool) {
	h := &r.hop
	if l == nil || l.wire == nil {
		return
	}
	seen := l.wire.segments()
	if !seen.known {
		return
	}
	h.Retrans = seen.retransmitted
	if !ended || l.wire.doubt || seen.disordered > 0 {
		return
	}
	d, uncorrected := &r.late, h.Total
	floor := time.Duration(0)
	shift := func(s *Span, late time.Duration) {
		if s.Reached {
			s.Time = max(s.Time-late, floor)
			floor = s.Time
		}
	}
	shift(&h.Resolved, d.lookup)
	shift(&h.Connected, d.lookup+d.connect)
	before := d.lookup + d.connect + d.replies
	shift(&h.Secured, before)
	shift(&h.Pretransfer, before)
	shift(&h.Sent, before)
	shift(&h.FirstByte, before+d.first)
	h.Total = max(h.Total-before-d.last, floor)
	h.Lag = Span{uncorrected - h.Total, true}
}
