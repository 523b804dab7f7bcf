package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Notifier is a notifier block: a channel through which people are told.
type Notifier struct {
	// Type is the type of the channel, and Name the block's second label.
	Type, Name string
	// Plugin is the label of the plugin block that serves it.
	Plugin string
	Limit  Limit
	// Fallback is the full name of the channel that is told what this one can not deliver, or empty.
	Fallback string
	// Config is what the channel's type asks for, as JSON, and Secrets the places in it that are not to be shown: see Plugin.
	Config  []byte
	Secrets [][]string
	// SecretTexts are the secrets themselves: see Plugin.
	SecretTexts []string
	// Pages says that it wakes people, and Syncs that it takes the whole set of alerts. MaxBytes is 0 for any.
	Pages, Syncs bool
	MaxBytes     int
	// At is where the block begins.
	At hcl.Range
}

// FullName is how the channel is referred to, and what its points have as a tag.
func (n *Notifier) FullName() string { return n.Type + "." + n.Name }

// Shown is Config without its secrets.
func (n *Notifier) Shown() []byte { return shown(n.Config, n.Secrets) }

// Limit is how many notices a channel takes: Count within Per. Zero is any number.
type Limit struct {
	Count int
	Per   time.Duration
}

const unlimited = "none"

// ParseLimit reads a limit such as 18/1m, or none.
func ParseLimit(text string) (Limit, error) {
	if text == unlimited {
		return Limit{}, nil
	}
	count, per, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if !ok || err != nil || n < 1 {
		return Limit{}, fmt.Errorf("%q is no limit such as \"18/1m\", which is 18 notices a minute, or \"none\"", text)
	}
	d, err := wire.ParseDuration(strings.TrimSpace(per))
	if err == nil && d <= 0 {
		err = errors.New("the time of a limit must be above 0")
	}
	return Limit{n, d}, err
}

// String writes the limit as ParseLimit reads it.
func (l Limit) String() string {
	if l.Count == 0 {
		return unlimited
	}
	return fmt.Sprintf("%d/%s", l.Count, l.Per)
}

// notifierSchema has the attributes that the daemon takes from every notifier block for itself.
var notifierSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "plugin", Type: wire.TypeString, Doc: "Label of the plugin block that serves the channel; by default the one whose plugin has channels of this type."},
	{Name: "limit", Type: wire.TypeString, Doc: "How many notices it takes, such as `18/1m`, or `none`; by default what the provider takes. What is above is gathered in a digest."},
	{Name: "fallback", Type: TypeNotifier, Doc: "The channel that is told what this one does not deliver in time."},
}}

// server is a plugin block that serves channels.
type server struct {
	plugin *Plugin
	types  []string
}

func (s *server) channel(typ string) *wire.ChannelType {
	for i := range s.plugin.Manifest.Channels {
		if c := &s.plugin.Manifest.Channels[i]; c.Name == typ {
			return c
		}
	}
	return nil
}

// servers are the plugin blocks with channels.
func servers(plugins []Plugin) []*server {
	var list []*server
	for i := range plugins {
		p := &plugins[i]
		if !p.Manifest.HasRole(wire.RoleNotifier) {
			continue
		}
		s := &server{plugin: p}
		for _, c := range p.Manifest.Channels {
			s.types = append(s.types, c.Name)
		}
		list = append(list, s)
	}
	return list
}

func (d *decoder) notifiers(blocks hcl.Blocks, plugins []Plugin) []Notifier {
	var list []Notifier
	available := servers(plugins)
	seen := map[string]hcl.Range{}
	fallbacks := map[string]hcl.Range{}
	for _, block := range blocks {
		name := strings.Join(block.Labels, ".")
		if first, ok := seen[name]; ok {
			d.fail(block.DefRange, "Duplicate notifier", "There is a notifier %q %q already, at %s.", block.Labels[0], block.Labels[1], position(first))
			continue
		}
		seen[name] = block.DefRange
		if !d.checkReferable(block) {
			continue
		}
		if n, at, ok := d.notifier(block, available); ok {
			list = append(list, n)
			fallbacks[name] = at
		}
	}
	d.circles(list, fallbacks)
	return list
}

