package app

import (
	"context"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/pipeline"
	"github.com/vedette-monitor/vedette/daemon/spool"
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
	var collected uint64
	var patience time.Duration
	for _, p := range a.plugins {
		source, ok := a.sources[p.Name]
		if !ok {
			continue
		}
		counts := source.Counts()
		v.Plugins = append(v.Plugins, pluginVitals(p.Name, p.Source, a.supervisor.State(p.Name), counts, now))
		if p.Manifest.HasRole(wire.RoleCollector) {
			collected += counts.Accepted
			if may := p.Interval + p.Timeout; patience == 0 || may < patience {
				patience = may
			}
		}
	}
	v.Runtime.Overdue = a.collecting.overdue(collected, patience, now)
	waiting := a.pipe.Stats()
	_, held := a.pipe.Held()
	for _, l := range []struct {
		name  string
		stats spool.Stats
	}{{samples, waiting.Samples}, {records, waiting.Records}} {
		v.Spools = append(v.Spools, spoolVitals(l.name, l.stats, held != nil, now))
	}
	for i, w := range a.writers {
		v.Writes = append(v.Writes, writeVitals([]string{samples, records}[i], w.State()))
	}
	return v
}

// collecting tells how long it is that any plugin brought points which it collects.
type collecting struct {
	points uint64
	since  time.Time
}

// overdue takes how many points there were so far, and how long the most frequent plugin may take for the next; that is 0 if no
// plugin collects.
func (c *collecting) overdue(points uint64, patience time.Duration, now time.Time) time.Duration {
	if points != c.points || patience == 0 || c.since.IsZero() {
		c.points, c.since = points, now
	}
	return max(0, now.Sub(c.since)-patience)
}

// The names of the lanes, in the order of App.writers.
const (
	samples = "samples"
	records = "records"
)

func spoolVitals(lane string, s spool.Stats, held bool, now time.Time) vitals.Spool {
	v := vitals.Spool{
		Lane: lane, Points: s.Points, Bytes: s.Bytes, DiskBytes: s.DiskBytes, Syncs: s.Syncs, LastSync: s.LastSync, MaxSync: s.MaxSync,
		Lost: s.LostPoints, Dropped: s.Dropped.Points, Held: held,
	}
	if !s.Oldest.IsZero() {
		v.OldestAge = now.Sub(s.Oldest)
	}
	return v
}

func writeVitals(lane string, way influx.State) vitals.Write {
	return vitals.Write{
		Lane: lane, State: string(way.Condition), Connected: way.Condition == influx.Connected,
		Batches: way.Batches, Bytes: way.Bytes, Requests: way.Requests, Retries: way.Retries, Stored: way.Stored, Rejected: way.Rejected, Expired: way.Expired,
		Latency: way.Latency,
	}
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
