package dispatch

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// due is something that a channel has to be told.
type due struct {
	channel string
	step    int
	item    incident.Item
	// from is the incident itself.
	from *incident.Incident
}

// Plan finds out what is due, and gives notices to the outbox. It is called when something has happened, and every second.
func (d *Dispatcher) Plan(now time.Time) {
	if !d.planned {
		d.planned = true
		d.present(now)
	}
	d.expireAcks(now)
	d.expireSilences(now)
	d.suppress(now)
	if d.holds {
		return
	}
	found, on := map[string][]due{}, map[string]path{}
	for _, i := range d.sorted() {
		d.collect(i, now, func(p path, one due) {
			found[p.group], on[p.group] = append(found[p.group], one), p
		})
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		d.flush(on[key], found[key], now)
	}
	for _, i := range d.sorted() {
		if d.finished(i, now) {
			d.close(i)
		}
	}
	d.forget(now)
	d.sweep()
}

// collect finds what channels have to be told of an incident.
func (d *Dispatcher) collect(i *incident.Incident, now time.Time, give func(path, due)) {
	paths := d.pathsOf(i)
	if i.State == incident.Resolved {
		d.collectEnd(i, paths, now, give)
		return
	}
	seen := map[string]bool{}
	for n := range paths {
		p := &paths[n]
		suppressed, since, by := d.quiet(i, p, now)
		for step, s := range p.steps {
			if step > 0 && now.Sub(d.began(i)) < s.After {
				continue
			}
			for _, c := range s.To {
				if seen[c] || d.channels[c].Syncs {
					continue
				}
				seen[c] = true
				kind, ok := d.owed(i, p, step, c, now, suppressed, since)
				if !ok {
					continue
				}
				item := incident.Item{Incident: d.snapshot(i, now), Kind: kind}
				if i.Told[c] == nil && !since.IsZero() {
					item.Ended = by
				}
				give(*p, due{c, step, item, i})
			}
		}
	}
}

// began is when the daemon noted that the incident fires: what a sample says of its time may be older.
func (d *Dispatcher) began(i *incident.Incident) time.Time {
	if len(i.Log) > 0 {
		return i.Log[0].At
	}
	return i.Changed
}

// owed is what a channel has to be told of an incident that fires, flaps or has happened.
func (d *Dispatcher) owed(i *incident.Incident, p *path, step int, channel string, now time.Time, suppressed bool, quietUntil time.Time) (wire.Kind, bool) {
	t := i.Told[channel]
	if suppressed {
		return 0, false
	}
	if t == nil {
		switch {
		case i.Ack != nil || !d.seenSince(i, quietUntil, now):
			return 0, false
		case i.Test:
			return wire.Kind_KIND_TEST, true
		case i.State == incident.Event:
			return wire.Kind_KIND_EVENT, true
		case i.State == incident.Flapping:
			return wire.Kind_KIND_FLAPPING, true
		case step > 0:
			return wire.Kind_KIND_ESCALATION, true
		}
		return wire.Kind_KIND_FIRING, true
	}
	switch {
	case i.State == incident.Event:
		return 0, false
	case i.State == incident.Flapping && t.State == incident.Firing:
		return wire.Kind_KIND_FLAPPING, true
	case i.State == incident.Firing && t.State == incident.Flapping:
		return wire.Kind_KIND_FLAPPING_ENDED, true
	case i.State == incident.Firing && i.Level > t.Level:
		return wire.Kind_KIND_FIRING, true
	case i.State == incident.Firing && !t.Pending && i.Ack == nil && d.again(p, t, now):
		return wire.Kind_KIND_REPEAT, true
	}
	return 0, false
}

// again reports whether a channel is to be reminded.
func (d *Dispatcher) again(p *path, t *incident.Told, now time.Time) bool {
	every := p.repeat.Every
	if len(every) == 0 || p.repeat.Max > 0 && t.Times > p.repeat.Max {
		return false
	}
	return now.Sub(t.At) >= every[min(max(t.Times-1, 0), len(every)-1)]
}

// seenSince reports whether the incident was seen to be bad since a moment: by a sample of after that, and what only came after it may be
// older. Rows of a query may have the time at which its range begins: of them an answer counts that came well after the moment. Silence is
// seen by the clock.
func (d *Dispatcher) seenSince(i *incident.Incident, moment time.Time, now time.Time) bool {
	if moment.IsZero() || i.State == incident.Event || now.Sub(moment) >= freshAfter {
		return true
	}
	a := d.alerts[i.Alert]
	if a != nil && a.Rule.OnSilence() {
		return true
	}
	st, known := d.world.Look(i.Alert, i.Key, now)
	if !known || st.BadAt.IsZero() {
		return false
	}
	return st.BadAt.After(moment) || a != nil && a.Query != nil && st.Heard.Sub(moment) > max(answerAfter, a.Query.Every)
}

