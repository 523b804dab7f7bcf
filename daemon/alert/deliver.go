package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/store"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// attempt is a notice that is to go.
type attempt struct {
	notice  *incident.Notice
	request *wire.NotifyRequest
	// within is how long it may take.
	within time.Duration
}

// pick takes from the outbox what may go now. It goes when that is written.
func (e *Engine) pick(now time.Time) {
	if e.dispatch.Holding() || e.quiet != nil {
		return
	}
	for _, channel := range e.box.Channels() {
		n, _ := e.box.Next(channel, now)
		if n == nil {
			continue
		}
		req := dispatch.Request(n, e.policy.Settings, e.threads[threadKey(n)].State)
		e.launch = append(e.launch, attempt{n, req, e.policy.Settings.Attempt})
	}
}

func threadKey(n *incident.Notice) string { return n.Channel + "\x00" + n.Thread }

// send lets the notices go that were picked, each on a goroutine of its own: a slow channel delays nobody else.
func (e *Engine) send(ctx context.Context) {
	launch := e.launch
	e.launch = nil
	for _, a := range launch {
		e.underWay++
		e.running.Go(func() {
			result, thread := e.deliver(ctx, a)
			e.finish(func(now time.Time) {
				e.settle(a.notice, result, thread, now)
				e.underWay--
				e.after = append(e.after, e.noteIdle)
			})
		})
	}
	e.sync(ctx, time.Now())
}

// finish hands what has become of something to the engine, unless that has ended: then it is found on disk as it was.
func (e *Engine) finish(f func(now time.Time)) {
	select {
	case e.calls <- f:
	case <-e.stopped:
	}
}

func (e *Engine) settle(n *incident.Notice, r outbox.Result, thread map[string]string, now time.Time) {
	if len(thread) > 0 {
		t := store.Thread{State: thread, Used: now.UTC()}
		e.threads[threadKey(n)] = t
		e.batch.PutThread(threadKey(n), t)
	}
	open := e.box.Open(n.Channel)
	ends := e.box.Settle(n, r, now)
	if e.box.Open(n.Channel) != open {
		e.queued = time.Time{} // whoever watches the channels is to know at once
	}
	if name, ok := strings.CutPrefix(n.Channel, beatPrefix); ok {
		e.noteBeat(name, n.LastError)
	} else if n.LastError != "" && len(ends) == 0 {
		e.log.Warn("a notice was not delivered; it is tried again", "notifier", n.Channel, "notice", n.ID, "attempt", n.Attempts, "outcome", n.LastOutcome, "code", n.LastCode, "error", n.LastError)
	}
	e.dispatch.Settle(e.ended(ends, now), now)
}

// keptThread is for how long a channel's own state of a thread is kept after the last notice of that.
const keptThread = 7 * 24 * time.Hour

// forgetThreads forgets the threads of which nothing more will be told.
func (e *Engine) forgetThreads(now time.Time) {
	for key, t := range e.threads {
		if now.Sub(t.Used) > keptThread {
			delete(e.threads, key)
			e.batch.DeleteThread(key)
		}
	}
}

// deliver makes one attempt.
func (e *Engine) deliver(ctx context.Context, a attempt) (outbox.Result, map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, a.within)
	defer cancel()
	if name, ok := strings.CutPrefix(a.notice.Channel, beatPrefix); ok {
		return e.deliverBeat(ctx, name, a.within), nil
	}
	plugin := e.plugin(a.notice.Channel)
	answer, err := e.opts.Notifier(plugin).Notify(ctx, a.request)
	if err != nil {
		return outbox.Result{Err: plain(err, a.within), Reached: reached(err)}, nil
	}
	return outbox.Result{Deliveries: answer.Deliveries, Reached: true}, answer.ThreadState
}

// plugin is the one that serves a channel. It is asked from outside the engine's goroutine, so a snapshot answers.
func (e *Engine) plugin(channel string) string {
	if served := e.served.Load(); served != nil {
		return (*served)[channel]
	}
	return ""
}

// reached reports whether a call that failed may have reached the plugin.
func reached(err error) bool {
	s, isStatus := status.FromError(err)
	if !isStatus {
		// It was not made.
		return false
	}
	return !slices.Contains([]codes.Code{codes.NotFound, codes.Unimplemented, codes.InvalidArgument, codes.FailedPrecondition}, s.Code())
}

