package window

import "math"

// Op is what is made of a window's samples.
type Op uint8

// The aggregates of the language. All but Count are unknown over nothing: no samples are no evidence.
const (
	// Count is how many samples there are, or for how many of them a condition is true. It is never unknown, so that a rule
	// can ask whether there is enough to judge by.
	Count Op = iota
	Avg
	Min
	Max
	Sum
	// Last is the newest value that is known.
	Last
	// Rate is how fast a counter grows, per second: from the first known value to the last. A value below the one before it
	// is a counter that began again at zero.
	Rate
	// Percentile is the nearest-rank percentile, with the rounding of InfluxQL's percentile(): it is a value that was
	// measured, and the same one that a dashboard shows.
	Percentile
	// Ratio is the share of the samples for which a condition is true, among those for which it is true or false.
	Ratio
)

// Aggregate is one of the values that a window has.
type Aggregate struct {
	Op Op
	// Column is the argument's place among the values of a sample, or AllSamples.
	Column int
	// Rank is the percentile, above 0 and at most 100.
	Rank float64
}

// AllSamples is the column of a Count of samples, whatever they hold.
const AllSamples = -1

// Aggregates writes the value of each aggregate of the shape to dst, which has room for all of them. NaN is unknown.
func (w *Window) Aggregates(dst []float64) {
	for i, a := range w.shape.Aggregates {
		dst[i] = w.aggregate(a)
	}
}

func (w *Window) aggregate(a Aggregate) float64 {
	if a.Column == AllSamples {
		return float64(w.n)
	}
	c := &w.columns[a.Column]
	if a.Op == Count {
		return float64(c.nonzero)
	}
	if c.known == 0 {
		return math.NaN()
	}
	switch a.Op {
	case Avg:
		return finite(w.sum(a.Column) / float64(c.known))
	case Ratio:
		return float64(c.nonzero) / float64(c.known)
	case Sum:
		return finite(w.sum(a.Column))
	case Min:
		return c.sorted[0]
	case Max:
		return c.sorted[len(c.sorted)-1]
	case Percentile:
		i := int(math.Floor(float64(len(c.sorted))*a.Rank/100+0.5)) - 1
		return c.sorted[min(max(i, 0), len(c.sorted)-1)]
	case Last:
		for i := w.n - 1; ; i-- {
			if v := w.value(i, a.Column); !math.IsNaN(v) {
				return v
			}
		}
	case Rate:
		return w.rate(a.Column)
	}
	return math.NaN()
}

func (w *Window) rate(column int) float64 {
	var grown, before float64
	var first, last int64
	known := 0
	for i := range w.n {
		v := w.value(i, column)
		if math.IsNaN(v) {
			continue
		}
		last = w.times[w.at(i)]
		switch {
		case known == 0:
			first = last
		case v >= before:
			grown += v - before
		default:
			grown += v
		}
		before = v
		known++
	}
	if known < 2 {
		return math.NaN()
	}
	return finite(grown / (float64(since(last, first)) / 1e9))
}

// finite makes what is no number unknown.
func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}