// snapshot is the incident as it is told now: with its newest samples, where it still fires.
func (d *Dispatcher) snapshot(i *incident.Incident, now time.Time) incident.Incident {
	s := i.Snapshot()
	if i.Test || !i.State.Open() {
		return s
	}
	st, known := d.world.Look(i.Alert, i.Key, now)
	if !known {
		return s
	}
	s.LastSample, s.Stale = st.Heard.UTC(), st.Stale
	if len(st.Recent) > 0 {
		s.Recent = st.Recent
		if newest := st.Recent[len(st.Recent)-1]; s.Value != nil {
			s.Value = &newest
		}
	}
	return s
}

// collectEnd finds the channels that have to be told of the end: those that know of the beginning.
func (d *Dispatcher) collectEnd(i *incident.Incident, paths []path, now time.Time, give func(path, due)) {
	for _, channel := range slices.Sorted(maps.Keys(i.Told)) {
		t := i.Told[channel]
		if !t.State.Open() || t.Failed && !t.Heard {
			continue
		}
		if _, known := d.channels[channel]; !known && !t.Pending {
			// A notice for it would wait for a day. One that waits already takes the end with it, if the channel comes back.
			t.State, t.At = incident.Resolved, now.UTC()
			i.Note(now, channel+" is not told of the end: the configuration has it no longer")
			d.touch(i)
			continue
		}
		p := path{group: t.Group, interval: defaultInterval}
		for _, one := range paths {
			if one.group == t.Group {
				p = one
			}
		}
		if quiet, _, _ := d.quiet(i, &p, now); quiet && d.channels[channel].Pages {
			// Nobody is woken to hear that it is over.
			t.State, t.At = incident.Resolved, now.UTC()
			i.Note(now, channel+" is not told of the end: it wakes people, and the incident is suppressed")
			d.touch(i)
			continue
		}
		kind := wire.Kind_KIND_RESOLVED
		if t.State == incident.Flapping {
			kind = wire.Kind_KIND_FLAPPING_ENDED
		}
		give(p, due{channel, t.Step, incident.Item{Incident: i.Snapshot(), Kind: kind}, i})
	}
}

// flush tells a group what is due in it, if it is time.
func (d *Dispatcher) flush(p path, all []due, now time.Time) {
	g := d.group(p.group)
	if g.first.IsZero() {
		g.first = now
	}
	at := g.first.Add(p.wait)
	if !g.told.IsZero() {
		at = g.told.Add(p.interval)
	}
	if hurries := slices.ContainsFunc(all, func(one due) bool {
		return one.from.Test || p.urgent && one.from.Severity == "critical" && one.from.State.Open() && one.from.Told[one.channel] == nil
	}); now.Before(at) && !hurries {
		return
	}
	g.first, g.told = time.Time{}, now
	var channels []string
	for _, one := range all {
		if !slices.Contains(channels, one.channel) {
			channels = append(channels, one.channel)
		}
	}
	slices.Sort(channels)
	for _, channel := range channels {
		n := &incident.Notice{Channel: channel, Created: now.UTC()}
		for _, one := range all {
			if one.channel != channel {
				continue
			}
			n.Items = append(n.Items, one.item)
			n.Step = max(n.Step, one.step)
			n.Test = n.Test || one.from.Test
			if one.item.Kind != wire.Kind_KIND_RESOLVED {
				n.Also += d.sources[one.from.ID]
			}
			n.Thread = d.threadOf(one.from, p.group)
			d.promise(one, p.group, now)
		}
		n.Kind = outbox.KindOf(n.Items)
		n.ID = d.nextID(n, now)
		d.box.Put(n)
	}
}

// nextID is the identity of a notice.
func (d *Dispatcher) nextID(n *incident.Notice, now time.Time) string {
	d.seq++
	return incident.ID(n.Channel, n.Thread+"\x00"+strconv.Itoa(d.seq), now)
}

