package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/bench/report"
)

type bench struct {
	bin, tools     string
	only           string
	probes, rounds int
	span           time.Duration
	dir            string
	site           *nginx
}

// costs are processor microseconds a probe, one a round.
type costs map[string][]float64

func (c costs) ratio(of, to string) float64 {
	var all []float64
	for i := range min(len(c[of]), len(c[to])) {
		all = append(all, c[of][i]/c[to][i])
	}
	return report.Median(all)
}

// The contestants of the closed loop that promises are of: the engine as the plugin runs it up to 600 probes with TLS a second, which is
// on one processor, and the others as one runs them.
const (
	looping = "Vedette's engine"
	tracing = "httptrace"
	libcurl = "libcurl, multi"
)

// loopers are all contestants of the closed loop, in the order in which their rows are printed. Two rows more tell how much of the
// difference the number of processors makes.
func (b *bench) loopers(self string) []looper {
	n := strconv.Itoa(b.probes)
	return []looper{
		{looping, []string{self, "loop", "engine", "1", b.site.ca, n}},
		{"  on all processors", []string{self, "loop", "engine", "0", b.site.ca, n}},
		{tracing, []string{self, "loop", "httptrace", "0", b.site.ca, n}},
		{"  on one processor", []string{self, "loop", "httptrace", "1", b.site.ca, n}},
		{libcurl, []string{filepath.Join(b.tools, "bench", "libcurl"), b.site.ca, n, strconv.Itoa(atOnce)}},
	}
}

// looper is a contestant of the closed loop: a program and its arguments, but for the URLs.
type looper struct {
	name    string
	command []string
}

// closedLoop: what one probe costs, when each begins as soon as another one has ended.
func (b *bench) closedLoop(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	modern, err := startModern(b.site)
	if err != nil {
		return err
	}
	defer modern.close()
	for _, c := range []struct {
		scheme             string
		urls               []string
		requests           func() int
		httptrace, libcurl float64 // promised; 0 is nothing
	}{
		{"http", urls("http", addresses), b.site.probed, 0.65, 1.3},
		// net/http offers a key exchange with ML-KEM. Servers of today agree on it; this nginx is older.
		{"https, server with ML-KEM", modern.urls(addresses), modern.probed, 0.55, 0},
		{"https, server without ML-KEM", urls("https", addresses), b.site.probed, 0.55, 0.3},
	} {
		spent, all := costs{}, c.urls
		for range b.rounds {
			for _, l := range b.loopers(self) {
				before := c.requests()
				one := exec.CommandContext(ctx, l.command[0], append(l.command[1:], all...)...)
				if out, err := one.CombinedOutput(); err != nil {
					return fmt.Errorf("%s: %w: %s", l.name, err, out)
				}
				if done := c.requests() - before; done != b.probes {
					return fmt.Errorf("%s: %d requests for %d probes", l.name, done, b.probes)
				}
				used := one.ProcessState.UserTime() + one.ProcessState.SystemTime()
				spent[l.name] = append(spent[l.name], float64(used.Microseconds())/float64(b.probes))
			}
		}
		t := report.NewTable("CLOSED LOOP, "+c.scheme, "CPU µs a probe", "× httptrace", "× libcurl")
		for _, l := range b.loopers(self) {
			t.Row(l.name, "%.0f", report.Median(spent[l.name]), "%.2f", spent.ratio(l.name, tracing), "%.2f", spent.ratio(l.name, libcurl))
		}
		t.Print()
		if c.httptrace > 0 {
			report.Promise(c.scheme+": CPU a probe, × httptrace", spent.ratio(looping, tracing), report.AtMost, c.httptrace)
		}
		if c.libcurl > 0 {
			report.Promise(c.scheme+": CPU a probe, × libcurl", spent.ratio(looping, libcurl), report.AtMost, c.libcurl)
		}
	}
	return nil
}
