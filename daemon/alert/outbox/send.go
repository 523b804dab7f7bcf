package outbox

import (
	"fmt"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Next is the notice that the channel has to be given now. If there is none, wait says when to ask again at the latest; 0 is when
// something was put or settled. What Next returns is under way until Settle.
func (o *Outbox) Next(channel string, now time.Time) (n *incident.Notice, wait time.Duration) {
	q := o.queues[channel]
	if q == nil || q.removed || q.inFlight != nil || len(q.notices) == 0 {
		return nil, 0
	}
	if wait := until(q.state.NotBefore, now); wait > 0 {
		return nil, min(wait, lastRetry)
	}
	// Notices of a thread go in their order: nobody is to hear of the end before the beginning.
	i, first := -1, now.Add(lastRetry)
	ahead := map[string]bool{}
	for at, n := range q.notices {
		if ahead[n.Thread] {
			continue
		}
		ahead[n.Thread] = true
		if until(n.NotBefore, now) == 0 {
			i = at
			break
		}
		if n.NotBefore.Before(first) {
			first = n.NotBefore
		}
		if n.Kind == wire.Kind_KIND_DIGEST {
			// It may have any thread in it.
			break
		}
	}
	if i < 0 {
		return nil, first.Sub(now)
	}
	if wait := q.starving(now); wait > 0 {
		return nil, wait
	}
	if folded := o.fold(q, now); folded != nil {
		return o.begin(q, folded, now), 0
	}
	q.starved = time.Time{}
	return o.begin(q, q.notices[i], now), 0
}

// until is how long to wait for a moment. One that is further ahead than anything waits is of a clock that was set back since.
func until(at, now time.Time) time.Duration {
	wait := max(at.Sub(now), 0)
	if wait > longestPause {
		return 0
	}
	return wait
}

// starving is how long the limit forbids the next notice.
func (q *queue) starving(now time.Time) time.Duration {
	if q.Limit <= 0 {
		return 0
	}
	recent := q.recent(now)
	if len(recent) < q.Limit {
		return 0
	}
	if q.starved.IsZero() {
		q.starved = now
	}
	return max(time.Millisecond, q.Per-now.Sub(recent[len(recent)-q.Limit]))
}

func (o *Outbox) begin(q *queue, n *incident.Notice, now time.Time) *incident.Notice {
	q.inFlight, n.Sending = n, true
	n.Attempts++
	n.Waited, n.Since = n.Age(now), now
	if q.Limit > 0 {
		q.state.Sent = append(q.recent(now), now)
		o.log.PutChannel(q.Name, q.state)
	}
	// The number of attempts is kept before the attempt is made: after a crash it may have arrived.
	o.log.PutNotice(n)
	return n
}

// fold puts together what waits, if it is too much to be told one by one.
func (o *Outbox) fold(q *queue, now time.Time) *incident.Notice {
	var waiting []*incident.Notice
	ahead := map[string]bool{}
	for _, n := range q.notices {
		switch {
		case n.Kind == wire.Kind_KIND_DIGEST && !grows(n):
			return nil
		case !grows(n):
			ahead[n.Thread] = true
		case !ahead[n.Thread]:
			waiting = append(waiting, n)
		}
	}
	late := !q.starved.IsZero() && now.Sub(q.starved) >= digestAfter
	if len(waiting) <= digestOver && (!late || len(waiting) < 2) {
		return nil
	}
	digest := waiting[0]
	for _, n := range waiting[1:] {
		merge(digest, n)
		o.log.DeleteNotice(n.ID)
	}
	q.notices = slices.DeleteFunc(q.notices, func(n *incident.Notice) bool { return n != digest && slices.Contains(waiting, n) })
	digest.Kind, digest.Thread, digest.NotBefore = wire.Kind_KIND_DIGEST, "digest."+digest.ID, time.Time{}
	q.starved = time.Time{}
	return digest
}

// Result is what an attempt has come to.
type Result struct {
	Deliveries []*wire.Delivery
	// Err is that of the call itself: nobody knows what has arrived, unless Reached is false.
	Err     error
	Reached bool
}

// End is the end of a notice for its channel.
type End struct {
	Notice *incident.Notice
	// Delivered says that it has arrived, at least for one recipient; otherwise it was given up.
	Delivered bool
	// More says that it goes on: some recipients lack it still, or it is tried again while the fallback has it too.
	More bool
	// Fallback is the notice that goes to the fallback in its place, if there is one.
	Fallback *incident.Notice
}

// Settle notes what has become of the attempt. It returns the ends that follow: none if the notice is tried again.
func (o *Outbox) Settle(n *incident.Notice, r Result, now time.Time) []End {
	q := o.queues[n.Channel]
	if q == nil || q.inFlight != n {
		return nil
	}
	q.inFlight, n.Sending = nil, false
	v := judge(n, r)
	n.LastOutcome, n.LastCode, n.LastError = v.outcome.String(), v.code, v.message
	n.MayRepeat = n.MayRepeat || v.outcome == wire.Outcome_OUTCOME_UNKNOWN
	if q.Fleeting && !v.delivered {
		o.remove(q, n)
		return []End{{Notice: n}}
	}
	o.learn(q, v, now)
	switch {
	case len(v.again) == 0 && v.delivered:
		o.remove(q, n)
		ends := []End{{Notice: n, Delivered: true}}
		if v.lost > 0 {
			// Some can never have it: that is kept for people to see, and the fallback tells them.
			n.Why = fmt.Sprintf("%d of its recipients refuse it for good: %s", v.lost, v.message)
			n.GivenUp = now
			o.bury(n)
			ends[0].Fallback = o.fallBack(q, n, now)
		}
		return ends
	case v.final:
		return o.giveUp(q, n, now, v.message)
	}
	n.Recipients = v.again
	if v.partial {
		// The rest is a matter of its own: those who have it have been told.
		n.MayRepeat = false
	}
	n.NotBefore = now.Add(max(retry.Wait(n.Attempts-1), v.retryAfter))
	var ends []End
	if v.partial {
		ends = append(ends, End{Notice: n, Delivered: true, More: true})
	}
	if v.outcome == wire.Outcome_OUTCOME_PERMANENT_CONFIG && !n.FellBack {
		n.FellBack = true
		if f := o.fallBack(q, n, now); f != nil {
			ends = append(ends, End{Notice: n, More: true, Fallback: f})
		}
	}
	o.log.PutNotice(n)
	return ends
}

// learn notes what the attempt says of the channel.
func (o *Outbox) learn(q *queue, v verdict, now time.Time) {
	s := &q.state
	switch {
	case v.delivered || v.outcome == wire.Outcome_OUTCOME_PERMANENT_RECIPIENT:
		// It works, whatever it thinks of this recipient.
		if s.Failures == 0 && s.Open.IsZero() && s.NotBefore.IsZero() {
			return
		}
		*s = state{Sent: s.Sent}
	case v.outcome == wire.Outcome_OUTCOME_PERMANENT_CONFIG:
		s.Failures++
		if s.Open.IsZero() {
			s.Open = now
		}
		s.Wrong, s.NotBefore, s.LastError = true, now.Add(wrongRetry), v.message
	default:
		s.Failures++
		s.LastError = v.message
		if s.Failures >= breakAfter {
			if s.Open.IsZero() {
				s.Open = now
			}
			s.NotBefore = now.Add(retry.Wait(s.Failures - breakAfter))
		}
		if v.retryAfter > 0 {
			s.NotBefore = now.Add(v.retryAfter)
		}
	}
	o.log.PutChannel(q.Name, *s)
}

// remove takes a notice off its queue.
func (o *Outbox) remove(q *queue, n *incident.Notice) {
	q.notices = slices.DeleteFunc(q.notices, func(other *incident.Notice) bool { return other == n })
	o.log.DeleteNotice(n.ID)
}

func (o *Outbox) giveUp(q *queue, n *incident.Notice, now time.Time, why string) []End {
	o.remove(q, n)
	n.GivenUp, n.Why = now, why
	end := End{Notice: n}
	if !n.FellBack {
		n.FellBack = true
		end.Fallback = o.fallBack(q, n, now)
	}
	o.bury(n)
	return []End{end}
}

// bury keeps a notice that was given up.
func (o *Outbox) bury(n *incident.Notice) {
	o.dead = append(o.dead, n)
	o.log.PutDead(n)
	for len(o.dead) > keptDead {
		o.log.DeleteDead(o.dead[0].ID)
		o.dead = o.dead[1:]
	}
}

// fallBack gives a notice to the fallback, or returns nil if there is none, or nothing in it that the fallback's readers could make
// sense of.
func (o *Outbox) fallBack(q *queue, n *incident.Notice, now time.Time) *incident.Notice {
	to := o.queues[q.Fallback]
	if q.Fallback == "" || to == nil || to.removed {
		return nil
	}
	f := *n
	f.ID, f.Channel, f.InPlaceOf = n.ID+"."+q.Fallback, q.Fallback, q.Name
	f.Waited, f.Since = 0, now
	f.Created, f.NotBefore, f.Attempts, f.MayRepeat, f.Recipients, f.FellBack = now, time.Time{}, 0, false, nil, false
	f.LastOutcome, f.LastCode, f.LastError, f.GivenUp, f.Why = "", "", "", time.Time{}, ""
	f.Items = nil
	for _, item := range n.Items {
		known := o.told(q.Fallback, item.Incident.ID)
		switch item.Kind {
		case wire.Kind_KIND_RESOLVED, wire.Kind_KIND_FLAPPING_ENDED:
			// Who knows of the incident is told of its end in a notice of his own.
			if known != nil || !item.Late {
				continue
			}
		case wire.Kind_KIND_REPEAT:
			if known == nil {
				item.Kind = wire.Kind_KIND_FIRING
			}
		default:
			if known != nil && item.Incident.Level <= known.Level {
				continue
			}
		}
		f.Items = append(f.Items, item)
	}
	if len(f.Items) == 0 {
		return nil
	}
	if f.Kind != wire.Kind_KIND_DIGEST {
		f.Kind = KindOf(f.Items)
	}
	// It may join one that waits; what it brought to that is what the fallback is told now.
	added := f
	added.Items = slices.Clone(f.Items)
	o.Put(&f)
	return &added
}

// Tick gives notices that wait for too long to fallbacks, and gives up those that have waited for a day.
func (o *Outbox) Tick(now time.Time) []End {
	var ends []End
	for _, q := range o.queues {
		for _, n := range slices.Clone(q.notices) {
			if n == q.inFlight {
				continue
			}
			age := n.Age(now)
			switch {
			case age >= o.opts.Expire:
				why := "it could not be delivered for " + o.opts.Expire.String()
				if n.LastError != "" {
					why += ": " + n.LastError
				}
				ends = append(ends, o.giveUp(q, n, now, why)...)
			case (age >= o.opts.FallbackAfter || !q.state.Open.IsZero()) && !n.FellBack:
				n.FellBack = true
				o.log.PutNotice(n)
				if f := o.fallBack(q, n, now); f != nil {
					ends = append(ends, End{Notice: n, More: true, Fallback: f})
				}
			}
		}
	}
	for len(o.dead) > 0 && now.Sub(o.dead[0].GivenUp) > keptDeadFor {
		o.log.DeleteDead(o.dead[0].ID)
		o.dead = o.dead[1:]
	}
	return ends
}

// Retry puts a notice that was given up back into its queue, or all of them if id is empty, and says how many.
func (o *Outbox) Retry(id string, now time.Time) []*incident.Notice {
	var back []*incident.Notice
	o.dead = slices.DeleteFunc(o.dead, func(n *incident.Notice) bool {
		if id != "" && n.ID != id {
			return false
		}
		o.log.DeleteDead(n.ID)
		n.Waited, n.Since, n.FellBack = 0, now, false
		n.Created, n.NotBefore, n.Attempts, n.GivenUp, n.Why, n.Recipients = now, time.Time{}, 0, time.Time{}, "", nil
		q := o.queue(n.Channel)
		q.state.NotBefore = time.Time{}
		o.log.PutChannel(q.Name, q.state)
		q.notices = append(q.notices, n)
		o.log.PutNotice(n)
		back = append(back, n)
		return true
	})
	return back
}

// Drop removes a notice for good, whether it waits or was given up. One under way can not be dropped.
func (o *Outbox) Drop(id string) *incident.Notice {
	if i := slices.IndexFunc(o.dead, func(n *incident.Notice) bool { return n.ID == id }); i >= 0 {
		n := o.dead[i]
		o.dead = slices.Delete(o.dead, i, i+1)
		o.log.DeleteDead(id)
		return n
	}
	for _, q := range o.queues {
		for _, n := range q.notices {
			if n.ID == id && n != q.inFlight {
				o.remove(q, n)
				return n
			}
		}
	}
	return nil
}
