package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var unknown = math.NaN()

// everything asks for each aggregate of two columns.
func everything(over time.Duration, limit int) *Shape {
	s := &Shape{Over: over, Columns: 2, Limit: limit, Fingerprint: 7}
	s.Aggregates = append(s.Aggregates, Aggregate{Op: Count, Column: AllSamples})
	for column := range s.Columns {
		for _, op := range []Op{Count, Avg, Min, Max, Sum, Last, Rate, Ratio} {
			s.Aggregates = append(s.Aggregates, Aggregate{Op: op, Column: column})
		}
		for _, rank := range []float64{0.1, 50, 95, 99.9, 100} {
			s.Aggregates = append(s.Aggregates, Aggregate{Op: Percentile, Column: column, Rank: rank})
		}
	}
	return s
}

// naive is a window that keeps everything and looks at each sample for each question.
type naive struct {
	shape  *Shape
	times  []int64
	values [][]float64
}

func (n *naive) add(at int64, values []float64) bool {
	if len(n.times) > 0 && at <= n.times[len(n.times)-1] {
		return false
	}
	n.times = append(n.times, at)
	n.values = append(n.values, slices.Clone(values))
	return true
}

func (n *naive) inside() (from int) {
	newest := n.times[len(n.times)-1]
	for i, t := range n.times {
		if time.Duration(newest-t) < n.shape.Over && len(n.times)-i <= n.shape.limit() {
			return i
		}
	}
	return len(n.times)
}

func (n *naive) aggregate(a Aggregate) float64 {
	if len(n.times) == 0 {
		if a.Op == Count {
			return 0
		}
		return unknown
	}
	from := n.inside()
	if a.Column == AllSamples {
		return float64(len(n.times) - from)
	}
	var known []float64
	var times []int64
	for i := from; i < len(n.times); i++ {
		if v := n.values[i][a.Column]; !math.IsNaN(v) && !math.IsInf(v, 0) {
			known, times = append(known, v), append(times, n.times[i])
		}
	}
	yes, sum, grown := 0, 0.0, 0.0
	for i, v := range known {
		sum += v
		if v != 0 {
			yes++
		}
		if i > 0 && v >= known[i-1] {
			grown += v - known[i-1]
		} else if i > 0 {
			grown += v
		}
	}
	if a.Op == Count {
		return float64(yes)
	}
	if len(known) == 0 || a.Op == Rate && len(known) == 1 {
		return unknown
	}
	switch a.Op {
	case Avg:
		return sum / float64(len(known))
	case Sum:
		return sum
	case Min:
		return slices.Min(known)
	case Max:
		return slices.Max(known)
	case Last:
		return known[len(known)-1]
	case Ratio:
		return float64(yes) / float64(len(known))
	case Rate:
		return grown / time.Duration(times[len(times)-1]-times[0]).Seconds()
	}
	slices.Sort(known)
	place := int(float64(len(known))*a.Rank/100 + 0.5)
	return known[max(place, 1)-1]
}

func same(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1)
}

func values(w *Window) []float64 {
	v := make([]float64, len(w.shape.Aggregates))
	w.Aggregates(v)
	return v
}

func TestAWindowAnswersAsOneThatKeepsEverything(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		shape := everything(time.Duration(1+r.IntN(50))*time.Second, 1+r.IntN(60))
		w, reference := New(shape), &naive{shape: shape}
		at := int64(r.IntN(1000)) * 1e9
		for step := range 400 {
			switch r.IntN(12) {
			case 0: // late, or a repeat
				at -= int64(r.IntN(5)) * 1e9
			case 1: // a hole
				at += int64(r.IntN(100)) * 1e9
			default:
				at += 1 + r.Int64N(3e9)
			}
			sample := []float64{random(r), float64(r.IntN(2))}
			if r.IntN(5) == 0 {
				sample[r.IntN(2)] = unknown
			}
			took, want := w.Add(at, sample), reference.add(at, sample)
			if took != want {
				t.Fatalf("seed %d, step %d: the sample at %d is taken: %t, want %t", seed, step, at, took, want)
			}
			if !took {
				at = reference.times[len(reference.times)-1]
			}
			if r.IntN(40) == 0 {
				restored, err := Restore(shape, w.AppendState(nil))
				if err != nil {
					t.Fatal(err)
				}
				w = restored
			}
			for i, got := range values(w) {
				if want := reference.aggregate(shape.Aggregates[i]); !same(got, want) {
					t.Fatalf("seed %d, step %d: %+v is %v, want %v", seed, step, shape.Aggregates[i], got, want)
				}
			}
		}
	}
}

// random makes values that repeat, that differ by magnitudes, and that are no numbers.
func random(r *rand.Rand) float64 {
	switch r.IntN(8) {
	case 0:
		return math.Inf(1 - 2*r.IntN(2))
	case 1:
		return (r.Float64() - 0.5) * 1e6
	case 2:
		return math.Copysign(0, -1)
	default:
		return float64(r.IntN(20) - 5)
	}
}

func TestAnAggregateOverNothingIsUnknown(t *testing.T) {
	shape := everything(time.Minute, 0)
	w := New(shape)
	check := func(samples float64) {
		t.Helper()
		for i, v := range values(w) {
			a := shape.Aggregates[i]
			want := unknown
			if a.Op == Count {
				want = 0
			}
			if a.Column == AllSamples {
				want = samples
			}
			if !same(v, want) {
				t.Errorf("%+v is %v, want %v", a, v, want)
			}
		}
	}
	check(0)
	w.Add(1, []float64{unknown, math.Inf(1)})
	check(1)
}

