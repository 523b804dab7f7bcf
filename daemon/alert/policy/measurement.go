package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// measurements are those that alerts may judge, by name, with the layouts of those that some alert does.
type measurements struct {
	known map[string]*measurement
	// others is what is known of points that no plugin could name beforehand; nil if no plugin has such.
	others  *measurement
	layouts map[string]*expression.Layout
}

// measurement is a measurement with all tags that its points may have.
type measurement struct {
	wire.Measurement
	tags []string
	// running says that somebody emits it who is not disabled.
	running bool
}

// gather finds out what points there are: those of the plugins, disabled ones too, and those of the daemon's own. Every point may have
// the tags of the vantage block; those of a plugin also what the plugin's block gives them.
func gather(cfg *config.Config, own []wire.Measurement, uncertain bool) *measurements {
	all := &measurements{known: map[string]*measurement{}, layouts: map[string]*expression.Layout{}}
	var vantage []string
	for _, t := range cfg.Tags {
		vantage = append(vantage, t.Key)
	}
	if uncertain {
		// A tag may be missing because of a mistake, which is reported.
		vantage = append(vantage, expression.AnyTag)
	}
	for _, m := range own {
		all.add(m, vantage, true)
	}
	for i := range cfg.Plugins {
		p := &cfg.Plugins[i]
		tags := slices.Concat(vantage, p.PointTags)
		if p.AnyTag {
			tags = append(tags, expression.AnyTag)
		}
		for _, m := range p.Manifest.Measurements {
			all.add(m, tags, p.Enabled)
		}
	}
	return all
}

// add adds what one source of points says of them. What several say holds together.
func (all *measurements) add(m wire.Measurement, tags []string, running bool) {
	known := all.known[m.Name]
	if m.Name == wire.AnyMeasurement {
		known = all.others
	}
	if known == nil {
		known = &measurement{Measurement: wire.Measurement{Name: m.Name}}
	}
	known.Open, known.running = known.Open || m.Open, known.running || running
	known.tags = slices.Concat(known.tags, tags)
	for _, t := range m.Tags {
		known.tags = append(known.tags, t.Name)
	}
	for _, f := range m.Fields {
		if !slices.ContainsFunc(known.Fields, func(o wire.FieldSchema) bool { return o.Name == f.Name }) {
			known.Fields = append(known.Fields, f)
		}
	}
	if m.Name == wire.AnyMeasurement {
		all.others = known
		return
	}
	all.known[m.Name] = known
}

// find is a measurement by its name, or nil.
func (all *measurements) find(name string) *measurement {
	if m := all.known[name]; m != nil || all.others == nil {
		return m
	}
	m := *all.others
	m.Name = name
	return &m
}

// names are those of all that are known, sorted.
func (all *measurements) names() []string { return slices.Sorted(maps.Keys(all.known)) }

// layout is that of a measurement, which all alerts on it share.
func (all *measurements) layout(m *measurement) *expression.Layout {
	if all.layouts[m.Name] == nil {
		all.layouts[m.Name] = expression.NewLayout(m.Measurement, m.tags...)
	}
	return all.layouts[m.Name]
}

// isOpen reports whether its points may have what nobody could name.
func (m *measurement) isOpen() bool { return m.Open || slices.Contains(m.tags, expression.AnyTag) }

// names are those that a template may use: what is declared, and, if anything may be there, whatever the template asks for.
func (m *measurement) names(template *config.Expression) []string {
	var names []string
	for _, f := range m.Fields {
		names = append(names, f.Name)
	}
	for _, t := range m.tags {
		if t != expression.AnyTag {
			names = append(names, t)
		}
	}
	if m.isOpen() {
		for _, t := range template.Variables() {
			if !isConfigured(template.Context, t) {
				names = append(names, t.RootName())
			}
		}
	}
	slices.SortFunc(names, strings.Compare)
	return slices.Compact(names)
}

// isConfigured reports whether a traversal leads to what the configuration has, such as local.pattern.
func isConfigured(ctx *hcl.EvalContext, t hcl.Traversal) bool {
	for ; ctx != nil && len(t) > 1; ctx = ctx.Parent() {
		if _, ok := ctx.Variables[t.RootName()]; ok {
			return true
		}
	}
	return false
}
