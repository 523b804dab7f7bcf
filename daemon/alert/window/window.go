// Package window keeps the newest samples of a rule's instance and what the rule asks of them: averages, percentiles, rates.
//
// A window holds what happened within its span before the newest sample, by the times of the samples and by no clock. It
// takes samples in the order of their times: a sample that is older than the newest, or as old, is late or a repeat and
// changes nothing. A value that is not known is left out of every aggregate, and an aggregate over nothing is unknown: a
// hole is not evidence. Whether the window has seen its whole span without a hole says Covered; who recovers on less
// would take missing data for good news.
//
// Memory is bounded: a window keeps at most Shape.Limit samples, and above that gives up the oldest before their time.
// Adding a sample allocates nothing once the window has grown to what it needs. Percentiles are exact.
package window

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// DefaultLimit is how many samples a window keeps unless its shape says otherwise: one a second for an hour.
const DefaultLimit = 3600

// Shape is what the windows of a rule have in common. It is not changed once a window has it.
type Shape struct {
	// Over is the span, above 0.
	Over time.Duration
	// Columns is how many values a sample has.
	Columns    int
	Aggregates []Aggregate
	// Limit is how many samples a window keeps; 0 is DefaultLimit.
	Limit int
	// Fingerprint tells what the columns hold, so that a state of other columns is not taken for one of these.
	Fingerprint uint64
}

func (s *Shape) limit() int {
	if s.Limit > 0 {
		return s.Limit
	}
	return DefaultLimit
}

// sorts reports whether an aggregate wants the values of a column in order.
func (s *Shape) sorts(column int) bool {
	return slices.ContainsFunc(s.Aggregates, func(a Aggregate) bool {
		return a.Column == column && (a.Op == Min || a.Op == Max || a.Op == Percentile)
	})
}

// Window is a ring of samples. It is not safe for concurrent use.
type Window struct {
	shape *Shape
	// times and values are rings with room for the same number of samples; a sample has a value for each column.
	times   []int64
	values  []float64
	head, n int
	columns []column
	// since is from when on there was no hole, and newest the time of the last sample taken.
	since, newest int64
	any           bool
	cut           uint64
}

// column is what is kept of the values of one column, so that an aggregate need not look at each.
type column struct {
	known, nonzero int
	// sum and carry add up to the sum: what a float64 can not hold of it is in carry.
	sum, carry float64
	ordered    bool
	sorted     []float64
}

// New makes an empty window.
func New(shape *Shape) *Window {
	w := &Window{shape: shape, columns: make([]column, shape.Columns)}
	for i := range w.columns {
		w.columns[i].ordered = shape.sorts(i)
	}
	return w
}

// Add takes a sample: its time in nanoseconds and a value for each column, NaN where it is not known. It reports whether
// the sample was taken; one that is not newer than the newest is not.
func (w *Window) Add(at int64, values []float64) bool {
	if len(values) != w.shape.Columns {
		panic(fmt.Sprintf("window: a sample of %d values for %d columns", len(values), w.shape.Columns))
	}
	if w.any && at <= w.newest {
		return false
	}
	if !w.any {
		w.any, w.since = true, at
	}
	w.newest = at
	w.evict(at)
	if w.n == len(w.times) {
		if w.n < w.shape.limit() {
			w.grow()
		} else {
			w.drop()
			w.cut++
		}
	}
	i := w.at(w.n)
	w.times[i] = at
	w.n++
	for c, v := range values {
		if math.IsInf(v, 0) {
			v = math.NaN()
		}
		w.values[i*w.shape.Columns+c] = v
		w.columns[c].add(v)
	}
	if i == 0 {
		// Once around: what the sums have lost to rounding is not carried any further.
		for c := range w.columns {
			w.resum(c)
		}
	}
	return true
}

// Hole says that something is missing before the sample at this time: what is covered begins anew there.
func (w *Window) Hole(at int64) { w.since = at }

// Covered reports whether the window has seen its whole span without a hole.
func (w *Window) Covered() bool { return w.any && since(w.newest, w.since) >= uint64(w.shape.Over) }

// Len is how many samples there are.
func (w *Window) Len() int { return w.n }

// Cut is how many samples were given up before their time, because there were more than the limit.
func (w *Window) Cut() uint64 { return w.cut }

// at is the place of the i-th oldest sample in the ring.
func (w *Window) at(i int) int {
	i += w.head
	if i >= len(w.times) {
		i -= len(w.times)
	}
	return i
}

func (w *Window) value(i, column int) float64 { return w.values[w.at(i)*w.shape.Columns+column] }

// evict drops what a window that ends now does not reach: it is open at its beginning, so that a span of five minutes has
// five samples a minute apart, and not six.
func (w *Window) evict(now int64) {
	for w.n > 0 && since(now, w.times[w.head]) >= uint64(w.shape.Over) {
		w.drop()
	}
}

// since is how many nanoseconds passed from an earlier time to a later one. Between the first and the last time that a point
// may have lie more than an int64 holds.
func since(later, earlier int64) uint64 { return uint64(later) - uint64(earlier) }

func (w *Window) drop() {
	for c := range w.columns {
		w.columns[c].remove(w.values[w.head*w.shape.Columns+c])
	}
	w.head = w.at(1)
	w.n--
}

func (w *Window) grow() {
	room := min(max(4, 2*len(w.times)), w.shape.limit())
	times, values := make([]int64, room), make([]float64, room*w.shape.Columns)
	for i := range w.n {
		from := w.at(i)
		times[i] = w.times[from]
		copy(values[i*w.shape.Columns:], w.values[from*w.shape.Columns:(from+1)*w.shape.Columns])
	}
	w.times, w.values, w.head = times, values, 0
}

// sum is the sum of a column. One that was too large for a float64 is made again, for what made it so may have gone.
func (w *Window) sum(column int) float64 {
	c := &w.columns[column]
	if s := c.sum + c.carry; !math.IsNaN(s) && !math.IsInf(s, 0) {
		return s
	}
	w.resum(column)
	return c.sum + c.carry
}

func (w *Window) resum(column int) {
	c := &w.columns[column]
	c.sum, c.carry = 0, 0
	for i := range w.n {
		if v := w.value(i, column); !math.IsNaN(v) {
			c.plus(v)
		}
	}
}

func (c *column) add(v float64) {
	if math.IsNaN(v) {
		return
	}
	c.known++
	if v != 0 {
		c.nonzero++
	}
	c.plus(v)
	if c.ordered {
		i, _ := slices.BinarySearch(c.sorted, v)
		c.sorted = slices.Insert(c.sorted, i, v)
	}
}

func (c *column) remove(v float64) {
	if math.IsNaN(v) {
		return
	}
	c.known--
	if v != 0 {
		c.nonzero--
	}
	c.plus(-v)
	if c.ordered {
		i, _ := slices.BinarySearch(c.sorted, v)
		c.sorted = slices.Delete(c.sorted, i, i+1)
	}
}

// plus adds to the sum what it can hold and to the carry what it can not (Neumaier's sum).
func (c *column) plus(v float64) {
	t := c.sum + v
	if math.Abs(c.sum) >= math.Abs(v) {
		c.carry += (c.sum - t) + v
	} else {
		c.carry += (v - t) + c.sum
	}
	c.sum = t
}
