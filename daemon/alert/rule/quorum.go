package rule

import (
	"math"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
)

// uplink is the field with which a vantage point says that its own line is down: its verdicts say nothing of others then.
const uplink = "vantage_ok"

// quorum is a compiled QuorumSpec.
type quorum struct {
	tag    expression.Tag
	need   int
	of     []string
	fresh  time.Duration
	isBad  bool // a voter that is not heard of
	uplink *expression.Condition
}

func (c *compiler) quorum(spec *QuorumSpec) *quorum {
	q := &quorum{need: spec.Need, of: spec.Of, fresh: spec.Fresh, isBad: spec.MissingIsBad}
	tag, diags := c.layout.Tag(spec.Tag.Text, spec.Tag.At)
	q.tag, c.diags = tag, c.diags.Extend(diags)
	if slices.Contains(c.rule.By, spec.Tag.Text) {
		c.fail(spec.Tag.At, "Invalid quorum", "%q is in by too: then each instance has a single voter.", spec.Tag.Text)
	}
	switch {
	case q.need < 1:
		c.fail(spec.Tag.At, "Invalid quorum", "need is how many have to agree, at least 1.")
	case len(q.of) > 0 && q.need > len(q.of):
		c.fail(spec.Tag.At, "Invalid quorum", "need is %d, and there are %d in of: it could never fire.", q.need, len(q.of))
	case q.fresh <= 0:
		c.fail(spec.Tag.At, "Invalid quorum", "fresh is for how long after a sample a voter has a vote: 3 or more intervals of the probes.")
	case q.isBad && len(q.of) == 0:
		c.fail(spec.Tag.At, "Invalid quorum", "missing = \"bad\" needs of, or nobody can be missed.")
	}
	q.uplink = c.layout.Flag(uplink)
	return q
}

// voter is a stream of an instance with a quorum.
type voter struct {
	name  string
	heard time.Duration
	stream
}

// vote takes a sample of a voter.
func (m *Machine) vote(out []Transition, in *instance, row *expression.Row, at int64) []Transition {
	r := m.rule
	name := row.Tag(r.quorum.tag)
	if len(r.quorum.of) > 0 && !slices.Contains(r.quorum.of, string(name)) {
		return out
	}
	i := slices.IndexFunc(in.voters, func(v voter) bool { return v.name == string(name) })
	if i < 0 && len(in.voters) >= mostVoters {
		m.stats.Refused++
		return out
	}
	if i < 0 {
		i = len(in.voters)
		in.voters = append(in.voters, voter{name: string(name), heard: m.now})
		in.voters[i].init(r)
		m.touch(in)
	}
	v := &in.voters[i]
	at, ok := m.ordered(in, &v.stream, at)
	if !ok {
		return out
	}
	if up := r.quorum.uplink; up != nil && up.Evaluate(row) == expression.False {
		// It is as if nothing was heard: its verdict is held until its vote is no longer fresh.
		return m.count(out, in, row, at)
	}
	in.seen = m.now
	m.touch(in)
	m.stats.Samples++
	verdict, ok := r.judge(row, true)
	if out, ok = m.known(out, in, &v.stream, ok); !ok {
		return out
	}
	in.heard, v.heard = m.now, m.now
	v.take(r, &verdict, at)
	in.pace = v.pace
	in.remember(r.aboutOf(row, v.tripped))
	return m.count(out, in, row, at)
}

// mostVoters bounds the voters of an instance: more are no lines or vantage points, but a tag with many values.
const mostVoters = 256

// dismiss takes away voters of which nothing was heard for as long as after which an instance is forgotten. One that was bad then is kept:
// it holds what fires.
func (m *Machine) dismiss(in *instance) {
	before := len(in.voters)
	in.voters = slices.DeleteFunc(in.voters, func(v voter) bool {
		return v.tripped == notTripped && m.quiet(v.heard) > max(m.rule.spec.Forget, m.rule.quorum.fresh)
	})
	if len(in.voters) < before {
		m.touch(in)
	}
}

// ballot is what the voters of an instance say.
type ballot struct {
	// bad of voting voters are bad, and level is the highest of theirs, or notTripped.
	bad, voting int
	level       int8
	// held are voters that were bad when they fell silent.
	held    int
	pending bool
}

func (m *Machine) votes(in *instance) ballot {
	q := m.rule.quorum
	b := ballot{level: notTripped}
	for i := range in.voters {
		v := &in.voters[i]
		b.pending = b.pending || v.pending()
		switch m.voteOf(v) {
		case held:
			b.held++
		case good:
			b.voting++
		case bad:
			b.voting++
			b.bad++
			b.level = max(b.level, v.tripped)
		}
	}
	if missing := len(q.of) - b.voting; missing > 0 && m.missed(in) {
		b.bad += missing
		b.voting, b.held = len(q.of), 0
	}
	return b
}

// missed reports whether a voter that has no vote counts as bad. Nobody is missed before there was time to be heard.
func (m *Machine) missed(in *instance) bool {
	q := m.rule.quorum
	return q.isBad && m.quiet(in.born) > q.fresh
}

// vote is what a voter says. One that was bad when it fell silent is held.
type vote uint8

const (
	silent vote = iota
	held
	good
	bad
)

func (v vote) String() string { return [...]string{"silent", "held", "good", "bad"}[v] }

func (m *Machine) voteOf(v *voter) vote {
	tripped := v.tripped != notTripped
	switch {
	case v.any && m.now-v.heard <= m.rule.quorum.fresh:
		if tripped {
			return bad
		}
		return good
	case v.any && tripped:
		return held
	}
	return silent
}

// who are the voters that count as bad, in order.
func (m *Machine) who(in *instance) []string {
	q := m.rule.quorum
	if q == nil {
		return nil
	}
	var names, voting []string
	for i := range in.voters {
		switch v := &in.voters[i]; m.voteOf(v) {
		case bad:
			names = append(names, v.name)
			fallthrough
		case good:
			voting = append(voting, v.name)
		}
	}
	if m.missed(in) {
		for _, name := range q.of {
			if !slices.Contains(voting, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// count makes the instance what its voters say. Silence takes nothing back: an instance that fires goes on while too few have a
// vote, and while those that were bad when they fell silent could make up the number.
func (m *Machine) count(out []Transition, in *instance, row *expression.Row, at int64) []Transition {
	q := m.rule.quorum
	b := m.votes(in)
	if in.state == Firing && (b.voting < q.need || b.bad < q.need && b.bad+b.held >= q.need) {
		return out
	}
	to, reason := OK, Good
	switch {
	case b.bad >= q.need:
		to, reason = Firing, Bad
	case b.bad > 0 || b.pending:
		to, reason = Pending, Bad
	}
	if to == in.state && (to != Firing || b.level <= in.level) {
		return out
	}
	t := Transition{At: time.Unix(0, at), Bad: b.bad, Of: b.voting, Value: math.NaN()}
	if row != nil {
		t.Value = m.rule.aboutOf(row, b.level)
	}
	return m.move(out, in, to, max(b.level, 0), reason, t)
}
