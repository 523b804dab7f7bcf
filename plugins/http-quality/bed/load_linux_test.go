package main

import (
	"fmt"
	"math"
	"testing"
)

// atOnce is how many probes are due at the same time.
const atOnce = 500

// errorAt99 is the error of a phase against what is true, at the 99th percentile, in milliseconds.
func errorAt99(t *testing.T, all []measured, phase string, truth float64) float64 {
	t.Helper()
	var off []float64
	for _, m := range all {
		got, ok := m.Phases[phase]
		if m.Outcome != "ok" || !ok {
			t.Fatalf("outcome %s: %s; phases %v", m.Outcome, m.Error, m.Phases)
		}
		off = append(off, math.Abs(got-truth)*1e3)
	}
	return at(off, 0.99)
}

// TestTimesStayTrueWhenManyProbesAreDueAtOnce lets 500 probes be due at once by the plugin as it is, by its engine without a
// schedule, and by a prober with net/http and httptrace, in turns. The errors are printed beside those that are promised;
// what is judged is that the plugin's are far from those of the other prober.
func TestTimesStayTrueWhenManyProbesAreDueAtOnce(t *testing.T) {
	const (
		rounds          = 3
		rtt, wait       = 20e-3, 50e-3
		plain, schedule = "engine alone", "plugin"
		trace           = "httptrace"
	)
	s := newSite(t)
	for _, c := range []struct {
		scheme             string
		connect, firstByte float64 // promised: the plugin's error at p99, in milliseconds
	}{{"http", 2, 10}, {"https", 3, 20}} {
		t.Run(c.scheme, func(t *testing.T) {
			url := c.scheme + "://shop.vedette.test/?wait=50ms&size=1000"
			targets := map[string]string{}
			for n := range atOnce {
				targets[fmt.Sprint(n)] = fmt.Sprint(url, "&n=", n)
			}
			connect, firstByte := map[string][]float64{}, map[string][]float64{}
			add := func(by string, all []measured) {
				connect[by] = append(connect[by], errorAt99(t, all, "tcp", rtt))
				firstByte[by] = append(firstByte[by], errorAt99(t, all, "wait", rtt+wait))
			}
			p := s.newProber(t, 0)
			for range rounds {
				add(plain, p.do(t, order{By: "vedette", URLs: repeat(url, atOnce), Family: 4}).Results)
				add(trace, p.do(t, order{By: "httptrace", URLs: repeat(url, atOnce)}).Results)
			}
			plugin := s.startPlugin(t, fmt.Sprintf("  interval = \"6s\"\n  concurrency = %d", atOnce), targets)
			for range rounds {
				var all []measured
				for range atOnce {
					all = append(all, plugin.next(t).measured)
				}
				add(schedule, all)
			}
			by := []string{schedule, plain, trace}
			rows := [][]string{append([]string{"error at p99, ms"}, append(by, "promised")...)}
			for _, kind := range []struct {
				name     string
				errors   map[string][]float64
				promised float64
			}{{"connect", connect, c.connect}, {"first byte", firstByte, c.firstByte}} {
				row := []string{kind.name}
				for _, name := range by {
					row = append(row, fmt.Sprintf("%.2f", median(kind.errors[name])))
				}
				rows = append(rows, append(row, fmt.Sprintf("%.0f", kind.promised)))
			}
			table(t, rows...)
		})
	}
}