// notifier reads a block. It returns the place of its fallback too.
func (d *decoder) notifier(block *hcl.Block, available []*server) (n Notifier, fallback hcl.Range, ok bool) {
	body := dynblock.Expand(block.Body, d.scope.context(block.DefRange.Filename), dynblock.OptCheckForEach(checkForEach))
	own, rest := d.partial(body, notifierSchema, block.DefRange)
	var v struct{ Plugin, Limit, Fallback string }
	own.value.into(&v)
	n = Notifier{Type: block.Labels[0], Name: block.Labels[1], Fallback: v.Fallback, At: block.DefRange}
	fallback = own.at("fallback")
	if a := own.arguments["plugin"]; a.failed || a.secret {
		if a.secret {
			d.fail(own.at("plugin"), "Sensitive value", "The name of a plugin shows, so it can not come from a sensitive value.")
		}
		return n, fallback, false
	}
	s := d.server(block, own, v.Plugin, available)
	if s == nil {
		return n, fallback, false
	}
	channel := s.channel(n.Type)
	n.Plugin, n.Pages, n.Syncs, n.MaxBytes = s.plugin.Name, channel.Pages, channel.Syncs, channel.MaxBytes
	limit, err := ParseLimit(v.Limit)
	switch {
	case own.arguments["limit"].failed:
	case v.Limit != "" && err != nil:
		d.reject(own, "limit", "Invalid limit", "%s.", capital(err.Error()))
	case v.Limit != "":
		n.Limit = limit
	case channel.Limit != "":
		if n.Limit, err = ParseLimit(channel.Limit); err != nil {
			d.unusable(block, s, "has a channel with a wrong limit: "+err.Error())
			return n, fallback, false
		}
	}
	for _, a := range channel.Config.Attributes {
		if slices.ContainsFunc(notifierSchema.Attributes, func(o wire.Attribute) bool { return o.Name == a.Name }) {
			d.unusable(block, s, fmt.Sprintf("has a channel with an argument %q, a name that the daemon keeps for itself", a.Name))
			return n, fallback, false
		}
	}
	if err := channel.Config.Check(); err != nil {
		d.unusable(block, s, "describes its channel in a way that this daemon can not use: "+err.Error())
		return n, fallback, false
	}
	b := d.decode(rest, channel.Config, block.DefRange)
	n.Config, n.Secrets, n.SecretTexts = b.value.json(), b.secretPaths(), b.secretTexts()
	return n, fallback, true
}

func (d *decoder) unusable(block *hcl.Block, s *server, why string) {
	d.fail(block.LabelRanges[0], "Plugin can not be used", "The plugin %s %s %s.", s.plugin.Manifest.Name, s.plugin.Manifest.Version, why)
}

// server finds the plugin block that serves a channel: the one that is named, or the only one that can.
func (d *decoder) server(block *hcl.Block, own *decoded, named string, available []*server) *server {
	typ := block.Labels[0]
	var can, disabled []*server
	var types, labels []string
	for _, s := range available {
		types, labels = append(types, s.types...), append(labels, s.plugin.Name)
		switch {
		case s.channel(typ) == nil:
		case !s.plugin.Enabled:
			disabled = append(disabled, s)
		default:
			can = append(can, s)
		}
	}
	slices.Sort(types)
	types = slices.Compact(types)
	if _, there := own.arguments["plugin"]; there {
		i := slices.IndexFunc(available, func(s *server) bool { return s.plugin.Name == named })
		switch {
		case i < 0 && d.incomplete:
			// What is named may be the block with the mistake.
			d.follow(own.at("plugin"))
			return nil
		case i < 0:
			detail := didYouMean(named, labels)
			if detail == "" && len(labels) > 0 {
				detail = " Those that do are: " + strings.Join(labels, ", ") + "."
			}
			d.fail(own.at("plugin"), "Unknown plugin", "No plugin block with the label %q serves channels.%s", named, detail)
			return nil
		case available[i].channel(typ) == nil:
			d.fail(block.LabelRanges[0], "Unknown channel type", "The plugin %q has no channels of type %q.%s It has: %s.", named, typ,
				didYouMean(typ, available[i].types), strings.Join(available[i].types, ", "))
			return nil
		case !available[i].plugin.Enabled:
			d.fail(own.at("plugin"), "Plugin is not enabled", "The plugin %q serves this channel, and its block says enabled = false.", named)
			return nil
		}
		return available[i]
	}
	switch {
	case len(can) == 1:
		return can[0]
	case len(can) > 1:
		var names []string
		for _, s := range can {
			names = append(names, fmt.Sprintf("plugin = %q", s.plugin.Name))
		}
		d.fail(block.DefRange, "Several plugins", "More than one plugin block has channels of type %q. Say which one is meant: %s.", typ, strings.Join(names, " or "))
	case len(disabled) > 0:
		d.fail(block.LabelRanges[0], "Plugin is not enabled", "The plugin %q serves channels of type %q, and its block says enabled = false.", disabled[0].plugin.Name, typ)
	case d.incomplete:
		d.follow(block.DefRange)
	case len(types) == 0:
		d.fail(block.LabelRanges[0], "Unknown channel type", "No plugin block serves channels. Add that of a notifier, such as plugin \"alert-notifier\" {}.")
	default:
		d.fail(block.LabelRanges[0], "Unknown channel type", "No plugin has channels of type %q.%s There is: %s.", typ, didYouMean(typ, types), strings.Join(types, ", "))
	}
	return nil
}

// circles finds the fallbacks that lead back to where they began: there would be nobody to tell at last.
func (d *decoder) circles(list []Notifier, places map[string]hcl.Range) {
	next := map[string]string{}
	for i := range list {
		next[list[i].FullName()] = list[i].Fallback
	}
	done := map[string]bool{}
	for i := range list {
		var path []string
		for name := list[i].FullName(); name != "" && !done[name]; name = next[name] {
			done[name] = true
			path = append(path, name)
			if start := slices.Index(path, next[name]); start >= 0 {
				circle := append(slices.Clone(path[start:]), next[name])
				d.fail(places[name], "Fallbacks in a circle", "notifier.%s: what none of them delivers would reach nobody.", strings.Join(circle, " falls back to notifier."))
			}
		}
	}
}
