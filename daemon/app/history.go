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

// How much of the history is asked for at once: few enough rows to be kept, over a time that grows and shrinks with how many there are.
const (
	firstSpan = 10 * time.Minute
	mostSpan  = 24 * time.Hour
	leastSpan = time.Second
	manyRows  = 50_000
)

// History reads what InfluxDB has of a measurement from a time until before another one, in the order of time.
func History(ctx context.Context, cfg *config.Config, measurement string, from, to time.Time, yield func(*point.Point) error) error {
	reader, err := readerFor(cfg, measurement)
	if err != nil {
		return err
	}
	defer reader.Close()
	for span := firstSpan; from.Before(to); {
		until := from.Add(span)
		if until.After(to) {
			until = to
		}
		found, err := rows(ctx, reader, measurement, from, until)
		if err != nil {
			return Explain(cfg, err)
		}
		for _, p := range found {
			if err := yield(p); err != nil {
				return err
			}
		}
		from = until
		switch {
		case len(found) > manyRows:
			span = max(span/4, leastSpan)
		case len(found) < manyRows/8:
			span = min(span*2, mostSpan)
		}
	}
	return nil
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

var quoteName = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func rows(ctx context.Context, reader *influx.Reader, measurement string, from, to time.Time) ([]*point.Point, error) {
	series, err := reader.Query(ctx, fmt.Sprintf(`SELECT * FROM "%s" WHERE time >= %d AND time < %d GROUP BY *`,
		quoteName.Replace(measurement), from.UnixNano(), to.UnixNano()))
	if err != nil {
		return nil, err
	}
	var found []*point.Point
	for _, s := range series {
		for name, value := range s.Tags {
			// A series that lacks the tag.
			if value == "" {
				delete(s.Tags, name)
			}
		}
		for _, row := range s.Rows {
			p, err := pointOf(s, row, measurement, from)
			if err != nil {
				return nil, err
			}
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, func(a, b *point.Point) int { return int(min(1, max(-1, a.Time-b.Time))) })
	return found, nil
}
