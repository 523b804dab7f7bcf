// Package report prints what the benchmarks have measured, beside what is promised.
package report

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// Median is the median of numbers, of which there must be some. Their order stays, for they may be paired with others.
func Median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	if n%2 == 1 {
		return all[n/2]
	}
	return (all[n/2-1] + all[n/2]) / 2
}

// Quantiles are numbers whose quantiles are asked for.
type Quantiles []float64

// At is the quantile from 0 to 1.
func (l Quantiles) At(quantile float64) float64 {
	slices.Sort(l)
	return l[min(len(l)-1, int(quantile*float64(len(l))))]
}

// Table is printed when it is complete, so that its columns fit.
type Table struct{ w *tabwriter.Writer }

// NewTable begins a table.
func NewTable(header ...string) Table {
	t := Table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.Debug)}
	for _, h := range header {
		fmt.Fprint(t.w, h, "\t")
	}
	fmt.Fprintln(t.w)
	return t
}

// Row takes pairs of a format and a number after the name.
func (t Table) Row(name string, cells ...any) {
	fmt.Fprint(t.w, name, "\t")
	for i := 0; i+1 < len(cells); i += 2 {
		fmt.Fprintf(t.w, cells[i].(string)+"\t", cells[i+1])
	}
	fmt.Fprintln(t.w)
}

// Print prints it.
func (t Table) Print() { _ = t.w.Flush() }

// Direction is on which side of a promise a figure should be.
type Direction string

// The two sides.
const (
	AtLeast Direction = "at least"
	AtMost  Direction = "at most"
)

// Promise compares a figure with what is promised.
func Promise(what string, got float64, d Direction, promised float64) {
	kept := got >= promised
	if d == AtMost {
		kept = got <= promised
	}
	mark := "kept  "
	if !kept {
		mark = "MISSED"
	}
	fmt.Printf("%s  %s: %.2f, promised %s %g\n", mark, what, got, d, promised)
}