// promise notes that a channel is told.
func (d *Dispatcher) promise(one due, group string, now time.Time) {
	i := one.from
	t := i.Told[one.channel]
	if t == nil {
		t = &incident.Told{Step: one.step}
		if i.Told == nil {
			i.Told = map[string]*incident.Told{}
		}
		i.Told[one.channel] = t
	}
	t.State, t.Level, t.At, t.Group, t.Pending = i.State, i.Level, now.UTC(), group, true
	if i.State != incident.Resolved {
		t.Times++
	}
	i.Note(now, incident.KindWord(one.item.Kind)+" to "+one.channel)
	d.touch(i)
}

// finished reports whether nobody will be told anything more of an incident.
func (d *Dispatcher) finished(i *incident.Incident, now time.Time) bool {
	if i.State != incident.Event || len(i.Told) > 0 {
		return over(i)
	}
	// An event that is not told at once because it is suppressed, or because nobody wants to know, is only recorded.
	paths := d.pathsOf(i)
	for n := range paths {
		if suppressed, _, _ := d.quiet(i, &paths[n], now); !suppressed && slices.ContainsFunc(paths[n].steps, func(s policy.Step) bool { return len(s.To) > 0 }) {
			return false
		}
	}
	return true
}

// Settle takes what has become of notices.
func (d *Dispatcher) Settle(ends []outbox.End, now time.Time) {
	for _, e := range ends {
		for _, item := range e.Notice.Items {
			d.settle(item.Incident.ID, e, now)
		}
		if e.Fallback == nil {
			continue
		}
		for _, item := range e.Fallback.Items {
			d.fellBack(item, e.Fallback, now)
		}
	}
}

func (d *Dispatcher) settle(id string, e outbox.End, now time.Time) {
	i := d.incidents[id]
	if i == nil {
		return
	}
	t := i.Told[e.Notice.Channel]
	if t == nil {
		return
	}
	t.Pending = e.More || d.box.Holds(e.Notice.Channel, id)
	switch {
	case e.Delivered:
		t.Heard, t.Failed = true, false
		i.Note(now, "arrived at "+e.Notice.Channel)
	case !e.More:
		t.Failed = true
		i.Note(now, "given up for "+e.Notice.Channel+": "+e.Notice.Why)
	}
	d.touch(i)
}

// fellBack notes that a fallback is told in the place of another channel.
func (d *Dispatcher) fellBack(item incident.Item, n *incident.Notice, now time.Time) {
	i := d.incidents[item.Incident.ID]
	if i == nil {
		return
	}
	t := i.Told[n.Channel]
	if t == nil {
		t = &incident.Told{Step: n.Step}
		i.Told[n.Channel] = t
	}
	t.State, t.Level, t.At, t.Pending = item.Incident.State, item.Incident.Level, now.UTC(), true
	if old := i.Told[n.InPlaceOf]; old != nil && t.Group == "" {
		t.Group = old.Group
	}
	t.Times = max(t.Times, 1)
	i.Note(now, incident.KindWord(item.Kind)+" to "+n.Channel+" in place of "+n.InPlaceOf)
	d.touch(i)
}

// Revived notes that notices which were given up are tried again.
func (d *Dispatcher) Revived(all []*incident.Notice, now time.Time) {
	for _, n := range all {
		for _, item := range n.Items {
			if i := d.incidents[item.Incident.ID]; i != nil && i.Told[n.Channel] != nil {
				i.Told[n.Channel].Pending = true
				i.Note(now, "tried again for "+n.Channel)
				d.touch(i)
			}
		}
	}
}

// Active is the set of incidents that a channel which syncs has to hold now: those that fire, and those that have ended within the
// time for which it holds what it is given.
func (d *Dispatcher) Active(channel string, now time.Time, validFor time.Duration) []incident.Item {
	var items []incident.Item
	gives := func(i *incident.Incident) bool {
		paths := d.pathsOf(i)
		for n := range paths {
			if suppressed, _, _ := d.quiet(i, &paths[n], now); suppressed {
				continue
			}
			for _, s := range paths[n].steps {
				if slices.Contains(s.To, channel) && now.Sub(d.began(i)) >= s.After {
					return true
				}
			}
		}
		return false
	}
	for _, i := range d.sorted() {
		if i.State.Open() && gives(i) {
			items = append(items, incident.Item{Incident: d.snapshot(i, now), Kind: wire.Kind_KIND_FIRING})
		}
	}
	for _, i := range d.closed {
		if i.State == incident.Resolved && now.Sub(i.Changed) < validFor && gives(i) {
			items = append(items, incident.Item{Incident: i.Snapshot(), Kind: wire.Kind_KIND_RESOLVED})
		}
	}
	return items
}
