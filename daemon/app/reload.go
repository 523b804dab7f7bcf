package app

import (
	"slices"
	"strings"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/pipeline"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Reload reads the configuration anew and makes the running plugins those of the new one. A plugin that did not change
// is not touched. A configuration with errors changes nothing.
func (a *App) Reload() console.Reload {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	cfg, diags := a.opts.Load()
	var text strings.Builder
	// A strings.Builder takes everything.
	_ = diags.Write(&text)
	if diags.HasErrors() {
		a.logger.Error("the new configuration has errors; the old one goes on", "errors", diags.Errors())
		return console.Reload{Diagnostics: text.String()}
	}
	changes := a.supervisor.Apply(a.wanted(cfg.Config))
	if err := a.alerts.Apply(cfg.Policy, cfg.Notifiers); err != nil {
		a.logger.Error("the new alerts can not be used; the old ones go on", "error", err)
	}
	r := console.Reload{
		Applied: true, Diagnostics: text.String(),
		Started: changes.Started, Restarted: changes.Restarted, Stopped: changes.Stopped, Kept: changes.Kept,
	}
	if cfg.Daemon != a.cfg.Daemon {
		r.AtNextStart = append(r.AtNextStart, "daemon")
	}
	if cfg.Spool != a.cfg.Spool {
		r.AtNextStart = append(r.AtNextStart, "spool")
	}
	if cfg.InfluxDB != a.cfg.InfluxDB {
		r.AtNextStart = append(r.AtNextStart, "influxdb")
	}
	a.logger.Info("the configuration was reloaded", "started", r.Started, "restarted", r.Restarted, "stopped", r.Stopped,
		"kept", r.Kept, "at_next_start", r.AtNextStart)
	return r
}

// wanted notes the configuration and returns the plugins that shall run by it. A plugin keeps its source, and so its
// counts, over a restart.
func (a *App) wanted(cfg *config.Config) []supervisor.Plugin {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tags, a.plugins = cfg.Tags, cfg.Plugins
	a.self.SetTerms(pipeline.Terms{Tags: stamp(nil, cfg.Tags), Measurements: Measurements()})
	sources := a.sources
	a.sources = map[string]*pipeline.Source{}
	var wanted []supervisor.Plugin
	for _, p := range cfg.Plugins {
		if !p.Enabled {
			continue
		}
		terms := pipeline.Terms{Tags: stamp(p.Tags, cfg.Tags), Measurements: p.Manifest.Measurements, MaxSeries: p.MaxSeries}
		s, ok := sources[p.Name]
		if ok {
			s.SetTerms(terms)
		} else {
			s = a.pipe.Source(terms, a.logger.Named(p.Name))
		}
		a.sources[p.Name] = s
		spec := Spec(p, a.catalog.Path(p.Source))
		for _, n := range cfg.Notifiers {
			if n.Plugin == p.Name {
				spec.Channels = append(spec.Channels, supervisor.Channel{Name: n.FullName(), Type: n.Type, Config: n.Config})
				spec.Secrets = slices.Concat(spec.Secrets, n.SecretTexts)
			}
		}
		wanted = append(wanted, supervisor.Plugin{Intake: s, Spec: spec})
	}
	return wanted
}

// Spec says how a plugin of the configuration is run, by the program at path.
func Spec(p config.Plugin, path string) supervisor.Spec {
	return supervisor.Spec{
		Name: p.Name, Path: path, SHA256: p.SHA256, Pinned: p.Pinned, Env: p.Env, Ticks: p.Manifest.HasRole(wire.RoleCollector),
		Interval: p.Interval, Timeout: p.Timeout, Config: p.Config, Account: p.Account, Nice: p.Nice, MemoryLimit: p.MemoryLimit,
		Secrets: p.SecretTexts,
	}
}

// enabled lists the plugins that shall run.
func (a *App) enabled() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for name := range a.sources {
		names = append(names, name)
	}
	return names
}
