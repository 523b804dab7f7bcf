package influx

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxPoisons bounds how many fields are remembered, and maxPoisonDays of how many days of each. What is forgotten
	// costs a few requests once more.
	maxPoisons    = 200
	maxPoisonDays = 64
	// longestPoison bounds the names that are remembered, in bytes.
	longestPoison = 1 << 10
	// poisonTrial is how often points with a remembered field are sent all the same: after a DROP the type may have
	// become the right one.
	poisonTrial = time.Minute
	// poisonIdle is how long a field is remembered that does not come any more.
	poisonIdle = time.Hour
)

// Poison is a field that comes with another type than InfluxDB has it with. Its points are set aside without being sent,
// but for a trial each minute.
type Poison struct {
	Measurement string
	Field       string
	Given       string    // the type that comes
	Existing    string    // the type that InfluxDB has
	Since       time.Time // of the first refusal
	Last        time.Time // when such a point came last
	Points      uint64    // set aside since then
}

// poisons remembers the fields with the wrong type. InfluxDB keeps types by shard, and no shard is shorter than the day
// that it begins in, but for retentions of less than two days: so what it has refused is remembered by day.
type poisons struct {
	now func() time.Time
	any atomic.Bool // whether there is any: most often there is none

	mu  sync.Mutex
	all map[string][]*poison // by measurement
	n   int
}

type poison struct {
	Poison
	conflict conflict
	reason   string              // InfluxDB's words
	trials   map[int64]time.Time // by day: when such points are sent again
}

// suspects are lines of one delivery with the same field.
type suspects struct {
	poison *poison
	day    int64
	reason string // InfluxDB's words
	lines  [][]byte
	trial  bool // they are due to be sent
}

func dayOf(line []byte) int64 {
	t := timestamp(line)
	if t < 0 {
		t -= int64(24*time.Hour) - 1
	}
	return t / int64(24*time.Hour)
}

// part takes the lines with remembered fields out. Whoever is given a trial is the only one for a while.
func (p *poisons) part(lines [][]byte) (clean [][]byte, set []suspects) {
	if !p.any.Load() {
		return lines, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, line := range lines {
		known, day := p.find(line)
		switch {
		case known == nil && set != nil:
			clean = append(clean, line)
			continue
		case known == nil:
			continue
		case set == nil:
			clean = append(make([][]byte, 0, len(lines)), lines[:i]...)
		}
		at := slices.IndexFunc(set, func(s suspects) bool { return s.poison == known && s.day == day })
		if at < 0 {
			at = len(set)
			set = append(set, suspects{poison: known, day: day, reason: known.reason, trial: p.due(known, day)})
		}
		set[at].lines = append(set[at].lines, line)
	}
	if set == nil {
		return lines, nil
	}
	return clean, set
}

// find returns what is remembered of a line, for its day.
func (p *poisons) find(line []byte) (*poison, int64) {
	measurement, rest := cutMeasurement(line)
	for _, known := range p.of(measurement) {
		if !known.conflict.isAmong(rest) {
			continue
		}
		day := dayOf(line)
		if _, ok := known.trials[day]; ok {
			return known, day
		}
	}
	return nil, 0
}

// of returns what is remembered of a measurement as it stands in a line.
func (p *poisons) of(measurement []byte) []*poison {
	if known, ok := p.all[string(measurement)]; ok {
		return known
	}
	if bytes.IndexByte(measurement, '\\') < 0 {
		return nil
	}
	for name, known := range p.all {
		if isName(measurement, measurementEnds, name) {
			return known
		}
	}
	return nil
}

func (p *poisons) due(known *poison, day int64) bool {
	now := p.now()
	if now.Before(known.trials[day]) {
		return false
	}
	known.trials[day] = now.Add(poisonTrial)
	return true
}

// note remembers that InfluxDB has refused lines for a conflict.
func (p *poisons) note(c conflict, reason string, lines [][]byte) {
	if len(c.measurement) > longestPoison || len(c.field) > longestPoison {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	at := slices.IndexFunc(p.all[c.measurement], func(known *poison) bool {
		return known.conflict.field == c.field && known.conflict.given == c.given
	})
	var known *poison
	if at >= 0 {
		known = p.all[c.measurement][at]
	} else {
		p.makeRoom()
		known = &poison{
			Poison:   Poison{Measurement: c.measurement, Field: c.field, Given: c.given, Since: now},
			conflict: c,
			trials:   map[int64]time.Time{},
		}
		p.all[c.measurement] = append(p.all[c.measurement], known)
		p.n++
		p.any.Store(true)
	}
	known.reason, known.Existing, known.Last = reason, c.existing, now
	known.Points += uint64(len(lines))
	for _, line := range lines {
		known.trials[dayOf(line)] = now.Add(poisonTrial)
	}
	for len(known.trials) > maxPoisonDays {
		first := true
		var oldest int64
		for day := range known.trials {
			if first || day < oldest {
				first, oldest = false, day
			}
		}
		delete(known.trials, oldest)
	}
}

// count counts lines that were set aside without being sent.
func (p *poisons) count(known *poison, lines int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known.Points += uint64(lines)
	known.Last = p.now()
}

// forget says that InfluxDB takes such points of a day now.
func (p *poisons) forget(known *poison, day int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(known.trials, day)
	if len(known.trials) == 0 {
		p.remove(known)
	}
}

// makeRoom forgets, if need be, what has not come for longest.
func (p *poisons) makeRoom() {
	p.forgetIdle()
	if p.n < maxPoisons {
		return
	}
	var idle *poison
	for _, list := range p.all {
		for _, known := range list {
			if idle == nil || known.Last.Before(idle.Last) {
				idle = known
			}
		}
	}
	p.remove(idle)
}

// forgetIdle forgets what has not come for long.
func (p *poisons) forgetIdle() {
	now := p.now()
	for _, list := range p.all {
		for _, known := range slices.Clone(list) {
			if now.Sub(known.Last) > poisonIdle {
				p.remove(known)
			}
		}
	}
}

func (p *poisons) remove(known *poison) {
	list := p.all[known.Measurement]
	at := slices.Index(list, known)
	if at < 0 {
		return
	}
	if list = slices.Delete(list, at, at+1); len(list) == 0 {
		delete(p.all, known.Measurement)
	} else {
		p.all[known.Measurement] = list
	}
	p.n--
	p.any.Store(p.n > 0)
}

// list returns what is remembered, the most recent first.
func (p *poisons) list() []Poison {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetIdle()
	var all []Poison
	for _, list := range p.all {
		for _, known := range list {
			all = append(all, known.Poison)
		}
	}
	slices.SortFunc(all, func(a, b Poison) int { return b.Last.Compare(a.Last) })
	return all
}
