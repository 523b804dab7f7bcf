package expression

import (
	"math"
	"slices"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/alert/window"
)

func TestAggregatesAreGatheredOnceForAllConditions(t *testing.T) {
	l := layout()
	a := new(Aggregates)
	when := compile(t, l, `ratio(http_code >= 500) > 0.05 && count() >= 20 || p(95, total_time) > "3s"`, a)
	recovered := compile(t, l, `ratio( http_code>=500 ) < 0.01 && p(95, total_time) < local.slow && max(total_time) < 9 && count(http_code >= 500) == 0`, a)
	shape := a.Shape()
	if shape.Columns != 2 {
		t.Errorf("there are %d columns, want 2", shape.Columns)
	}
	want := []window.Aggregate{
		{Op: window.Ratio}, {Op: window.Count, Column: window.AllSamples}, {Op: window.Percentile, Column: 1, Rank: 95}, {Op: window.Max, Column: 1}, {Op: window.Count},
	}
	if !slices.Equal(shape.Aggregates, want) {
		t.Errorf("the aggregates are %+v, want %+v", shape.Aggregates, want)
	}
	row := l.NewReader().Read(values{"http_code": 503}.point(t))
	sample := make([]float64, 2)
	a.Sample(sample, row)
	if sample[0] != 1 || !math.IsNaN(sample[1]) {
		t.Errorf("the sample is %v", sample)
	}
	for _, tc := range []struct {
		aggregates      []float64
		when, recovered Truth
	}{
		{[]float64{0.5, 20, 1, 1, 5}, True, False},
		{[]float64{0.5, 19, 1, 1, 5}, False, False},
		{[]float64{0, 3, 1, 1, 0}, False, True},
		{[]float64{math.NaN(), 0, math.NaN(), math.NaN(), 0}, Unknown, Unknown},
		{[]float64{0.5, 30, math.NaN(), math.NaN(), 1}, True, False},
	} {
		row.Aggregates = tc.aggregates
		if when.Evaluate(row) != tc.when || recovered.Evaluate(row) != tc.recovered {
			t.Errorf("with %v: when is %s and recover %s", tc.aggregates, when.Evaluate(row), recovered.Evaluate(row))
		}
	}
	if got := when.Value(row); got != 0.5 {
		t.Errorf("it is about %v, want the ratio", got)
	}
}

func TestAnotherArgumentIsAnotherFingerprint(t *testing.T) {
	seen := map[uint64]string{}
	for _, text := range []string{"avg(total_time) > 1", "avg(dns) > 1", "ratio(total_time > 1) > 0", "ratio(total_time > 2) > 0", "count() > 0", "avg(dns) > avg(total_time)"} {
		a := new(Aggregates)
		compile(t, layout(), text, a)
		f := a.Shape().Fingerprint
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same", text, other)
		}
		seen[f] = text
	}
	a := new(Aggregates)
	compile(t, layout(), "max(total_time) > 5", a)
	if seen[a.Shape().Fingerprint] != "avg(total_time) > 1" {
		t.Error("another question about the same samples has another fingerprint")
	}
}
