package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/http-quality/discovery"
	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

// list is a block file_sd or http_sd, with the targets that its list names at present.
type list struct {
	kind, name string
	template   probeConfig
	interval   time.Duration // of a target, unless the template has its own
	finder     *discovery.Finder
	logger     hclog.Logger

	mu      sync.Mutex
	targets map[string][]target // by address and labels
	order   []string            // of the keys of targets
	unfit   []error             // why others are left out
	doubles []error             // why some of targets are not probed
}

func newList(kind, name string, source discovery.Source, refresh time.Duration, most int, template *probeConfig, env sdk.Env) (*list, error) {
	if template == nil {
		defaults, err := sdk.Decode[probeConfig](nil)
		if err != nil {
			return nil, err
		}
		template = &defaults
	}
	logger := env.Logger.With(kind, name)
	kept := ""
	if env.StateDir != "" {
		sum := sha256.Sum256([]byte(kind + "\x00" + name))
		kept = filepath.Join(env.StateDir, "list-"+hex.EncodeToString(sum[:8])+".json")
	}
	return &list{kind: kind, name: name, template: *template, interval: env.Interval, logger: logger,
		finder: discovery.New(source, refresh, most, kept, logger)}, nil
}

// follow reads the list until ctx ends. It calls changed when the targets are others.
func (l *list) follow(ctx context.Context, out sdk.Emitter, changed func()) {
	var said string
	var when time.Time
	l.finder.Run(ctx, func(found []discovery.Target) {
		l.take(found)
		changed()
		l.tell()
	}, func(s discovery.Status) {
		p, text := l.point(s)
		if text != said || time.Since(when) >= time.Minute {
			said, when = text, time.Now()
			out.Emit(p)
		}
	})
}

// take makes targets of what the list names. One that was named before stays as it is, with the connections that it keeps.
func (l *list) take(found []discovery.Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.targets
	l.targets, l.order, l.unfit = make(map[string][]target, len(found)), nil, nil
	known := newShared(l.interval)
	for _, f := range found {
		key := keyOf(f)
		if _, twice := l.targets[key]; twice {
			l.unfit = append(l.unfit, fmt.Errorf("it is named twice: %s", shown(f)))
			continue
		}
		made, kept := before[key]
		if !kept {
			var err error
			if made, err = l.targetsOf(f, known); err != nil {
				l.unfit = append(l.unfit, err)
				continue
			}
		}
		l.targets[key] = made
		l.order = append(l.order, key)
	}
}

// labelName is what Prometheus takes for the name of a label.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// maxLabels bounds how many tags a list may give to a target.
const maxLabels = 30

// targetsOf makes a target of what a list says. The list is text from elsewhere: what it says wrong costs that target alone, and
// is told.
func (l *list) targetsOf(f discovery.Target, known *shared) ([]target, error) {
	c := l.template
	c.Labels = maps.Clone(l.template.Labels)
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	refuse := func(err error) ([]target, error) {
		return nil, fmt.Errorf("target %s: %w", shown(f), err)
	}
	name := ""
	for _, label := range slices.Sorted(maps.Keys(f.Labels)) {
		value := f.Labels[label]
		if err := sdk.CheckTag(value); err != nil {
			return refuse(fmt.Errorf("label %q %w", label, err))
		}
		switch {
		case strings.HasPrefix(label, "__"): // for relabeling, which ends before points are made
		case label == "target":
			name = value
		case label == "app":
			c.App = value
		case !labelName.MatchString(label):
			return refuse(fmt.Errorf("label %q: a name has letters, digits and _ alone, and begins with none of the digits", label))
		case isTaken(label):
			return refuse(fmt.Errorf("%q can not be a label, because points have something of that name already", label))
		default:
			c.Labels[label] = value
		}
	}
	if len(c.Labels) > maxLabels {
		return refuse(fmt.Errorf("it has %d labels, and may have %d", len(c.Labels), maxLabels))
	}
	made, err := c.targets(name, addressOf(f), known)
	if err != nil {
		return refuse(err)
	}
	for _, t := range made {
		if err := sdk.CheckTag(t.name); err != nil {
			return refuse(fmt.Errorf("its name %w", err))
		}
	}
	return made, nil
}

// arrange offers its targets to the schedule.
func (l *list) arrange(add func(*target) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubles = nil
	for _, key := range l.order {
		made := l.targets[key]
		for i := range made {
			t := &made[i]
			if !add(t) {
				l.doubles = append(l.doubles, fmt.Errorf("target %s: there is one with the same tags, whose points it would replace; give it another label", t.name))
			}
		}
	}
}

// tell logs what is left out.
func (l *list) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.unfit) + len(l.doubles); n > 0 {
		l.logger.Warn("the list names targets that can not be probed", "left_out", n, "first", l.firstRefusal())
	}
}

func (l *list) firstRefusal() string {
	if all := slices.Concat(l.unfit, l.doubles); len(all) > 0 {
		return oneLine(all[0])
	}
	return ""
}

// point says how the list fares; the text is all of it but its age.
func (l *list) point(s discovery.Status) (*sdk.Point, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	probed := -len(l.doubles)
	for _, t := range l.targets {
		probed += len(t)
	}
	refused, refusal := len(l.unfit)+len(l.doubles), l.firstRefusal()
	p := sdk.NewPoint(listMeasurement.Name).Tag("list", l.name).Tag("kind", l.kind).
		Bool("ok", s.Err == nil).Int("targets", int64(probed)).Int("refused", int64(refused))
	if !s.Good.IsZero() {
		p.Seconds("age", time.Since(s.Good))
	}
	trouble := ""
	if s.Err != nil {
		trouble = oneLine(s.Err)
		p.String("error", trouble)
	}
	if refusal != "" {
		p.String("refusal", refusal)
	}
	return p, fmt.Sprint(probed, refused, trouble, refusal)
}

// addressOf is the address of a target. As with Prometheus' blackbox_exporter one without a scheme is of http.
func addressOf(f discovery.Target) string {
	if strings.Contains(f.Address, "://") {
		return f.Address
	}
	return "http://" + f.Address
}

// shown is the address of a target without what must not be seen.
func shown(f discovery.Target) string {
	u, err := url.Parse(addressOf(f))
	if err != nil {
		return "(no address)"
	}
	return probe.CleanURL(u)
}

// oneLine is an error on one line.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// keyOf tells what a list names from all else that it does.
func keyOf(f discovery.Target) string {
	var b strings.Builder
	b.WriteString(f.Address)
	for _, label := range slices.Sorted(maps.Keys(f.Labels)) {
		b.WriteString("\x00" + label + "\x00" + f.Labels[label])
	}
	return b.String()
}
