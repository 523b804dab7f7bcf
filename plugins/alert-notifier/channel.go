package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// transport is what differs between the types of channels.
type transport interface {
	// Check reaches the provider and authenticates. It sends nothing to anybody.
	Check(ctx context.Context) sdk.Delivery
	// recipients are the names by which deliveries are told. They hold no keys.
	recipients() []string
	// deliver makes one attempt for each of the recipients and calls done for each as soon as it is known what became of
	// it. It returns what the thread's next notice should bring back.
	deliver(ctx context.Context, n *notice.Notice, to []string, done func(sdk.Delivery)) map[string]string
}

// channel is a transport as the daemon sees it: it cleans notices, picks the recipients, and makes a point of each attempt.
type channel struct {
	transport
	log attempts
}

func newChannel(typ string, t transport, env sdk.Env) *channel {
	return &channel{transport: t, log: attempts{name: env.Channel, typ: typ, out: env.Out}}
}

// Check implements sdk.Channel.
func (c *channel) Check(ctx context.Context) sdk.Delivery {
	return tidy(c.transport.Check(ctx))
}

// Notify implements sdk.Channel.
func (c *channel) Notify(ctx context.Context, n *sdk.Notice) sdk.Report {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	report := sdk.Report{Thread: n.ThreadState}
	begun := time.Now()
	done := func(d sdk.Delivery) {
		d = tidy(d)
		report.Deliveries = append(report.Deliveries, d)
		c.log.add(attempt{id: n.Id, incident: incident(n), kind: kindName(n.Kind), number: int(n.Attempt), took: time.Since(begun), Delivery: d})
		begun = time.Now()
	}
	own := c.recipients()
	to := own
	if len(n.Recipients) > 0 {
		to = nil
		for _, r := range n.Recipients {
			if !slices.Contains(own, r) {
				done(sdk.Delivery{Recipient: r, Outcome: sdk.PermanentRecipient, Message: "is none of the channel's recipients any more"})
			} else if !slices.Contains(to, r) {
				to = append(to, r)
			}
		}
	}
	if len(to) > 0 {
		// Who comes last may find the attempt's time used up by those before: so each attempt begins with another.
		first := max(0, int(n.Attempt)-1) % len(to)
		to = append(slices.Clone(to[first:]), to[:first]...)
		report.Thread = c.deliver(ctx, notice.New(n), to, done)
	}
	return report
}

// attemptTime bounds an attempt for which the daemon sets no earlier end.
const attemptTime = time.Minute

// incident is that of a notice of one.
func incident(n *sdk.Notice) string {
	if len(n.Alerts) == 1 {
		return n.Alerts[0].Incident
	}
	return ""
}

// kindName is a kind as it is stored: firing, flapping_ended.
func kindName[K interface{ String() string }](kind K) string {
	return strings.ToLower(strings.TrimPrefix(kind.String(), "KIND_"))
}

const (
	maxCode    = 60
	maxMessage = 300
)

// tidy bounds what a provider has said.
func tidy(d sdk.Delivery) sdk.Delivery {
	d.Code, _ = notice.Cut(notice.Line(d.Code), maxCode)
	d.Message, _ = notice.Cut(notice.Line(d.Message), maxMessage)
	d.ProviderID, _ = notice.Cut(notice.Line(d.ProviderID), maxMessage)
	if d.Message == "" && d.Outcome != sdk.Delivered {
		d.Message = "the provider says no more than its code"
	}
	return d
}

// attempts makes a point of each attempt.
type attempts struct {
	name, typ string
	out       sdk.Emitter
}

type attempt struct {
	sdk.Delivery
	id, incident, kind string
	number             int
	took               time.Duration
}

func (l *attempts) add(a attempt) {
	if l.out == nil {
		return
	}
	code := a.Code
	if sdk.CheckTag(code) != nil {
		code = "other"
	}
	p := sdk.NewPoint("notify_attempt").At(moments.next()).
		Tag("notifier", l.name).Tag("type", l.typ).Tag("outcome", outcomeName(a.Outcome)).Tag("code", code).
		String("id", known(a.id)).String("kind", a.kind).Int("attempt", int64(a.number)).
		Float("latency_ms", float64(a.took.Microseconds())/1000).Int("bytes", int64(a.Bytes))
	for _, f := range [][2]string{
		{"incident", known(a.incident)}, {"recipient_hash", hashOf(a.Recipient)}, {"provider_id", a.ProviderID}, {"error", l.errorOf(a.Delivery)},
	} {
		if f[1] != "" {
			p.String(f[0], f[1])
		}
	}
	l.out.Emit(p)
}

// known is the name of something of the daemon's, as a field may have it.
func known(name string) string {
	name, _ = notice.Cut(notice.Line(name), maxMessage)
	return name
}

func outcomeName(o sdk.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

// errorOf is why it was not delivered. Points do not name recipients, so neither does this.
func (l *attempts) errorOf(d sdk.Delivery) string {
	if d.Outcome == sdk.Delivered {
		return ""
	}
	if len(d.Recipient) < 4 || d.Recipient == l.name {
		return d.Message
	}
	return strings.ReplaceAll(d.Message, d.Recipient, "…")
}

// hashOf tells recipients apart without naming them.
func hashOf(recipient string) string {
	if recipient == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(recipient))
	return hex.EncodeToString(sum[:8])
}

// moments are the times of the points. Points of one series must differ in their times, and two recipients may be done with at the
// same one.
var moments clock

type clock struct {
	mu   sync.Mutex
	last time.Time
}

func (c *clock) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Round(0)
	if !now.After(c.last) {
		now = c.last.Add(time.Nanosecond)
	}
	c.last = now
	return now
}
