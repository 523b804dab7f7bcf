package main

import (
	"context"
	"time"

	"github.com/vedette-monitor/vedette/bench/report"
)

// store measures how a contestant brings all points of a round into a database of its own.
func (b *bench) store(ctx context.Context, database string, start func() (*daemon, error)) (result, error) {
	if err := b.influx.database(database); err != nil {
		return result{}, err
	}
	defer b.influx.drop(database)
	d, err := start()
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

// age measures how old a contestant's points are when InfluxDB has them. It is started with the address to write to.
func (b *bench) age(ctx context.Context, database string, points int, start func(url string) (*daemon, error)) (report.Quantiles, error) {
	if err := b.influx.database(database); err != nil {
		return nil, err
	}
	defer b.influx.drop(database)
	p, err := startProxy(b.influx.url)
	if err != nil {
		return nil, err
	}
	defer p.end()
	d, err := start(p.url)
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
