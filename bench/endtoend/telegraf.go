package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/bench/process"
	"github.com/vedette-monitor/vedette/bench/report"
)

// startTelegraf starts Telegraf with what makes it fast: large batches, a buffer in memory that holds every point, and no
// compression.
func (b *bench) startTelegraf(ctx context.Context, name, url, database string, points, rate int, flush string) (*daemon, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &daemon{start: filepath.Join(dir, "start")}
	config := fmt.Sprintf(`
[agent]
  interval = "1s"
  flush_interval = %q
  metric_batch_size = %d
  metric_buffer_limit = %d
  omit_hostname = true
[[inputs.execd]]
  command = [%q, "lines", %q, "%d", "%d"]
  signal = "none"
  data_format = "influx"
[[outputs.influxdb_v2]]
  urls = [%q]
  token = %q
  organization = ""
  bucket = %q
  content_encoding = "identity"
`, flush, batch, 3*b.points, filepath.Join(b.tools, "bench", "blaster"), d.start, points, rate, url, token, database)
	path := filepath.Join(dir, "telegraf.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, filepath.Join(dir, "log"), filepath.Join(b.tools, "telegraf"), "--config", path)
	if err != nil {
		return nil, err
	}
	d.Process = p
	err = process.Until(ctx, "Telegraf has started its program", func() bool {
		text, _ := os.ReadFile(d.Log)
		return strings.Contains(string(text), "Starting process")
	})
	if err != nil {
		d.End()
		return nil, d.Fail(err)
	}
	return d, nil
}

func (b *bench) telegraf(ctx context.Context, database string) (result, error) {
	if err := b.influx.database(database); err != nil {
		return result{}, err
	}
	defer b.influx.drop(database)
	d, err := b.startTelegraf(ctx, database, b.influx.url, database, b.points, 0, "1s")
	if err != nil {
		return result{}, err
	}
	defer d.End()
	before, used := b.influx.written(), d.CPU()
	began, err := d.begin()
	if err != nil {
		return result{}, err
	}
	if err := b.influx.all(ctx, before, b.points); err != nil {
		return result{}, d.Fail(err)
	}
	r := result{took: time.Since(began), points: b.points, cpu: d.CPU() - used, rss: d.Peak()}
	if err := b.influx.check(ctx, database, b.points); err != nil {
		return result{}, d.Fail(err)
	}
	return r, nil
}

func (b *bench) telegrafLatency(ctx context.Context, points, rate int, flush string) (report.Quantiles, error) {
	database := "latency_" + flush
	if err := b.influx.database(database); err != nil {
		return nil, err
	}
	defer b.influx.drop(database)
	p, err := startProxy(b.influx.url)
	if err != nil {
		return nil, err
	}
	defer p.end()
	d, err := b.startTelegraf(ctx, database, p.url, database, points, rate, flush)
	if err != nil {
		return nil, err
	}
	defer d.End()
	if _, err := d.begin(); err != nil {
		return nil, err
	}
	l, err := p.wait(ctx, points)
	if err != nil {
		return nil, d.Fail(err)
	}
	return l, nil
}
