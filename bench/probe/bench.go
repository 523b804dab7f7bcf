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

// loopers are the contestants of the closed loop, in the order in which their rows are printed. What is promised is of the engine as the
// plugin runs it up to 600 probes with TLS a second, which is on one processor, against the prober as one writes it. The other rows tell how
// much of the difference that alone makes.
var loopers = []string{"Vedette's engine", "  on all processors", "httptrace", "  on one processor", "libcurl, multi"}

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
	n := strconv.Itoa(b.probes)
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
			for name, cmd := range map[string][]string{
				loopers[0]: {self, "loop", "engine", "1", b.site.ca, n},
				loopers[1]: {self, "loop", "engine", "0", b.site.ca, n},
				loopers[2]: {self, "loop", "httptrace", "0", b.site.ca, n},
				loopers[3]: {self, "loop", "httptrace", "1", b.site.ca, n},
				loopers[4]: {filepath.Join(b.tools, "bench", "libcurl"), b.site.ca, n, strconv.Itoa(atOnce)},
			} {
				before := c.requests()
				one := exec.CommandContext(ctx, cmd[0], append(cmd[1:], all...)...)
				if out, err := one.CombinedOutput(); err != nil {
					return fmt.Errorf("%s: %w: %s", name, err, out)
				}
				if done := c.requests() - before; done != b.probes {
					return fmt.Errorf("%s: %d requests for %d probes", name, done, b.probes)
				}
				used := one.ProcessState.UserTime() + one.ProcessState.SystemTime()
				spent[name] = append(spent[name], float64(used.Microseconds())/float64(b.probes))
			}
		}
		t := report.NewTable("CLOSED LOOP, "+c.scheme, "CPU µs a probe", "× httptrace", "× libcurl")
		for _, name := range loopers {
			t.Row(name, "%.0f", report.Median(spent[name]), "%.2f", spent.ratio(name, loopers[2]), "%.2f", spent.ratio(name, loopers[4]))
		}
		t.Print()
		if c.httptrace > 0 {
			report.Promise(c.scheme+": CPU a probe, × httptrace", spent.ratio(loopers[0], loopers[2]), report.AtMost, c.httptrace)
		}
		if c.libcurl > 0 {
			report.Promise(c.scheme+": CPU a probe, × libcurl", spent.ratio(loopers[0], loopers[4]), report.AtMost, c.libcurl)
		}
	}
	return nil
}