// plain is an error without the words of gRPC, of a call that may take so long.
func plain(err error, within time.Duration) error {
	s, isStatus := status.FromError(err)
	switch {
	case !isStatus:
		return err
	case s.Code() == codes.DeadlineExceeded:
		return fmt.Errorf("the plugin did not answer within %s", within)
	case s.Code() == codes.Unavailable:
		return errors.New("the plugin went away during the call")
	}
	return fmt.Errorf("the plugin failed: %s", s.Message())
}

// ended makes points of the ends of notices, and logs those that were given up.
func (e *Engine) ended(ends []outbox.End, now time.Time) []outbox.End {
	for _, end := range ends {
		n := end.Notice
		switch {
		case strings.HasPrefix(n.Channel, beatPrefix) || end.More && end.Fallback == nil:
			continue
		case end.Delivered:
			e.points.add(e, e.outcomePoint(n, "delivered", now))
		case end.Fallback == nil || !end.More:
			e.log.Error("a notice was given up", "notifier", n.Channel, "notice", n.ID, "attempts", n.Attempts, "why", n.Why)
			e.points.add(e, e.outcomePoint(n, "dead", now))
		}
		if end.Fallback != nil {
			e.log.Warn("a notice goes to the fallback", "notifier", n.Channel, "fallback", end.Fallback.Channel, "notice", n.ID, "error", n.LastError)
			e.points.add(e, e.outcomePoint(n, "fallback", now))
		}
	}
	return ends
}

// syncing is a channel that is given the whole set of active alerts.
type syncing struct {
	underWay bool
	last     time.Time // attempt
	sum      uint64    // of the set that was given last
	failing  time.Time // since when, or zero
	failures int
	err      string
}

// How often such a channel is given the set, how long that holds there, and how soon changes follow.
const (
	syncInterval = time.Minute
	syncHolds    = 4 * time.Minute
	syncPause    = 2 * time.Second
)

// sync gives channels that sync the set of what is active, when that has changed, and every minute.
func (e *Engine) sync(ctx context.Context, now time.Time) {
	if e.dispatch.Holding() || e.quiet != nil {
		return
	}
	for name, c := range e.channels {
		if !c.Syncs {
			continue
		}
		s := e.syncs[name]
		if s == nil {
			s = new(syncing)
			e.syncs[name] = s
		}
		if s.underWay || now.Sub(s.last) < syncPause {
			continue
		}
		items := e.dispatch.Active(name, now, syncHolds)
		sum := sumOf(items)
		if sum == s.sum && now.Sub(s.last) < syncInterval {
			continue
		}
		s.underWay, s.last = true, now
		req := &wire.SyncRequest{Channel: name, ValidFor: durationpb.New(syncHolds)}
		for i := range items {
			req.Active = append(req.Active, dispatch.Alert(&items[i], e.policy.Settings))
		}
		plugin, within := c.Plugin, e.policy.Settings.Attempt
		e.running.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			d, err := e.opts.Notifier(plugin).Sync(ctx, req)
			e.finish(func(now time.Time) { e.synced(name, s, sum, d, err, within, now) })
		})
	}
}

func (e *Engine) synced(name string, s *syncing, sum uint64, d *wire.Delivery, err error, within time.Duration, now time.Time) {
	s.underWay = false
	switch {
	case err != nil:
		s.err = plain(err, within).Error()
	case d.Outcome != wire.Outcome_OUTCOME_DELIVERED:
		s.err = strings.TrimSpace(d.Code + " " + d.Message)
	default:
		if s.failures > 0 {
			e.log.Info("a channel takes the set of active alerts again", "notifier", name)
		}
		s.sum, s.failures, s.failing, s.err = sum, 0, time.Time{}, ""
		return
	}
	if s.failures++; s.failures == 1 {
		s.failing = now
		e.log.Warn("a channel does not take the set of active alerts; it is tried again", "notifier", name, "error", s.err)
	}
	// The next attempt comes later and later, but at least every minute.
	s.last = now.Add(min(time.Duration(s.failures)*5*time.Second, syncInterval) - syncPause)
}

func sumOf(items []incident.Item) uint64 {
	h := fnv.New64a()
	for i := range items {
		in := &items[i].Incident
		text, _ := json.Marshal([]any{in.ID, in.State, in.Level, in.Summary, in.Ack != nil})
		_, _ = h.Write(text)
	}
	return h.Sum64()
}