func TestRateTakesAFallForARestart(t *testing.T) {
	shape := &Shape{Over: time.Minute, Columns: 1, Aggregates: []Aggregate{{Op: Rate}}}
	tests := map[string]struct {
		counter []float64
		want    float64
	}{
		"one value":     {[]float64{5}, unknown},
		"steady":        {[]float64{0, 10, 20}, 1},
		"a restart":     {[]float64{100, 110, 4, 10}, 20.0 / 30},
		"a hole in it":  {[]float64{0, unknown, 20}, 1},
		"hole at front": {[]float64{unknown, 5, 15}, 1},
		"nothing grows": {[]float64{7, 7, 7}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := New(shape)
			for i, v := range tc.counter {
				w.Add(int64(i)*10e9, []float64{v})
			}
			if got := values(w)[0]; !same(got, tc.want) {
				t.Errorf("the rate is %v, want %v", got, tc.want)
			}
		})
	}
}

// TestPercentileIsInfluxQLs has the values that InfluxDB's percentile() gives for 1 to n.
func TestPercentileIsInfluxQLs(t *testing.T) {
	for _, tc := range []struct {
		n          int
		rank, want float64
	}{{5, 95, 5}, {10, 92, 9}, {10, 95, 10}, {20, 95, 19}, {100, 99.4, 99}, {100, 99.5, 100}, {4, 50, 2}, {3, 50, 2}, {1, 1, 1}} {
		w := New(&Shape{Over: time.Hour, Columns: 1, Aggregates: []Aggregate{{Op: Percentile, Rank: tc.rank}}})
		for i := range tc.n {
			w.Add(int64(i), []float64{float64(tc.n - i)})
		}
		if got := values(w)[0]; got != tc.want {
			t.Errorf("percentile %v of 1 to %d is %v, want %v", tc.rank, tc.n, got, tc.want)
		}
	}
}

func TestAWindowIsCoveredOnceItHasSeenItsSpanWithoutAHole(t *testing.T) {
	w := New(everything(time.Minute, 0))
	minute := func(second int64, want bool) {
		t.Helper()
		w.Add(second*1e9, []float64{1, 1})
		if w.Covered() != want {
			t.Errorf("at %d s it is covered: %t, want %t", second, !want, want)
		}
	}
	if w.Covered() {
		t.Error("an empty window is covered")
	}
	minute(0, false)
	minute(59, false)
	minute(60, true)
	w.Hole(200e9)
	minute(200, false)
	minute(259, false)
	minute(260, true)
}

func TestAWindowForgetsASumThatWasTooLarge(t *testing.T) {
	w := New(everything(2*time.Second, 0))
	for i, v := range []float64{math.MaxFloat64, math.MaxFloat64, 3, 4} {
		w.Add(int64(i)*1e9, []float64{v, v})
	}
	for i, v := range values(w) {
		if a := w.shape.Aggregates[i]; a.Op == Sum && v != 7 || a.Op == Avg && v != 3.5 {
			t.Errorf("%+v is %v", a, v)
		}
	}
}

func TestWhatASumLostToLargeValuesIsNotMissedForEver(t *testing.T) {
	w := New(everything(10*time.Second, 0))
	for i, v := range append([]float64{1e300, 1e200}, slices.Repeat([]float64{1}, 60)...) {
		w.Add(int64(i)*1e9, []float64{v, v})
	}
	for i, v := range values(w) {
		if a := w.shape.Aggregates[i]; a.Op == Sum && v != 10 || a.Op == Avg && v != 1 {
			t.Errorf("%+v is %v", a, v)
		}
	}
}

func TestAWindowKeepsNoMoreSamplesThanItsLimit(t *testing.T) {
	w := New(everything(time.Hour, 100))
	for i := range int64(1000) {
		w.Add(i, []float64{float64(i), 1})
	}
	if w.Len() != 100 || w.Cut() != 900 || len(w.times) != 100 || cap(w.columns[0].sorted) > 256 {
		t.Errorf("it holds %d samples in %d places, and has cut %d", w.Len(), len(w.times), w.Cut())
	}
}

func TestAddingASampleAllocatesNothing(t *testing.T) {
	w := New(everything(5*time.Minute, 0))
	at, sample, dst := int64(0), []float64{1, 1}, make([]float64, len(w.shape.Aggregates))
	step := func() {
		at += 1e9
		sample[0] = float64(at / 1e9 * 7 % 101)
		w.Add(at, sample)
		w.Aggregates(dst)
	}
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("adding and asking allocates %v times", n)
	}
}

// BenchmarkP95 is one sample in, and one p95 out, over windows that hold a sample a minute and a sample a second.
func BenchmarkP95(b *testing.B) {
	for _, n := range []int64{5, 300, 3600} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			shape := &Shape{Over: 5 * time.Minute, Columns: 1, Aggregates: []Aggregate{{Op: Percentile, Rank: 95}}}
			w, dst, sample := New(shape), make([]float64, 1), make([]float64, 1)
			r := rand.New(rand.NewPCG(1, 2))
			step := int64(shape.Over) / n
			at := int64(0)
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				at += step
				sample[0] = r.ExpFloat64()
				w.Add(at, sample)
				w.Aggregates(dst)
			}
		})
	}
}
