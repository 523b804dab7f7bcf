package rule

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/point"
)

// lateAllowed is how much older than the newest sample of its stream one of another series may be: who waits for an answer in vain has
// his point later than others that began after him.
const lateAllowed = 5 * time.Minute

// order is the samples of a stream in the order in which they are judged. Several series may be in it, with points of the same time, and
// each of them is in order by itself alone. A point that arrives again is no newer than the last of its series.
type order struct {
	// last is the newest time that was given, or 0.
	last int64
	// first is the newest point of one series, which most streams have alone.
	first series
	more  *others
}

// others is what few streams have.
type others struct {
	// floor is the newest time that was given by a machine before, which knew the series.
	floor int64
	// series are the newest points of those that may still have late ones, in the order of their hashes.
	series []series
}

type series struct {
	hash uint64
	at   int64
}

var seed = maphash.MakeSeed()

// seriesOf tells the points of one series from those of others. It means nothing to another process, and is not 0.
func seriesOf(p *point.Point) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	sum := uint64(0)
	for i := range p.Tags {
		h.Reset()
		_, _ = h.Write(p.Tags[i].Key)
		_ = h.WriteByte(0)
		_, _ = h.Write(p.Tags[i].Value)
		sum += h.Sum64()
	}
	return max(sum, 1)
}

// take gives a sample of a series the time at which it is judged: its own, or if others were judged that are as new, just after these.
// ok is false if it is late.
func (o *order) take(hash uint64, at int64) (judged int64, ok bool) {
	if o.last != 0 && o.last-at > int64(lateAllowed) || o.more != nil && at <= o.more.floor {
		return 0, false
	}
	if s := o.of(hash); at > s.at || s.hash == 0 {
		*s = series{hash, at}
	} else {
		return 0, false
	}
	judged = at
	if o.last != 0 && judged <= o.last {
		judged = o.last + 1
	}
	o.last = judged
	return judged, true
}

// of is the place of a series, whose hash is 0 if it is new.
func (o *order) of(hash uint64) *series {
	if o.first.hash == hash || o.first.hash == 0 {
		return &o.first
	}
	if o.more == nil {
		o.more = &others{floor: math.MinInt64}
	}
	m := o.more
	i, known := m.find(hash)
	if known {
		return &m.series[i]
	}
	if n := len(m.series); n == cap(m.series) && n > 0 {
		// Before there is more room, those go whose points are too old by now, whatever they are.
		m.series = slices.DeleteFunc(m.series, func(old series) bool { return o.last-old.at > int64(lateAllowed) })
		i, _ = m.find(hash)
	}
	m.series = slices.Insert(m.series, i, series{})
	return &m.series[i]
}

func (m *others) find(hash uint64) (i int, known bool) {
	return slices.BinarySearchFunc(m.series, hash, func(s series, hash uint64) int { return cmp.Compare(s.hash, hash) })
}

// after begins the order after what another machine has judged.
func (o *order) after(at int64) {
	if at > o.last {
		*o = order{last: at, more: &others{floor: at}}
	}
}

// ordered gives a sample of a stream the time at which it is judged. ok is false if it is late.
func (m *Machine) ordered(in *instance, s *stream, at int64) (judged int64, ok bool) {
	if s.order.last != 0 && s.order.last-m.wall.UnixNano() > int64(aheadAllowed) {
		in.rewind(m.rule, s)
	}
	if judged, ok = s.order.take(m.observed.series(), at); !ok {
		m.stats.Late++
	}
	return judged, ok
}

// rewind makes a stream begin anew that was judged by a clock which was set back since: otherwise it would take no sample until the
// clock is there again. The verdicts stay; what has to last begins anew, as after a hole.
func (in *instance) rewind(r *Rule, s *stream) {
	s.order, s.newest, s.any, s.hole = order{}, 0, false, true
	for i := range s.rings {
		s.rings[i].met = false
	}
	if in.window != nil {
		in.window = newWindowed(r)
	}
}
