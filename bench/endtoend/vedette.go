package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/bench/load"
	"github.com/vedette-monitor/vedette/bench/process"
	"github.com/vedette-monitor/vedette/bench/report"
)

// daemon is a running Vedette with the blaster.
type daemon struct {
	*process.Process
	start, done string
}

// startVedette starts a daemon that writes to an address, with a plugin that waits for the sign to begin.
func (b *bench) startVedette(ctx context.Context, name, url, database, plugin, arguments string) (*daemon, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &daemon{start: filepath.Join(dir, "start"), done: filepath.Join(dir, "done")}
	config := fmt.Sprintf(`
vantage {
  host = %q
}
daemon {
  listen = "127.0.0.1:0"
}
influxdb {
  url    = %q
  token  = %q
  bucket = %q
}
plugin %q {
  source = %q
  start  = %q
  done   = %q
%s
}
`, load.Host, url, token, database, plugin, filepath.Join(b.tools, "bench", plugin), d.start, d.done, arguments)
	path := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, filepath.Join(dir, "log"), filepath.Join(b.bin, "vedette"), "run", "--config", path)
	if err != nil {
		return nil, err
	}
	d.Process = p
	err = process.Until(ctx, "the plugin is ready", func() bool {
		text, _ := os.ReadFile(d.Log)
		return strings.Contains(string(text), "the plugin is ready")
	})
	if err != nil {
		d.End()
		return nil, d.Fail(err)
	}
	return d, nil
}

func (d *daemon) begin() (time.Time, error) {
	now := time.Now()
	return now, os.WriteFile(d.start, nil, 0o600)
}

func (b *bench) vedette(ctx context.Context, database string) (result, error) {
	return b.store(ctx, database, func() (*daemon, error) {
		return b.startVedette(ctx, database, b.influx.url, database, "blaster", fmt.Sprintf("  points = %d", b.points))
	})
}

// backlog takes all points while InfluxDB is down, and drains them when it is up again.
func (b *bench) backlog(ctx context.Context, database string, each int) (in, out result, err error) {
	if err := b.influx.database(database); err != nil {
		return in, out, err
	}
	b.influx.end()
	defer func() { b.influx.drop(database) }()
	d, err := b.startVedette(ctx, database, b.influx.url, database, "messages", fmt.Sprintf("  points = %d\n  each = %d", b.points, each))
	if err != nil {
		return in, out, err
	}
	defer d.End()
	used := d.CPU()
	began, err := d.begin()
	if err != nil {
		return in, out, err
	}
	if err := process.Until(ctx, "all points are on disk", func() bool { return process.Exists(d.done) }); err != nil {
		return in, out, d.Fail(err)
	}
	in = result{took: time.Since(began), points: b.points, cpu: d.CPU() - used, rss: d.Peak()}
	if err := b.influx.up(ctx); err != nil {
		return in, out, err
	}
	// The daemon tries again after a while; the time counts from its first success.
	if err := process.Until(ctx, "the daemon has found InfluxDB again", func() bool { return b.influx.written() > 0 }); err != nil {
		return in, out, d.Fail(err)
	}
	used, began = d.CPU(), time.Now()
	first := b.influx.written()
	if err := b.influx.all(ctx, 0, b.points); err != nil {
		return in, out, d.Fail(err)
	}
	out = result{took: time.Since(began), points: b.points - first, cpu: d.CPU() - used, rss: d.Peak()}
	if err := b.influx.check(ctx, database, b.points); err != nil {
		return in, out, d.Fail(err)
	}
	return in, out, nil
}

func (b *bench) vedetteLatency(ctx context.Context, points, rate int) (report.Quantiles, error) {
	return b.age(ctx, "latency", points, func(url string) (*daemon, error) {
		return b.startVedette(ctx, "latency", url, "latency", "blaster", fmt.Sprintf("  points = %d\n  rate = %d", points, rate))
	})
}
