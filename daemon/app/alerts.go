package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// openAlerts opens what the alerts remember.
func (a *App) openAlerts() (*alert.Engine, error) {
	return alert.New(alert.Options{
		Path:      filepath.Join(a.cfg.Daemon.DataDir, "alerts", "state.db"),
		Logger:    a.logger.Named("alerts"),
		Evaluator: a.evaluator(),
		Emit:      a.emit,
		Notifier:  func(plugin string) alert.Notifier { return a.supervisor.Notifier(plugin) },
		Query:     a.query,
		Feeds:     a.feeds,
	})
}

// evaluator is the name of this daemon on what it judges: its vantage point's host.
func (a *App) evaluator() string {
	for _, t := range a.cfg.Tags {
		if t.Key == "host" {
			return t.Value
		}
	}
	name, _ := os.Hostname()
	return name
}

// emit hands over points of the daemon's own.
func (a *App) emit(points [][]byte, done func()) {
	a.self.Take(points, func(refused []*wire.Refusal) {
		if len(refused) > 0 {
			a.logger.Error("the daemon's own points were refused", "points", len(refused), "reason", refused[0].Reason)
		}
		done()
	})
}

// feeds says which plugins emit a measurement, and whether one of them runs.
func (a *App) feeds(measurement string) (plugins []string, runs bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.plugins {
		if !p.Enabled || !slices.ContainsFunc(p.Manifest.Measurements, func(m wire.Measurement) bool {
			return m.Name == measurement || m.Name == wire.AnyMeasurement
		}) {
			continue
		}
		plugins = append(plugins, p.Name)
		phase := a.supervisor.State(p.Name).Phase
		runs = runs || phase == supervisor.Ready || phase == supervisor.Degraded
	}
	return plugins, runs
}

// query asks InfluxDB for the rows of an alert.
func (a *App) query(ctx context.Context, text, measurement string, now time.Time) ([]*point.Point, error) {
	reader, err := readerFor(a.cfg, measurement)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	series, err := reader.Query(ctx, text)
	if err != nil {
		return nil, Explain(a.cfg, err)
	}
	var points []*point.Point
	for _, s := range series {
		for _, row := range s.Rows {
			p, err := pointOf(s, row, measurement, now)
			if err != nil {
				return nil, err
			}
			points = append(points, p)
		}
	}
	// Rows of several series come one series after the other, and a quorum's voters are judged in the order of time.
	slices.SortStableFunc(points, func(a, b *point.Point) int { return int(min(1, max(-1, a.Time-b.Time))) })
	return points, nil
}

// pointOf makes a point of a row.
func pointOf(s influx.Series, row []influx.Value, measurement string, now time.Time) (*point.Point, error) {
	p := sdk.NewPoint(measurement).At(now)
	for key, value := range s.Tags {
		p.Tag(key, value)
	}
	for i, v := range row {
		name := s.Columns[i]
		if name == "time" {
			// An aggregate over everything has the beginning of all times.
			if at, ok := v.Int(); ok && at > 0 {
				p.At(time.Unix(0, at))
			}
			continue
		}
		if text, ok := v.Text(); ok {
			p.String(name, text)
		} else if b, ok := v.Bool(); ok {
			p.Bool(name, b)
		} else if f, ok := v.Float(); ok {
			p.Float(name, f)
		}
	}
	raw, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	made := new(point.Point)
	if err := made.Unmarshal(raw); err != nil {
		return nil, errors.New("a row of the query is no point: " + err.Error())
	}
	if _, err := made.Check(); err != nil {
		return nil, errors.New("a row of the query is no point: " + err.Error())
	}
	return made, nil
}

// Handle adds what the alerts answer to the control socket's paths.
func (a *App) Handle(mux *http.ServeMux) { a.alerts.Handle(mux) }
