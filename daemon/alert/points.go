package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// points are those that tell what was decided. They are written with the decision and kept until they were handed over, so that no crash
// leaves a hole in the history.
type points struct {
	last uint64
	// fresh are in the batch or written, and not handed over.
	fresh map[uint64][]byte
	// moment is the latest time of those that have no time of their own.
	moment time.Time
}

// at is a time that no other point has: what happens at once is not to overwrite each other.
func (p *points) at(now time.Time) time.Time {
	if now = now.Round(0); !now.After(p.moment) {
		now = p.moment.Add(time.Nanosecond)
	}
	p.moment = now
	return now
}

func (p *points) load(kept map[uint64][]byte) {
	p.fresh = kept
	for n := range kept {
		p.last = max(p.last, n)
	}
}

func (p *points) add(e *Engine, point *sdk.Point) {
	raw := e.encode(point)
	if raw == nil {
		return
	}
	p.last++
	p.fresh[p.last] = raw
	e.batch.PutPoint(p.last, raw)
}

// hand hands over what is written.
func (e *Engine) hand(now time.Time) {
	if len(e.points.fresh) == 0 {
		return
	}
	var raw [][]byte
	var numbers []uint64
	for n := range e.points.fresh {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		raw = append(raw, e.points.fresh[n])
	}
	clear(e.points.fresh)
	e.opts.Emit(raw, func() {
		// This may be called on the engine's own goroutine, and must not wait for it.
		e.arrivals.add([]arrival{{settle: func() {
			for _, n := range numbers {
				e.batch.DeletePoint(n)
			}
		}}})
	})
}

// report makes points of what has happened.
func (e *Engine) report(now time.Time) {
	for _, r := range e.dispatch.Records() {
		if strings.HasPrefix(r.Incident.Alert, beatPrefix) {
			continue
		}
		e.points.add(e, e.eventPoint(r))
	}
	for _, s := range e.dispatch.Ended() {
		e.points.add(e, silencePoint("expire", "silence", s, "its incidents have resolved", e.points.at(now)))
	}
}

// The tags of an alert_event that a tag of the alert's by may not hide.
var eventTags = []string{"alert", "severity", "to", "reason", "evaluator"}

func (e *Engine) eventPoint(r dispatch.Record) *sdk.Point {
	i := &r.Incident
	p := sdk.NewPoint("alert_event").At(r.At).Tag("alert", i.Alert).Tag("severity", i.Severity).Tag("to", r.To).Tag("reason", r.Reason).Tag("evaluator", e.opts.Evaluator)
	for name, value := range i.Tags {
		if slices.Contains(eventTags, name) {
			name = "by_" + name
		}
		if sdk.CheckTag(value) == nil {
			p.Tag(name, value)
		}
	}
	p.String("from", r.From).Int("level", int64(i.Level)).Int("bad", int64(i.Bad)).Int("of", int64(i.Of)).String("summary", i.Summary)
	if i.ID != "" {
		p.String("incident", i.ID)
	}
	if i.Value != nil {
		p.Float("value", *i.Value)
	}
	if i.Count > 0 {
		p.Int("count", int64(i.Count))
	}
	if !i.Resolved.IsZero() {
		p.Float("duration_s", i.Resolved.Sub(i.Fired).Seconds())
	}
	if len(r.Suppressed) > 0 {
		var by []string
		for _, s := range r.Suppressed {
			by = append(by, s.String())
		}
		p.String("suppressed_by", strings.Join(by, ", "))
	}
	return p
}

// silencePoint is something that was done to a silence.
func silencePoint(action, kind string, s *incident.Silence, reason string, now time.Time) *sdk.Point {
	return sdk.NewPoint("alert_silence").At(now).Tag("action", action).Tag("kind", kind).
		String("id", s.ID).String("author", s.Author).String("reason", reason).String("match", s.Match).String("until", s.Until.UTC().Format(time.RFC3339)).Int("hits", int64(s.Hits))
}

func (e *Engine) outcomePoint(n *incident.Notice, outcome string, now time.Time) *sdk.Point {
	incidents := ""
	if len(n.Items) > 0 {
		incidents = n.Items[0].Incident.ID
	}
	return sdk.NewPoint("notify_outcome").At(e.points.at(now)).Tag("notifier", n.Channel).Tag("kind", incident.KindName(n.Kind)).Tag("outcome", outcome).
		String("id", n.ID).String("incident", incidents).Int("attempts", int64(n.Attempts)).Float("delay_s", now.Sub(n.Created).Seconds()).Int("alerts", int64(len(n.Items)))
}

// count is what is counted for an alert beside what its machine counts.
type count struct {
	broken map[string]bool // the keys of instances whose conditions are unknown again and again
}

func (e *Engine) countOf(alert string) *count {
	c := e.counts[alert]
	if c == nil {
		c = &count{broken: map[string]bool{}}
		e.counts[alert] = c
	}
	return c
}

// emitQueues emits how the channels are.
func (e *Engine) emitQueues(now time.Time) {
	var all [][]byte
	for _, s := range e.Queues(now) {
		p := sdk.NewPoint("notify_queue").At(now).Tag("notifier", s.Channel).Int("depth", int64(s.Depth)).Float("oldest_s", s.Oldest.Seconds()).
			Int("inflight", int64(s.InFlight)).Int("dead", int64(s.Dead)).Bool("breaker", s.Open)
		if s.Left >= 0 {
			p.Float("tokens", float64(s.Left))
		}
		all = append(all, e.encode(p))
	}
	if len(all) > 0 {
		e.opts.Emit(all, func() {})
	}
}

