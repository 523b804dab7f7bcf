package alert

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// shard is the rules on the points of one measurement. They are judged by whoever brings a point, one at a time.
type shard struct {
	// to takes what follows, in the order in which it was decided.
	to *arrivals

	mu       sync.Mutex
	set      *rule.Set
	machines map[string]*rule.Machine
	out      []rule.Transition
	// replaced says that a reload has put another one in its place.
	replaced bool
	// spent is what judging took, and points how many there were; one in sampled is measured.
	spent  time.Duration
	points uint64
}

// sampled says how many points share one measurement of what judging takes.
const sampled = 64

// arrival is something that has happened: a transition with the state of its instance, or somebody who waits until all before it is
// kept.
type arrival struct {
	transition rule.Transition
	// state is nil where the instance is gone.
	state  []byte
	settle func()
}

// arrivals is what waits for the engine.
type arrivals struct {
	mu   sync.Mutex
	list []arrival
	wake chan struct{} // holds a token while something waits
}

func (a *arrivals) add(list []arrival) {
	if len(list) == 0 {
		return
	}
	a.mu.Lock()
	a.list = append(a.list, list...)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *arrivals) take() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// Observe judges a point, and reports whether something follows from it.
func (e *Engine) Observe(p *point.Point) bool {
	for {
		s := (*e.shards.Load())[string(p.Measurement)]
		if s == nil {
			return false
		}
		if follows, done := s.observe(p, time.Now()); done {
			return follows
		}
	}
}

// Settle calls done when everything is kept that was decided before.
func (e *Engine) Settle(done func()) { e.arrivals.add([]arrival{{settle: done}}) }

// observe is not done if the shard was replaced.
func (s *shard) observe(p *point.Point, now time.Time) (follows, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replaced {
		return false, false
	}
	s.out = s.set.Observe(s.out[:0], p, now)
	if s.points++; s.points%sampled == 0 {
		s.spent += sampled * time.Since(now)
	}
	s.hand()
	return len(s.out) > 0, true
}

// tick judges what follows from the clock alone.
func (s *shard) tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.replaced {
		s.out = s.set.Tick(s.out[:0], now)
		s.hand()
	}
}

// hand hands over what was decided, with the states of the instances.
func (s *shard) hand() {
	if len(s.out) == 0 {
		return
	}
	list := make([]arrival, len(s.out))
	for i, t := range s.out {
		list[i] = arrival{transition: t, state: s.machines[t.Rule.Name].State(nil, t.Key)}
	}
	s.to.add(list)
}

// saveAtOnce bounds how many instances are written while points wait.
const saveAtOnce = 1000

// save gives the states of instances that have changed.
func (s *shard) save(put func(alert, key string, state []byte)) {
	for _, name := range slices.Sorted(maps.Keys(s.machines)) {
		for more := true; more; {
			s.mu.Lock()
			m := s.machines[name]
			for _, key := range m.Removed() {
				put(name, key, nil)
			}
			more = m.Changed(saveAtOnce, func(key string, state []byte) bool {
				put(name, key, state)
				return true
			})
			s.mu.Unlock()
		}
	}
}

// look is what an instance is now.
func (s *shard) look(alert, key string, now time.Time) (rule.Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machines[alert].Look(key, now)
}

// instances are those of an alert in one of the states, or all of them.
func (s *shard) instances(alert string, now time.Time, states ...rule.State) []rule.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machines[alert].Instances(now, states...)
}

// numbers are how many instances of an alert there are, by their levels.
func (s *shard) numbers(alert string, now time.Time) ([]rule.Count, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machines[alert].Counts(now)
}

// stats are what an alert has counted, how long judging all points of the measurement took about, and whether it is full.
func (s *shard) stats(alert string) (stats rule.Stats, ns time.Duration, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[alert]
	return m.Stats(), s.spent, m.Full()
}
