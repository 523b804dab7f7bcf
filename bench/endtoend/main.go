// Endtoend measures how points get from a plugin into InfluxDB: by Vedette (plugin process, mutual TLS, disk, InfluxDB),
// by Telegraf (execd, memory, InfluxDB), and by a bare loop that only posts line protocol over one connection. The three
// take turns against one InfluxDB, so that their ratios hold when the machine's speed drifts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/vedette-monitor/vedette/bench/report"
)

func main() {
	var b bench
	flag.StringVar(&b.bin, "bin", "bin", "directory with vedette and influxd")
	flag.StringVar(&b.tools, "tools", ".tools", "directory with telegraf, and bench/ with the plugins of the load")
	flag.IntVar(&b.points, "points", 1_000_000, "points of a round")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds, of which the medians are printed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

type bench struct {
	bin, tools     string
	points, rounds int
	dir            string
	influx         *influxd
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if b.tools, err = filepath.Abs(b.tools); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "vedette-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if b.influx, err = startInfluxd(ctx, filepath.Join(b.bin, "influxd"), filepath.Join(b.dir, "influxdb")); err != nil {
		return err
	}
	defer b.influx.end()
	fmt.Printf("%d rounds of %d points: 3 tags, 2 floats and an integer, %d bytes a line. Medians.\n\n", b.rounds, b.points, lineLength())
	if err := b.throughput(ctx); err != nil {
		return err
	}
	if err := b.outage(ctx); err != nil {
		return err
	}
	return b.latency(ctx)
}

// throughput: points stored a second, and what that costs.
func (b *bench) throughput(ctx context.Context) error {
	var bare, vedette, telegraf results
	for round := range b.rounds {
		for i, run := range []func(context.Context, string) (result, error){b.bare, b.vedette, b.telegraf} {
			r, err := run(ctx, fmt.Sprintf("round%d_%d", round, i))
			if err != nil {
				return err
			}
			list := []*results{&bare, &vedette, &telegraf}[i]
			*list = append(*list, r)
		}
	}
	t := report.NewTable("STORED", "points/s", "× bare", "× Telegraf", "CPU s/M points", "peak RSS MB")
	for _, row := range []struct {
		name string
		r    results
	}{{"bare loop, one connection", bare}, {"Vedette", vedette}, {"Telegraf 1.37.2", telegraf}} {
		t.Row(row.name, "%.0f", row.r.median(rate), "%.2f", ratio(row.r, bare, rate), "%.2f", ratio(row.r, telegraf, rate),
			"%.2f", row.r.median(cpu), "%.0f", row.r.median(rss))
	}
	t.Print()
	report.Promise("stored points/s, × bare loop", ratio(vedette, bare, rate), report.AtLeast, 0.9)
	report.Promise("stored points/s, × Telegraf", ratio(vedette, telegraf, rate), report.AtLeast, 1.5)
	report.Promise("CPU seconds a million points", vedette.median(cpu), report.AtMost, 2)
	report.Promise("CPU, × Telegraf", ratio(vedette, telegraf, cpu), report.AtMost, 0.5)
	fmt.Println()
	return nil
}

// outage: how fast points are taken while InfluxDB is down, and how much memory the backlog costs when it comes back.
func (b *bench) outage(ctx context.Context) error {
	var bare, hundred, thousand, drain results
	for round := range b.rounds {
		r, err := b.bare(ctx, fmt.Sprintf("outage%d", round))
		if err != nil {
			return err
		}
		bare = append(bare, r)
		for _, each := range []int{100, 1000} {
			in, out, err := b.backlog(ctx, fmt.Sprintf("outage%d_%d", round, each), each)
			if err != nil {
				return err
			}
			drain = append(drain, out)
			if each == 100 {
				hundred = append(hundred, in)
			} else {
				thousand = append(thousand, in)
			}
		}
	}
	t := report.NewTable("INFLUXDB DOWN, THEN UP", "points/s", "× bare", "CPU s/M points", "peak RSS MB")
	for _, row := range []struct {
		name string
		r    results
	}{{"bare loop into InfluxDB", bare}, {"taken, messages of 100", hundred}, {"taken, messages of 1000", thousand}, {"drained", drain}} {
		t.Row(row.name, "%.0f", row.r.median(rate), "%.2f", ratio(row.r, bare, rate), "%.2f", row.r.median(cpu), "%.0f", row.r.median(rss))
	}
	t.Print()
	report.Promise("taken at 100 points a message, × bare loop", ratio(hundred, bare, rate), report.AtLeast, 0.9)
	report.Promise("peak RSS with a backlog, MB", drain.median(rss), report.AtMost, 64)
	fmt.Println()
	return nil
}

// latency: from the emission of a point to InfluxDB's answer that it is stored, and so can be queried.
func (b *bench) latency(ctx context.Context) error {
	const points, rate = 500, 50
	t := report.NewTable("EMITTED TO QUERYABLE", "p50 ms", "p95 ms", "p99 ms")
	vedette, err := b.vedetteLatency(ctx, points, rate)
	if err != nil {
		return err
	}
	t.Row("Vedette", "%.1f", vedette.At(0.5), "%.1f", vedette.At(0.95), "%.1f", vedette.At(0.99))
	for _, flush := range []string{"1s", "10s"} {
		l, err := b.telegrafLatency(ctx, points, rate, flush)
		if err != nil {
			return err
		}
		t.Row("Telegraf 1.37.2, flush_interval "+flush, "%.1f", l.At(0.5), "%.1f", l.At(0.95), "%.1f", l.At(0.99))
	}
	t.Print()
	report.Promise("p95 from emission to queryable, ms", vedette.At(0.95), report.AtMost, 50)
	return nil
}