// emitCounts emits what was judged, and in which state the instances are.
func (e *Engine) emitCounts(now time.Time) {
	var all [][]byte
	open := map[string][]*incident.Incident{}
	known, _ := e.dispatch.Incidents()
	for _, i := range known {
		if i.State.Open() {
			open[i.Alert] = append(open[i.Alert], i)
		}
	}
	for _, a := range e.policy.Alerts {
		if strings.HasPrefix(a.Name, beatPrefix) {
			continue
		}
		s := e.shard(a)
		levels, instances := s.numbers(a.Name, now)
		all = append(all, e.encode(e.evalPoint(a.Name, s, now)))
		for level, c := range levels {
			severity, suppressed, acked := a.Rule.Severity(level), 0, 0
			for _, i := range open[a.Name] {
				if i.Severity == severity && len(i.Suppressed) > 0 {
					suppressed++
				}
				if i.Severity == severity && i.Ack != nil {
					acked++
				}
			}
			all = append(all, e.encode(sdk.NewPoint("alert_active").At(now).Tag("alert", a.Name).Tag("severity", severity).
				Int("firing", int64(c.Firing)).Int("pending", int64(c.Pending)).Int("flapping", int64(c.Flapping)).
				Int("suppressed", int64(suppressed)).Int("acked", int64(acked)).Int("stale", int64(c.Stale)).Int("instances", int64(instances))))
		}
	}
	if len(all) > 0 {
		e.opts.Emit(all, func() {})
	}
}

func (e *Engine) evalPoint(alert string, s *shard, now time.Time) *sdk.Point {
	stats, ns, full := s.stats(alert)
	broken := len(e.countOf(alert).broken) > 0
	failures := 0
	if q := e.asking[alert]; q != nil {
		failures = q.errors
		broken = broken || q.failures >= brokenAfter
	}
	return sdk.NewPoint("alert_eval").At(now).Tag("alert", alert).Int("evals", int64(stats.Samples)).Int("unknown", int64(stats.Unknown+stats.WhereUnknown)).
		Int("late", int64(stats.Late)).Int("skew", int64(stats.Skew)).Int("refused", int64(stats.Refused)).Int("errors", int64(failures)).Int("ns", int64(ns)).
		Bool("broken", broken).Bool("full", full)
}

// Measurements declare the points of the engine's own that policy does not: nobody has alerts on them that are built in.
func Measurements() []wire.Measurement {
	text := func(name, doc string) wire.FieldSchema {
		return wire.FieldSchema{Name: name, Type: wire.TypeString, Doc: doc}
	}
	number := func(name, doc string) wire.FieldSchema {
		return wire.FieldSchema{Name: name, Type: wire.TypeInt, Doc: doc}
	}
	tag := func(name, doc string) wire.TagSchema { return wire.TagSchema{Name: name, Doc: doc} }
	return []wire.Measurement{
		{
			Name: "alert_event", Record: true, Doc: "What became of an alert's instances: one point a change. The tags of the alert's by are on it as they are; one that has " +
				"the name of a tag here begins with by_.",
			Tags: []wire.TagSchema{
				tag("alert", "the alert"), tag("severity", "info, warning or critical"), tag("to", "pending, firing, flapping, resolved, ok or event"),
				tag("reason", "why: bad, worse, good, silent, heard, forgotten, happened, more, flap begins, flap ends, rule removed, rule changed, query fails, query works"),
				tag("evaluator", "the daemon that judged"),
			},
			Fields: []wire.FieldSchema{
				text("from", "what it was before"), text("incident", "the episode; absent while it is pending"), number("level", "the place of the severity among the alert's levels, from 0"),
				{Name: "value", Type: wire.TypeFloat, Doc: "what the condition is about"}, number("bad", "samples that were bad, or voters of a quorum"), number("of", "of so many"),
				number("count", "events that it stands for"), {Name: "duration_s", Type: wire.TypeFloat, Unit: "s", Doc: "from the beginning to the end, when it resolves"},
				text("summary", "the text of the alert"), text("suppressed_by", "what keeps it from being told"),
			},
		},
		{
			Name: "alert_silence", Record: true, Doc: "What keeps alerts quiet: silences, acknowledgements, and windows of maintenance.",
			Tags: []wire.TagSchema{tag("action", "add, expire, ack, open or close"), tag("kind", "silence, ack or maintenance")},
			Fields: []wire.FieldSchema{
				text("id", "of the silence or the incident, or name of the maintenance"), text("author", "who did it"), text("reason", "why"), text("match", "which labels it is about"),
				text("until", "when it ends, as RFC 3339"), number("hits", "incidents that it has kept quiet"),
			},
		},
		{
			Name: "notify_outcome", Record: true, Doc: "What became of a notice, when that was known: one point a notice.",
			Tags: []wire.TagSchema{tag("notifier", "the channel, as in email.ops"), tag("kind", "firing, resolved, repeat, escalation, flapping, flapping_ended, event, digest or test"), tag("outcome", "delivered, fallback or dead")},
			Fields: []wire.FieldSchema{
				text("id", "the notice"), text("incident", "its first incident"), number("attempts", "how often it was tried"),
				{Name: "delay_s", Type: wire.TypeFloat, Unit: "s", Doc: "from when it was due until this was known"}, number("alerts", "incidents that it tells of"),
			},
		},
		heartbeat,
	}
}
