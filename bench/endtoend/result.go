package main

import (
	"time"

	"github.com/vedette-monitor/vedette/bench/report"
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
	return report.Median(all)
}

// ratio is the median of the ratios of rounds that ran side by side.
func ratio(a, b results, of func(result) float64) float64 {
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, of(a[i])/of(b[i]))
	}
	return report.Median(all)
}
