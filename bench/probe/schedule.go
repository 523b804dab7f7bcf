package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/bench/process"
	"github.com/vedette-monitor/vedette/bench/report"
)

// warm is how long a contestant runs before it is measured.
const warm = 3 * time.Second

// schedules: what a probe costs at 500 a second.
func (b *bench) schedules(ctx context.Context) error {
	const rate = 500
	for _, c := range []struct {
		scheme             string
		blackbox, telegraf float64
	}{{"http", 0.3, 1.2}, {"https", 0.3, 0.95}} {
		spent := costs{}
		for range b.rounds {
			for _, name := range contestants {
				cost, err := b.cost(ctx, b.starters()[name], urls(c.scheme, rate))
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				spent[name] = append(spent[name], cost)
			}
		}
		t := report.NewTable(fmt.Sprintf("SCHEDULED, %d/s, %s", rate, c.scheme), "CPU µs a probe", "× Telegraf", "× blackbox")
		for _, name := range contestants {
			t.Row(name, "%.0f", report.Median(spent[name]), "%.2f", spent.ratio(name, contestants[1]), "%.2f", spent.ratio(name, contestants[2]))
		}
		t.Print()
		report.Promise(c.scheme+": CPU a scheduled probe, × Telegraf", spent.ratio(contestants[0], contestants[1]), report.AtMost, c.telegraf)
		report.Promise(c.scheme+": CPU a scheduled probe, × blackbox_exporter", spent.ratio(contestants[0], contestants[2]), report.AtMost, c.blackbox)
	}
	return nil
}

// cost is the processor time of a probe in microseconds: nginx counts the probes.
func (b *bench) cost(ctx context.Context, start starter, urls []string) (float64, error) {
	r, err := start(ctx, urls, time.Second)
	if err != nil {
		return 0, err
	}
	defer r.stop()
	if err := wait(ctx, warm); err != nil {
		return 0, err
	}
	pid, before := r.measured(), b.site.requests()
	used := process.CPU(pid)
	if err := wait(ctx, b.span); err != nil {
		return 0, err
	}
	used, done := process.CPU(pid)-used, b.site.requests()-before-1
	if due := b.span.Seconds() * float64(len(urls)); float64(done) < due/2 {
		return 0, fmt.Errorf("%d probes of about %.0f", done, due)
	}
	return float64(used.Microseconds()) / float64(done), nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// memory: what 10,000 targets take once all have been probed and the interval after that is over; and the most that they ever
// took, which is while the configuration is read.
func (b *bench) memory(ctx context.Context) error {
	const targets, interval = 10_000, 30 * time.Second
	resident, peak := map[string]float64{}, map[string]float64{}
	for _, name := range contestants[:2] {
		err := func() error {
			before := b.site.requests()
			r, err := b.starters()[name](ctx, urls("http", targets), interval)
			if err != nil {
				return err
			}
			defer r.stop()
			err = process.Until(ctx, "all targets are probed", func() bool {
				time.Sleep(100 * time.Millisecond)
				return b.site.requests()-before >= targets
			})
			if err == nil {
				err = wait(ctx, interval)
			}
			const mib = 1 << 20
			resident[name], peak[name] = float64(process.Resident(r.measured()))/mib, float64(process.Peak(r.measured()))/mib
			return err
		}()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	t := report.NewTable("10,000 TARGETS", "RSS MB", "peak MB")
	for _, name := range contestants[:2] {
		t.Row(name, "%.1f", resident[name], "%.1f", peak[name])
	}
	t.Print()
	report.Promise("RSS with 10,000 targets, × Telegraf", resident[contestants[0]]/resident[contestants[1]], report.AtMost, 0.25)
	return nil
}

// punctuality: how far the gaps between a target's probes are from its interval, and how many probes are done.
func (b *bench) punctuality(ctx context.Context) error {
	const targets, interval = 200, 2 * time.Second
	t := report.NewTable("PUNCTUALITY, 200 targets every 2 s", "|gap − interval| p50 ms", "p99 ms", "probes done %")
	for _, hanging := range []int{0, targets / 10} {
		for _, name := range contestants[:2] {
			gaps, done, err := b.gaps(ctx, b.starters()[name], targets, hanging, interval)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			row := name
			if hanging > 0 {
				row += ", a tenth hangs"
			}
			if len(gaps) == 0 {
				t.Row(row, "%s", "no gaps", "%s", "no gaps", "%.0f", done)
			} else {
				t.Row(row, "%.2f", gaps.At(0.5), "%.2f", gaps.At(0.99), "%.0f", done)
			}
			if name == contestants[0] {
				if len(gaps) == 0 {
					return fmt.Errorf("%s: no target was probed three times", name)
				}
				defer report.Promise(row+": |gap − interval| p99, ms", gaps.At(0.99), report.AtMost, 5)
				defer report.Promise(row+": probes done, %", done, report.AtLeast, 99)
			}
		}
	}
	t.Print()
	return nil
}

// arrivals is a site that notes when each target is asked. Some of its targets are never answered.
type arrivals struct {
	mu sync.Mutex
	at map[string][]time.Time
}

// ServeHTTP implements http.Handler.
func (a *arrivals) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	a.mu.Lock()
	a.at[r.URL.RawQuery] = append(a.at[r.URL.RawQuery], now)
	a.mu.Unlock()
	if r.URL.Path == "/hang" {
		<-r.Context().Done()
	}
}

// gaps are those between the probes of the targets that answer, in milliseconds off the interval, and the share in percent of
// the probes that were done of those due. Who probes no target three times has no gaps: as Telegraf, when of the 20 addresses of
// a block two hang for 5 s each, so that a round takes 10 s.
func (b *bench) gaps(ctx context.Context, start starter, targets, hanging int, interval time.Duration) (gaps report.Quantiles, done float64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	a := &arrivals{at: map[string][]time.Time{}}
	server := &http.Server{Handler: a}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	var all []string
	for i := range targets {
		path := ""
		// In each ten another one, so that each of Telegraf's blocks has its share.
		if hanging > 0 && i%10 == i/10%10 {
			path = "hang"
		}
		all = append(all, fmt.Sprintf("http://%s/%s?%d", l.Addr(), path, i))
	}
	r, err := start(ctx, all, interval)
	if err != nil {
		return nil, 0, err
	}
	err = wait(ctx, 12*interval)
	r.stop()
	if err != nil {
		return nil, 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	count, due := 0, 0.0
	for i, u := range all {
		at := a.at[fmt.Sprint(i)]
		if u[len("http://"+l.Addr().String()):][1] == 'h' {
			continue
		}
		// The first two may be a start's and the splay's.
		for i := 2; i < len(at); i++ {
			gaps = append(gaps, (at[i].Sub(at[i-1])-interval).Abs().Seconds()*1e3)
		}
		count += max(0, len(at)-1)
		due += 11
	}
	return gaps, min(100, 100*float64(count)/due), nil
}
