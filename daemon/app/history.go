package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// pageOfHistory is how many rows are asked for at once, so that a week takes no more memory than an hour.
const pageOfHistory = 20_000

// History reads what InfluxDB has of a measurement from a time until before another one, in the order of time.
func History(ctx context.Context, cfg *config.Config, measurement string, from, to time.Time, yield func(*point.Point) error) error {
	h, err := openHistory(ctx, cfg, measurement)
	if err != nil {
		return Explain(cfg, err)
	}
	defer h.reader.Close()
	// Rows of one moment may be on two pages: seen are those of the moment from that were on the page before.
	for seen, page := 0, pageOfHistory; ; {
		found, err := h.page(ctx, from, to, page)
		if err != nil {
			return Explain(cfg, err)
		}
		for _, p := range found[min(seen, len(found)):] {
			if err := yield(p); err != nil {
				return err
			}
		}
		if len(found) < page {
			return nil
		}
		last := found[len(found)-1].Time
		seen = len(found) - slices.IndexFunc(found, func(p *point.Point) bool { return p.Time == last })
		if from = time.Unix(0, last); seen == len(found) {
			// A page of a single moment is not enough of it.
			page *= 2
		}
	}
}

// history is a measurement in InfluxDB.
type history struct {
	reader      *influx.Reader
	measurement string
	tags        []string
}

func openHistory(ctx context.Context, cfg *config.Config, measurement string) (*history, error) {
	reader, err := readerFor(cfg, measurement)
	if err != nil {
		return nil, err
	}
	h := &history{reader: reader, measurement: measurement}
	// An answer does not say what is a tag and what a field.
	series, err := reader.Query(ctx, "SHOW TAG KEYS FROM "+influx.QuoteName(h.measurement))
	if err != nil {
		reader.Close()
		return nil, err
	}
	for _, s := range series {
		for _, row := range s.Rows {
			h.tags = append(h.tags, row[0].String())
		}
	}
	return h, nil
}

// readerFor returns a reader for which a measurement without a database is the one that the configuration's plugins and the daemon
// write. What none of them writes is looked for among the samples.
func readerFor(cfg *config.Config, measurement string) (*influx.Reader, error) {
	o, err := reach(cfg, AsReader)
	if err != nil {
		return nil, err
	}
	points, records := influx.Targets(Bucket(cfg))
	target := points.Bucket
	if isRecord(cfg, measurement) {
		target = records.Bucket
	}
	o.Database, o.Policy, _ = strings.Cut(target, "/")
	return influx.NewReader(o)
}

func isRecord(cfg *config.Config, measurement string) bool {
	declared := func(m wire.Measurement) bool { return m.Name == measurement && m.Record }
	for i := range cfg.Plugins {
		if slices.ContainsFunc(cfg.Plugins[i].Manifest.Measurements, declared) {
			return true
		}
	}
	return slices.ContainsFunc(Measurements(), declared)
}

func (h *history) page(ctx context.Context, from, to time.Time, limit int) ([]*point.Point, error) {
	series, err := h.reader.Query(ctx, fmt.Sprintf("SELECT * FROM %s WHERE time >= %d AND time < %d ORDER BY time LIMIT %d", influx.QuoteName(h.measurement), from.UnixNano(), to.UnixNano(), limit))
	if err != nil {
		return nil, err
	}
	var found []*point.Point
	for _, s := range series {
		isTag := make([]bool, len(s.Columns))
		fields := influx.Series{}
		for i, name := range s.Columns {
			if isTag[i] = slices.Contains(h.tags, name); !isTag[i] {
				fields.Columns = append(fields.Columns, name)
			}
		}
		for _, row := range s.Rows {
			fields.Tags = map[string]string{}
			var values []influx.Value
			for i, v := range row {
				switch text, isText := v.Text(); {
				case !isTag[i]:
					values = append(values, v)
				case isText && text != "":
					fields.Tags[s.Columns[i]] = text
				}
			}
			p, err := pointOf(fields, values, h.measurement, from)
			if err != nil {
				return nil, err
			}
			found = append(found, p)
		}
	}
	return found, nil
}
