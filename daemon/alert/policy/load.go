package policy

import (
	"cmp"
	_ "embed"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// builtin are the alerts on the daemon itself that everybody has.
//
//go:embed builtin.hcl
var builtin []byte

const builtinName = "builtin.hcl"

// Load makes the policy of a configuration: it is the config.Reader's part of reading one. own are the measurements of the daemon
// itself. If anything is wrong, the bodies say it, and the policy is not to be used.
func Load(cfg *config.Config, bodies *config.Bodies, own []wire.Measurement) *Policy {
	l := &loader{
		Bodies: bodies, measurements: gather(cfg, own, bodies.Mistakes() > 0),
		policy: &Policy{Receivers: map[string]*Receiver{}}, hours: map[string]*Hours{},
	}
	l.roots = bodies.Of("route", routeSchema(maxRouteDepth))
	l.settings()
	l.alerts()
	l.schedules()
	l.receivers()
	l.routes()
	l.maintenance()
	l.inhibitions()
	l.heartbeats()
	return l.policy
}

// loader gathers a policy.
type loader struct {
	*config.Bodies
	measurements *measurements
	policy       *Policy
	hours        map[string]*Hours
	// labels are the names of the labels that incidents may have. If some alert has a mistake, any name may be one.
	labels []string
	// names are those of all alerts, disabled ones too.
	names []string
	// roots are the outermost route, if there is one.
	roots []*config.Body
}

// anyLabel reports whether any name may be that of a label, because of a mistake elsewhere.
func (l *loader) anyLabel() bool { return slices.Contains(l.labels, expression.AnyTag) }

func (l *loader) settings() {
	s := Settings{Zone: time.Local, Language: "en", Hold: 15 * time.Second, Attempt: 30 * time.Second, FallbackAfter: 5 * time.Minute, Expire: 24 * time.Hour}
	for _, b := range l.Of("alerting", alertingSchema) {
		var v struct {
			Timezone      string         `json:"timezone"`
			Language      string         `json:"language"`
			Hold          config.Seconds `json:"hold"`
			Attempt       config.Seconds `json:"attempt"`
			FallbackAfter config.Seconds `json:"fallback_after"`
			Expire        config.Seconds `json:"expire"`
		}
		b.Into(&v)
		if b.Has("timezone") {
			s.Zone = l.zone(b, v.Timezone)
		}
		s.Language, s.Hold, s.Attempt, s.FallbackAfter, s.Expire = v.Language, v.Hold.Duration(), v.Attempt.Duration(), v.FallbackAfter.Duration(), v.Expire.Duration()
		if b.Sound && s.Expire <= s.FallbackAfter {
			l.Fail(b.At("expire"), "Invalid value", "expire is %s, and fallback_after %s: a notice would be given up before its fallback is asked.", s.Expire, s.FallbackAfter)
		}
	}
	l.policy.Settings = s
}

func (l *loader) schedules() {
	for _, b := range l.Of("hours", windowsSchema(nil)) {
		l.hours[b.Labels[0]] = &Hours{b.Labels[0], l.windows(b)}
	}
}

func (l *loader) receivers() {
	for _, b := range l.Of("receiver", receiverSchema) {
		r := &Receiver{Name: b.Labels[0]}
		l.policy.Receivers[r.Name] = r
		for i, s := range b.Blocks("step") {
			var v struct {
				After config.Seconds `json:"after"`
				To    []string       `json:"to"`
			}
			s.Into(&v)
			step := Step{v.After.Duration(), distinct(v.To)}
			switch {
			case !b.Sound:
			case i == 0 && step.After != 0:
				l.Fail(s.At("after"), "Invalid step", "The first step is taken at once, so its after is 0. To wait for other incidents, say wait in the route.")
			case i > 0 && !s.Has("after"):
				l.Fail(s.At("after"), "Missing required argument", "The argument \"after\" is required in all steps but the first: how long the incident has fired, such as \"15m\".")
			case i > 0 && step.After <= r.Steps[i-1].After:
				l.Fail(s.At("after"), "Steps out of order", "This step is taken after %s, and the one before it after %s: each comes later than the one before.", step.After, r.Steps[i-1].After)
			}
			r.Steps = append(r.Steps, step)
		}
	}
}

func (l *loader) maintenance() {
	schema := windowsSchema([]wire.Attribute{{Name: "match", Type: config.TypeCondition, Required: true}})
	for _, b := range l.Of("maintenance", schema) {
		l.policy.Maintenance = append(l.policy.Maintenance, &Maintenance{b.Labels[0], l.match(b, "match"), l.windows(b)})
	}
}

func (l *loader) inhibitions() {
	for _, b := range l.Of("inhibit", inhibitSchema) {
		var v struct{ Equal []string }
		b.Into(&v)
		l.checkLabels(b, "equal", v.Equal)
		l.policy.Inhibitions = append(l.policy.Inhibitions, &Inhibition{b.Labels[0], l.match(b, "source"), l.match(b, "target"), v.Equal})
	}
}

func (l *loader) heartbeats() {
	for _, b := range l.Of("heartbeat", heartbeatSchema) {
		l.checkName(b, "heartbeat")
		var v struct {
			URL   string         `json:"url"`
			Every config.Seconds `json:"every"`
			Via   []string       `json:"via"`
		}
		b.Into(&v)
		if u, err := url.Parse(v.URL); b.Sound && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			l.Fail(b.At("url"), "Invalid URL", "url must be an http or https address; what it is is not shown, because it is a secret.")
		}
		l.policy.Heartbeats = append(l.policy.Heartbeats, &Heartbeat{b.Labels[0], v.URL, v.Every.Duration(), distinct(v.Via)})
	}
}

// alerts reads those of the configuration, and those that are built in unless the configuration has one of the same name.
func (l *loader) alerts() {
	configured := l.Of("alert", alertSchema)
	for _, b := range configured {
		l.names = append(l.names, b.Labels[0])
	}
	add := func(b *config.Body) *Alert {
		a := l.alert(b)
		if a != nil {
			l.policy.Alerts = append(l.policy.Alerts, a)
		}
		return a
	}
	for _, b := range configured {
		if a := add(b); a != nil && a.Notify == nil && len(l.roots) == 0 {
			l.Warn(b.Header(), "Nobody is told", "There is no route, and the alert has no notify: its incidents are only kept and shown. If that is meant, say notify = [].")
		}
	}
	for _, b := range l.Text(builtinName, builtin).Of("alert", alertSchema) {
		if !slices.Contains(l.names, b.Labels[0]) {
			l.names = append(l.names, b.Labels[0])
			add(b)
		}
	}
	slices.SortFunc(l.policy.Alerts, func(a, b *Alert) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(l.labels)
	l.labels = slices.Compact(l.labels)
	l.policy.Labels = l.labels
}

// distinct is a list without what is there twice, in its order.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func listed(names []string) string { return strings.Join(names, ", ") }
