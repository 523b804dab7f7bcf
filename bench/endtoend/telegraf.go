package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	return b.store(ctx, database, func() (*daemon, error) {
		return b.startTelegraf(ctx, database, b.influx.url, database, b.points, 0, "1s")
	})
}

func (b *bench) telegrafLatency(ctx context.Context, points, rate int, flush string) (report.Quantiles, error) {
	database := "latency_" + flush
	return b.age(ctx, database, points, func(url string) (*daemon, error) {
		return b.startTelegraf(ctx, database, url, database, points, rate, flush)
	})
}
