package vitals

import "time"

// Plugin is how one plugin is.
type Plugin struct {
	Name, Source, State string
	Ready               bool
	// InState is how long it has been in its state.
	InState       time.Duration
	Restarts      int
	Accepted      uint64
	Refused       uint64
	DroppedFields uint64
	DroppedPoints uint64
	Ticks         uint64
	SkippedTicks  uint64
	// Memory is resident, in bytes; 0 while there is no process.
	Memory int64
}

var pluginVital = vital[Plugin]{
	name: "vedette_plugin",
	doc:  "One point a plugin instance, every 10 s. Counts begin with the daemon, those of ticks with the plugin's process.",
	tags: []tag[Plugin]{
		{"plugin", "label of the plugin block", func(p *Plugin) string { return p.Name }},
		{"source", "the plugin's program", func(p *Plugin) string { return p.Source }},
	},
	fields: []field[Plugin]{
		text("state", "starting, ready, degraded, backoff, failed, stopping or stopped", func(p *Plugin) string { return p.State }),
		flag("up", "1 if the state is ready, else 0", func(p *Plugin) bool { return p.Ready }),
		seconds("in_state", "how long the plugin has been in its state", func(p *Plugin) time.Duration { return p.InState }),
		integer("restarts", "", "starts after the first", func(p *Plugin) int { return p.Restarts }),
		integer("points", "", "points accepted: they are on disk", func(p *Plugin) uint64 { return p.Accepted }),
		integer("refused", "", "points refused for good, because they could not be stored", func(p *Plugin) uint64 { return p.Refused }),
		integer("dropped_fields", "", "fields left out, because their numbers were not finite", func(p *Plugin) uint64 { return p.DroppedFields }),
		integer("dropped_points", "", "points that the plugin itself has dropped, because they were too large or the daemon took none for too long", func(p *Plugin) uint64 { return p.DroppedPoints }),
		integer("ticks", "", "collections begun", func(p *Plugin) uint64 { return p.Ticks }),
		integer("skipped_ticks", "", "collections that were skipped, because the one before took too long", func(p *Plugin) uint64 { return p.SkippedTicks }),
		integer("memory", "bytes", "resident memory of the plugin's process; 0 if there is none", func(p *Plugin) int64 { return p.Memory }),
	},
}
