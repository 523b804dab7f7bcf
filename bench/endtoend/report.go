package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// result of one round of one contestant.
type result struct {
	took   time.Duration // for all points
	points int
	cpu    time.Duration
	rss    int64 // peak, in bytes
}

type results []result

func rate(r result) float64 { return float64(r.points) / r.took.Seconds() }
func cpu(r result) float64  { return r.cpu.Seconds() / float64(r.points) * 1e6 }
func rss(r result) float64  { return float64(r.rss) / (1 << 20) }

func (r results) median(of func(result) float64) float64 {
	var all []float64
	for _, one := range r {
		all = append(all, of(one))
	}
	return median(all)
}

// ratio is the median of the ratios of rounds that ran side by side.
func ratio(a, b results, of func(result) float64) float64 {
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, of(a[i])/of(b[i]))
	}
	return median(all)
}

func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	if n%2 == 1 {
		return all[n/2]
	}
	return (all[n/2-1] + all[n/2]) / 2
}

// latencies in milliseconds.
type latencies []float64

func (l latencies) at(quantile float64) float64 {
	slices.Sort(l)
	return l[min(len(l)-1, int(quantile*float64(len(l))))]
}

type table struct{ w *tabwriter.Writer }

func newTable(header ...string) table {
	t := table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.Debug)}
	for _, h := range header {
		fmt.Fprint(t.w, h, "\t")
	}
	fmt.Fprintln(t.w)
	return t
}

// row takes pairs of a format and a number after the name.
func (t table) row(name string, cells ...any) {
	fmt.Fprint(t.w, name, "\t")
	for i := 0; i+1 < len(cells); i += 2 {
		fmt.Fprintf(t.w, cells[i].(string)+"\t", cells[i+1])
	}
	fmt.Fprintln(t.w)
}

func (t table) print() { _ = t.w.Flush() }

type direction string

const (
	atLeast direction = "at least"
	atMost  direction = "at most"
)

// report compares a figure with what is promised.
func report(what string, got float64, d direction, promised float64) {
	kept := got >= promised
	if d == atMost {
		kept = got <= promised
	}
	mark := "kept  "
	if !kept {
		mark = "MISSED"
	}
	fmt.Printf("%s  %s: %.2f, promised %s %g\n", mark, what, got, d, promised)
}
