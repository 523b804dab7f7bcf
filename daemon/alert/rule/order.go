package rule

import (
	"hash/maphash"
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
	// last is the newest time that was given, if there was any.
	last int64
	any  bool
	// floor is the newest time that was given by a machine before, which knew the series.
	floor  int64
	floors bool
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
	i, known := slices.BinarySearchFunc(o.series, hash, func(s series, hash uint64) int {
		switch {
		case s.hash < hash:
			return -1
		case s.hash > hash:
			return 1
		}
		return 0
	})
	switch {
	case o.any && o.last-at > int64(lateAllowed), known && at <= o.series[i].at, o.floors && at <= o.floor:
		return 0, false
	case known:
		o.series[i].at = at
	default:
		o.note(i, series{hash, at})
	}
	judged = at
	if o.any && judged <= o.last {
		judged = o.last + 1
	}
	o.last, o.any = judged, true
	return judged, true
}

// note notes a series. Before there is more room for them, those go whose points are too old by now, whatever they are.
func (o *order) note(i int, s series) {
	if n := len(o.series); n == cap(o.series) && n > 0 {
		o.series = slices.DeleteFunc(o.series, func(old series) bool { return o.last-old.at > int64(lateAllowed) })
		i, _ = slices.BinarySearchFunc(o.series, s.hash, func(old series, hash uint64) int {
			if old.hash < hash {
				return -1
			}
			return 1
		})
	}
	o.series = slices.Insert(o.series, i, s)
}

// after begins the order after what another machine has judged.
func (o *order) after(at int64) {
	if !o.any || at > o.last {
		*o = order{last: at, any: true, floor: at, floors: true}
	}
}

// ordered gives a sample of a stream the time at which it is judged. ok is false if it is late.
func (m *Machine) ordered(in *instance, s *stream, at int64) (judged int64, ok bool) {
	if s.order.any && s.order.last-m.wall.UnixNano() > int64(aheadAllowed) {
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
