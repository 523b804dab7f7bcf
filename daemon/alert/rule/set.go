package rule

import (
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// Set is the machines of all rules on one measurement. A point is read once for all of them, and its instances are looked up once
// for all rules with the same by. It is not safe for concurrent use.
type Set struct {
	reader   *expression.Reader
	machines []*Machine
	keyrings []*keyring
	observed observed
}

// observed is the point that the rules of a set judge.
type observed struct {
	point, copy *point.Point
	hash        uint64
}

// series is that of the point.
func (o *observed) series() uint64 {
	if o.hash == 0 {
		o.hash = seriesOf(o.point)
	}
	return o.hash
}

// keep is a copy of it, the same for all who keep it.
func (o *observed) keep() *point.Point {
	if o.copy == nil {
		o.copy, _ = o.point.Clone()
	}
	return o.copy
}

// NewSet makes the set of machines whose rules were compiled on the layout. A machine is in one set.
func NewSet(layout *expression.Layout, machines ...*Machine) *Set {
	s := &Set{reader: layout.NewReader(), machines: machines}
	for number, m := range machines {
		i := slices.IndexFunc(s.keyrings, func(k *keyring) bool { return slices.Equal(k.by, m.rule.by) })
		if i < 0 {
			i = len(s.keyrings)
			s.keyrings = append(s.keyrings, &keyring{by: m.rule.by, entries: map[string]*entry{}})
		}
		m.number, m.keys, m.observed = number, s.keyrings[i], &s.observed
		for _, in := range m.instances {
			e := m.keys.entry(in.key)
			e.places = append(e.places, place{number, in})
		}
	}
	return s
}

// Observe gives a point to every rule, and appends what follows from it to out.
func (s *Set) Observe(out []Transition, p *point.Point, now time.Time) []Transition {
	row := s.reader.Read(p)
	for _, k := range s.keyrings {
		k.read = false
	}
	s.observed = observed{point: p}
	before := len(out)
	for _, m := range s.machines {
		out = m.observe(out, row, p.Time, p.Update, now)
	}
	for i := range out[before:] {
		if t := &out[before+i]; t.Sample == nil {
			t.Sample = s.observed.keep()
		}
	}
	return out
}

// Tick appends what follows from the clock alone, rule by rule: silence, the end of flapping, votes that are no longer fresh, and
// what is forgotten. Once a second is often enough. The order within a rule is that of the instances' values.
func (s *Set) Tick(out []Transition, now time.Time) []Transition {
	for _, m := range s.machines {
		out = m.tick(out, now)
	}
	return out
}

// keyring finds the instances of a point for all rules with the same by. The rules of a set come in their order, and so stand
// an entry's instances: a rule's one is where the search for the rule before it ended.
type keyring struct {
	by      []expression.Tag
	entries map[string]*entry

	// read says that the key of the point was read; current is its entry, if there is one, and next where to go on in it.
	read    bool
	key     []byte
	current *entry
	next    int
}

// entry is the instances of one key.
type entry struct {
	places []place
}

type place struct {
	machine int
	*instance
}

func (k *keyring) entry(key string) *entry {
	e := k.entries[key]
	if e == nil {
		e = new(entry)
		k.entries[key] = e
	}
	return e
}

// find is the instance that a machine has for the point, or nil.
func (k *keyring) find(machine int, row *expression.Row) *instance {
	if !k.read {
		k.key = k.key[:0]
		for i, tag := range k.by {
			if i > 0 {
				k.key = append(k.key, 0)
			}
			k.key = append(k.key, row.Tag(tag)...)
		}
		k.read, k.current, k.next = true, k.entries[string(k.key)], 0
	}
	if k.current == nil {
		return nil
	}
	for k.next < len(k.current.places) {
		p := k.current.places[k.next]
		if p.machine == machine {
			return p.instance
		}
		if p.machine > machine {
			break
		}
		k.next++
	}
	return nil
}

// add adds an instance of the key that find did not find.
func (k *keyring) add(machine int, in *instance) {
	k.current = k.entry(in.key)
	k.current.places = slices.Insert(k.current.places, k.next, place{machine, in})
}

// remove removes the instance of a machine.
func (k *keyring) remove(machine int, key string) {
	e := k.entries[key]
	e.places = slices.DeleteFunc(e.places, func(p place) bool { return p.machine == machine })
	if len(e.places) == 0 {
		delete(k.entries, key)
	}
}
