package rule

import (
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Status is what an instance is now.
type Status struct {
	Key    string
	Values []string
	State  State
	Level  int
	// Since is when it became what it is, and Fired when it began to fire, or zero.
	Since, Fired time.Time
	// Heard is when the last sample with a verdict came, or zero; Usual is how long it usually takes until the next one, or 0, and Stale
	// says that none came for three times as long.
	Heard time.Time
	Usual time.Duration
	Stale bool
	// BadAt is the time of the newest sample by which what fires goes on, or zero: if the newest is a recovered one, it may be over soon.
	// With a quorum it is since when as many samples were bad as it needs.
	BadAt time.Time
	// Flapping says that it changes too often to be told of, and Broken that its condition is unknown again and again.
	Flapping, Broken bool
	Bad, Of          int
	// Ring has a letter for each of the last verdicts of the level that fires, or else of the one with the most bad ones: b is bad and g
	// is good, the newest last. Good is how many recovered samples there are in a row, since GoodSince.
	Ring      string
	Good      int
	GoodSince time.Time
	// Votes are those of a quorum, by the names of the voters.
	Votes []Vote
	// Recent are the last values of what the condition is about, the newest last.
	Recent []float64
	// Folded are the events that will be told when the fold ends.
	Folded int
}

// Vote is what a voter says.
type Vote struct {
	Name string
	// Says is "bad" or "good"; "silent" if it was not heard of for too long to have a vote, and "held" if it was bad before that; "missing"
	// if it counts as bad because it is not heard of.
	Says  string
	Ring  string
	Heard time.Time
}

// Instances lists the instances that are in one of the states, or all if none is given, in the order of their values.
func (m *Machine) Instances(now time.Time, states ...State) []Status {
	m.clock(now)
	list := []Status{}
	for _, in := range m.instances {
		if len(states) == 0 || slices.Contains(states, in.state) {
			list = append(list, m.status(in))
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// Look is what one instance is now.
func (m *Machine) Look(key string, now time.Time) (s Status, known bool) {
	in := m.find(key)
	if in == nil {
		return s, false
	}
	m.clock(now)
	return m.status(in), true
}

// Count is how many instances of a level there are.
type Count struct {
	Firing, Pending, Flapping, Stale int
}

// Counts are the numbers of instances by their levels, and of all that are known.
func (m *Machine) Counts(now time.Time) (levels []Count, all int) {
	m.clock(now)
	levels = make([]Count, len(m.rule.levels))
	for _, in := range m.instances {
		c := &levels[max(in.level, 0)]
		switch in.state {
		case Firing:
			c.Firing++
			if m.stale(in) {
				c.Stale++
			}
		case Pending:
			c.Pending++
		}
		if in.flap != nil && in.flap.flapping {
			c.Flapping++
		}
	}
	return levels, len(m.instances)
}

// stale reports whether no sample came for three times as long as usual.
func (m *Machine) stale(in *instance) bool {
	usual := in.pace.Usual()
	return usual > 0 && m.quiet(in.heard) > 3*usual
}

func (m *Machine) status(in *instance) Status {
	t := m.mark(in, Bad)
	s := Status{
		Key: in.key, Values: t.Values, State: in.state, Level: t.Level, Since: time.Unix(0, in.since), Fired: t.Fired, Usual: in.pace.Usual(),
		Flapping: t.Flapping, Broken: in.unknowns == unknownsAreBroken, Bad: t.Bad, Of: t.Of, Ring: in.shown().String(), Good: int(in.run), Recent: in.recent.list(),
	}
	if in.run > 0 {
		s.GoodSince = time.Unix(0, in.runSince)
	}
	if m.rule.spec.Absent == 0 || in.any {
		s.Heard = m.start.Add(in.heard)
	}
	s.Stale = m.stale(in)
	if at := m.badAt(in); at != 0 {
		s.BadAt = time.Unix(0, at)
	}
	if in.events != nil {
		s.Folded = in.events.count
	}
	if m.rule.quorum != nil {
		s.Votes = m.ballots(in)
		for i := range in.voters {
			s.Broken = s.Broken || in.voters[i].unknowns == unknownsAreBroken
		}
	}
	return s
}

// badAt is the time of the newest sample by which an instance that fires goes on, or 0.
func (m *Machine) badAt(in *instance) int64 {
	if m.rule.quorum == nil {
		return in.badAt()
	}
	var all []int64
	for i := range in.voters {
		if v := &in.voters[i]; m.voteOf(v) == bad {
			all = append(all, v.badAt())
		}
	}
	// The others that count as bad are missing, which is seen by the clock.
	for range m.votes(in).bad - len(all) {
		all = append(all, m.wall.UnixNano())
	}
	need := m.rule.quorum.need
	if len(all) < need {
		return 0
	}
	slices.Sort(all)
	return all[len(all)-need]
}

func (m *Machine) ballots(in *instance) []Vote {
	var votes []Vote
	for i := range in.voters {
		v := &in.voters[i]
		votes = append(votes, Vote{v.name, m.voteOf(v).String(), v.shown().String(), m.start.Add(v.heard)})
	}
	for _, name := range m.rule.quorum.of {
		i := slices.IndexFunc(votes, func(v Vote) bool { return v.Name == name })
		if i < 0 {
			i = len(votes)
			votes = append(votes, Vote{Name: name, Says: silent.String()})
		}
		if says := votes[i].Says; says != bad.String() && says != good.String() && m.missed(in) {
			votes[i].Says = "missing"
		}
	}
	slices.SortFunc(votes, func(a, b Vote) int { return strings.Compare(a.Name, b.Name) })
	return votes
}

// shown is the ring of the level that has tripped, or else of the one with the most bad verdicts.
func (s *stream) shown() *ring {
	if s.tripped != notTripped {
		return &s.rings[s.tripped]
	}
	most := &s.rings[0]
	for i := range s.rings {
		if bits.OnesCount64(s.rings[i].verdicts) > bits.OnesCount64(most.verdicts) {
			most = &s.rings[i]
		}
	}
	return most
}
