package window

import "time"

// holeFactor is how many usual intervals may pass without a sample before that is a hole.
const holeFactor = 3

// Pace learns how often a stream has a sample, and tells a hole from an interval. Its zero value is ready; SetUsual gives it
// an interval that is known beforehand.
//
// The usual interval is the mean of the recent ones, each weighed by its length. So where several vantage points
// probe at once and then all pause, it is the pause, which is what somebody who looks at any moment waits for.
type Pace struct {
	usual time.Duration
	// hole is the length of the last hole, and after what has passed since it.
	hole, after time.Duration
}

// SetUsual sets the usual interval.
func (p *Pace) SetUsual(d time.Duration) { *p = Pace{usual: d} }

// Usual is the usual interval, or 0 while there was none.
func (p *Pace) Usual() time.Duration { return p.usual }

// Step takes the interval between two samples, and reports whether it is a hole: longer than three usual intervals, and
// longer than the tolerance. A hole that is soon followed by another one is the new pace, as after a configuration
// with a longer interval.
func (p *Pace) Step(interval, tolerance time.Duration) (hole bool) {
	if interval < 0 {
		return true // longer than a duration holds
	}
	if p.usual == 0 {
		p.usual = interval
		return false
	}
	if interval <= max(holeFactor*p.usual, tolerance) {
		// A long interval weighs more; at the usual one the mean moves by a fifth.
		weight := float64(interval) / float64(interval+4*p.usual)
		p.usual += time.Duration(float64(interval-p.usual) * weight)
		p.after += interval
		return false
	}
	if p.hole > 0 && p.after <= interval && interval <= 2*p.hole {
		p.SetUsual(interval)
		return true
	}
	p.hole, p.after = interval, 0
	return true
}

// Parts are what a pace remembers, for PaceOf.
func (p *Pace) Parts() (usual, hole, after time.Duration) { return p.usual, p.hole, p.after }

// PaceOf is a pace that remembers what another one did.
func PaceOf(usual, hole, after time.Duration) Pace {
	return Pace{usual: max(usual, 0), hole: max(hole, 0), after: max(after, 0)}
}
