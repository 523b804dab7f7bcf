package app

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/spool"
)

// Status says how the daemon is.
func (a *App) Status() console.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := console.Status{
		Version:  a.opts.Version,
		Pid:      os.Getpid(),
		Started:  a.started.UTC(),
		Tags:     map[string]string{},
		DataDir:  a.cfg.Daemon.DataDir,
		Health:   a.health,
		Plugins:  []console.Plugin{},
		InfluxDB: a.influxStatus(),
	}
	for _, t := range a.tags {
		st.Tags[t.Key] = t.Value
	}
	if _, err := os.Stat(filepath.Join(a.cfg.Daemon.DataDir, "spool")); err != nil {
		st.Problem = "the data directory is gone; what is accepted now is lost when the daemon ends: stop it, and start it again: " + err.Error()
	} else if since, by := a.pipe.Held(); by != nil {
		st.Problem = "points can not be put on disk since " + since.UTC().Format(time.RFC3339) + ": " + by.Error()
	}
	for _, p := range a.plugins {
		st.Plugins = append(st.Plugins, a.pluginStatus(p))
	}
	waiting := a.pipe.Stats()
	st.Queue = console.Queue{MaxBytes: a.cfg.Spool.MaxSize, Samples: laneStatus(waiting.Samples), Records: laneStatus(waiting.Records)}
	st.Queue.Add(st.Queue.Samples)
	st.Queue.Add(st.Queue.Records)
	st.Alerts = console.Alerts(a.alerts.Summary())
	return st
}

func laneStatus(s spool.Stats) console.Lane {
	l := console.Lane{
		Points: s.Points, Bytes: s.Bytes, DiskBytes: s.DiskBytes,
		Lost: s.LostPoints, Dropped: s.Dropped.Points, DroppedBytes: s.Dropped.Bytes,
	}
	if !s.Oldest.IsZero() {
		l.OldestAge = time.Since(s.Oldest).Seconds()
	}
	return l
}

func (a *App) pluginStatus(p config.Plugin) console.Plugin {
	st := console.Plugin{Name: p.Name, Source: p.Source, Version: p.Manifest.Version, State: "disabled", Since: a.started.UTC()}
	source, ok := a.sources[p.Name]
	if !ok {
		return st
	}
	state, counts := a.supervisor.State(p.Name), source.Counts()
	st.State, st.Cause, st.Pid, st.Restarts = string(state.Phase), state.Cause, state.Pid, state.Restarts
	if !state.Since.IsZero() {
		st.Since = state.Since.UTC()
	}
	st.Points, st.Refused, st.RefusedReason, st.DroppedFields = counts.Accepted, counts.Refused, counts.LastReason, counts.DroppedFields
	st.SkippedTicks, st.DroppedPoints = state.Beat.GetSkippedTicks(), state.Beat.GetDroppedPoints()
	st.Reasons, st.Ends, st.LostLines = counts.Reasons, state.Ends, state.LostLines
	return st
}

func (a *App) influxStatus() console.InfluxDB {
	st := console.InfluxDB{URL: a.cfg.InfluxDB.URL, Bucket: a.cfg.InfluxDB.Bucket, Embedded: a.influx != nil, Since: a.started.UTC()}
	if a.influx != nil {
		server := a.influx.State()
		st.URL, st.State, st.Pid, st.Restarts, st.Error = server.URL, string(server.Phase), server.PID, server.Restarts, server.LastError
		if !server.Since.IsZero() {
			st.Since = server.Since.UTC()
		}
	}
	var way influx.State
	var refused time.Time
	for _, w := range a.writers {
		state := w.State()
		st.Stored += int(state.Stored)
		st.Rejected += int(state.Rejected)
		st.Expired += int(state.Expired)
		st.Requests += state.Requests
		st.Retries += state.Retries
		st.SentBytes += state.Bytes
		st.Connections += state.Connections
		st.Latency = max(st.Latency, state.Latency.Seconds())
		for _, p := range state.Poisons {
			st.WrongFields = append(st.WrongFields, console.WrongField{Measurement: p.Measurement, Field: p.Field, Given: p.Given,
				Existing: p.Existing, Since: p.Since.UTC(), Last: p.Last.UTC(), Points: p.Points})
		}
		if state.LastRefused.After(refused) {
			refused = state.LastRefused.UTC()
			st.Refusal, st.Refused = state.LastRefusal, &refused
		}
		if way.Condition == "" || badness(state.Condition) > badness(way.Condition) {
			way = state
		}
	}
	if a.storage != nil {
		st.LettersDropped = a.storage.letters.Stats().Dropped
		report := a.storage.setup.Report()
		st.Server, st.SetupProblem, st.Differences, st.Needed = report.Server, report.Problem, report.Differences, report.Needed
	}
	if way.Condition == influx.Holding || way.Condition == influx.Misconfigured {
		st.State, st.Since, st.Error = string(way.Condition), way.Since.UTC(), way.LastError
	} else if a.influx == nil && way.Condition != "" {
		st.State, st.Since = string(way.Condition), way.Since.UTC()
	} else if way.Since.After(st.Since) {
		st.Since = way.Since.UTC()
	}
	return st
}

// badness orders conditions: of two ways to InfluxDB the one with the worse is told.
func badness(c influx.Condition) int {
	return slices.Index([]influx.Condition{influx.Idle, influx.Connected, influx.Holding, influx.Misconfigured}, c)
}

// Watch begins to watch points of these measurements.
func (a *App) Watch(measurements []string) console.Watcher { return a.pipe.Watch(measurements) }
