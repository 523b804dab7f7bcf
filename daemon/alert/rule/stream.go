package rule

import (
	"math/bits"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/window"
)

// notTripped is the level of a stream that is well.
const notTripped = -1

// unknownsAreBroken is after how many unknown samples in a row, with no verdict between them, a stream is broken.
const unknownsAreBroken = 5

// stream judges samples that follow each other: those of an instance, or of one voter of it.
type stream struct {
	// newest is the time of the newest sample, if there was any.
	newest int64
	any    bool
	order  order
	pace   window.Pace
	rings  []ring // one for each level
	// tripped is the highest level that has tripped, or notTripped.
	tripped  int8
	unknowns uint8
	// hole says that there was one since the last recovered sample.
	hole bool
	// run is how many samples in a row were recovered ones, and runSince the time of the first.
	run      int32
	runSince int64
}

// ring is the newest verdicts of a level, the newest in the lowest bit, which is set where it was bad.
type ring struct {
	verdicts uint64
	// met says that enough of them are bad, and badSince from which sample on.
	met bool
	// n is how many there are.
	n        uint8
	badSince int64
}

// String is a letter for each verdict, the newest last.
func (r *ring) String() string {
	letters := make([]byte, r.n)
	for i := range letters {
		letters[len(letters)-1-i] = "gb"[r.verdicts>>i&1]
	}
	return string(letters)
}

func (s *stream) init(r *Rule) {
	s.rings, s.tripped = make([]ring, len(r.levels)), notTripped
	s.pace.SetUsual(max(r.spec.Interval, r.spec.Every))
}

// verdict is what a sample is: bad, good or unknown for each level, and whether it is a recovered one.
type verdict struct {
	levels [maxLevels]expression.Truth
	// recovered is unknown for one that moves no run.
	recovered expression.Truth
}

// judge evaluates the conditions for a row. ok is false if all levels are unknown. covered says that good news count.
func (r *Rule) judge(row *expression.Row, covered bool) (v verdict, ok bool) {
	v.recovered = expression.True
	for i := range r.levels {
		t := r.levels[i].when.Evaluate(row)
		v.levels[i] = t
		ok = ok || t != expression.Unknown
		switch {
		case t == expression.True:
			v.recovered = expression.False
		case t == expression.Unknown && v.recovered == expression.True:
			v.recovered = expression.Unknown
		}
	}
	if v.recovered == expression.True && r.recovered != nil {
		v.recovered = r.recovered.Evaluate(row)
	}
	if v.recovered == expression.True && !covered {
		v.recovered = expression.Unknown
	}
	return v, ok
}

// take takes a sample that is newer than the newest. After a hole what has to last begins anew, for each level with its next verdict.
func (s *stream) take(r *Rule, v *verdict, at int64) {
	hole := s.any && s.pace.Step(time.Duration(at-s.newest), r.tolerance())
	s.newest, s.any, s.hole = at, true, s.hole || hole
	mask := uint64(1)<<r.fire.Of - 1
	for i := range s.rings {
		ring := &s.rings[i]
		ring.met = ring.met && !hole
		if v.levels[i] == expression.Unknown {
			continue
		}
		ring.verdicts = ring.verdicts << 1 & mask
		ring.n = min(ring.n+1, uint8(r.fire.Of))
		if v.levels[i] == expression.True {
			ring.verdicts |= 1
		}
		was := ring.met
		ring.met = bits.OnesCount64(ring.verdicts) >= r.fire.Bad
		if ring.met && !was {
			ring.badSince = at
		}
		if ring.met && at-ring.badSince >= int64(r.fire.For) {
			s.tripped = max(s.tripped, int8(i))
		}
	}
	if s.tripped != notTripped {
		s.recover(r, v, at)
	}
}

func (s *stream) recover(r *Rule, v *verdict, at int64) {
	switch v.recovered {
	case expression.False:
		s.run = 0
		return
	case expression.Unknown:
		return
	}
	if s.run == 0 || s.hole {
		s.runSince, s.hole = at, false
	}
	s.run++
	if int(s.run) >= r.recover.Good && at-s.runSince >= int64(r.recover.For) {
		clear(s.rings)
		s.tripped, s.run = notTripped, 0
	}
}

// badAt is the time of the newest sample of a stream that has tripped, or 0 if that is a recovered one.
func (s *stream) badAt() int64 {
	if !s.any || s.tripped == notTripped || s.run > 0 {
		return 0
	}
	return s.newest
}

// pending reports whether a bad verdict is in a ring.
func (s *stream) pending() bool {
	for i := range s.rings {
		if s.rings[i].verdicts != 0 {
			return true
		}
	}
	return false
}

// bad is how many verdicts of the level that has tripped, or else of the one with the most, are bad.
func (s *stream) bad() int { return bits.OnesCount64(s.shown().verdicts) }

// tolerance is how long a stream may be silent without that being a hole, whatever its pace.
func (r *Rule) tolerance() time.Duration {
	if r.quorum != nil {
		return r.quorum.fresh
	}
	return 0
}
