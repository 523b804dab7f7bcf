package app

import (
	"context"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/pipeline"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/daemon/vitals"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// observe emits the daemon's own vitals until ctx ends. They take the way of every plugin's points.
func (a *App) observe(ctx context.Context) error {
	tick := time.NewTicker(vitals.Interval)
	defer tick.Stop()
	for {
		a.emitVitals()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) emitVitals() {
	now := time.Now()
	var batch [][]byte
	for _, p := range a.vitals(now).Points(now) {
		raw, err := p.MarshalBinary()
		if err != nil {
			a.logger.Error("the daemon's own points can not be encoded", "error", err)
			return
		}
		batch = append(batch, raw)
	}
	// While points can not be put on disk these wait with all others; status and /healthz tell it.
	a.self.Take(batch, func(refused []*wire.Refusal) {
		if len(refused) > 0 {
			a.logger.Error("the daemon's own points were refused", "points", len(refused), "reason", refused[0].Reason)
		}
	})
}

func (a *App) vitals(now time.Time) *vitals.Vitals {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := &vitals.Vitals{Runtime: vitals.ReadRuntime(a.opts.Version, a.started)}
	for _, p := range a.plugins {
		if source, ok := a.sources[p.Name]; ok {
			v.Plugins = append(v.Plugins, pluginVitals(p.Name, p.Source, a.supervisor.State(p.Name), source.Counts(), now))
		}
	}
	waiting := a.spool.Stats()
	spooled := vitals.Spool{
		Lane: "samples", Points: waiting.Points, Bytes: waiting.Bytes, DiskBytes: waiting.DiskBytes,
		Syncs: waiting.Syncs, LastSync: waiting.LastSync, MaxSync: waiting.MaxSync, Lost: waiting.LostPoints,
	}
	if !waiting.Oldest.IsZero() {
		spooled.OldestAge = now.Sub(waiting.Oldest)
	}
	_, by := a.pipe.Held()
	spooled.Held = by != nil
	v.Spools = append(v.Spools, spooled)
	if a.writer != nil {
		way := a.writer.State()
		v.Writes = append(v.Writes, vitals.Write{
			Lane: "samples", State: string(way.Condition), Connected: way.Condition == influx.Connected,
			Requests: way.Requests, Retries: way.Retries, Stored: way.Stored, Rejected: way.Rejected, Expired: way.Expired,
			Latency: way.Latency,
		})
	}
	return v
}

func pluginVitals(name, program string, state supervisor.State, counts pipeline.Counts, now time.Time) vitals.Plugin {
	v := vitals.Plugin{
		Name: name, Source: program, State: string(state.Phase), Ready: state.Phase == supervisor.Ready, Restarts: state.Restarts,
		Accepted: counts.Accepted, Refused: counts.Refused, DroppedFields: counts.DroppedFields,
		Ticks: state.Beat.GetTicks(), SkippedTicks: state.Beat.GetSkippedTicks(), DroppedPoints: state.Beat.GetDroppedPoints(),
	}
	if !state.Since.IsZero() {
		v.InState = now.Sub(state.Since)
	}
	if state.Pid != 0 {
		v.Memory = vitals.Resident(state.Pid)
	}
	return v
}
