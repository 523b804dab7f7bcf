package trial

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// Result is what a test has shown.
type Result struct {
	*Test
	// Failures are what was not as it has to be, with places.
	Failures []string
	// Story is what has happened, line by line.
	Story []string
	Took  time.Duration
}

// Run runs a test.
func Run(t *Test, p *policy.Policy, notifiers []config.Notifier) Result {
	started := time.Now()
	tr := New(p, notifiers, t.Alert, t.Begin)
	r := Result{Test: t}
	feed := t.feed()
	told := 0
	for _, c := range t.checks {
		for len(feed) > 0 && feed[0].after <= c.after {
			tr.Observe(feed[0].point, t.Begin.Add(feed[0].after))
			feed = feed[1:]
		}
		tr.Advance(t.Begin.Add(c.after))
		r.Failures = append(r.Failures, tr.check(&c, told)...)
		told = len(tr.told)
	}
	for _, f := range feed {
		tr.Observe(f.point, t.Begin.Add(f.after))
	}
	tr.Advance(t.Begin.Add(t.end()))
	if t.Quiet && tr.fired > 0 {
		r.Failures = append(r.Failures, fmt.Sprintf("%s:%d: there is %s, want none", t.At.Filename, t.At.Start.Line, counted(tr.fired, "incident")))
	}
	r.Story, r.Took = tr.story, time.Since(started)
	return r
}

// fed is a point with when it comes.
type fed struct {
	after time.Duration
	point *point.Point
}

// feed is the points of all inputs, in the order of their times.
func (t *Test) feed() []fed {
	var all []fed
	for i := range t.inputs {
		in := &t.inputs[i]
		for n := range max(in.count, 0) {
			if p := in.point(t, n); p != nil {
				all = append(all, fed{in.start + time.Duration(n)*in.every, p})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b fed) int { return cmp.Compare(a.after, b.after) })
	return all
}

// point is the n-th point of an input, or nil.
func (in *input) point(t *Test, n int) *point.Point {
	tags, fields := maps.Clone(in.tags), maps.Clone(in.fields)
	for _, v := range in.varied {
		switch one := v.values[n]; {
		case one.none:
			return nil
		case one.missing:
			delete(tags, v.name)
			delete(fields, v.name)
		case v.tag:
			tags[v.name] = one.value.(string)
		default:
			fields[v.name] = one.value
		}
	}
	p := &point.Point{Measurement: []byte(t.Alert.From), Update: in.update, Time: t.Begin.Add(in.start + time.Duration(n)*in.every).UnixNano()}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		p.Tags = append(p.Tags, point.Tag{Key: []byte(name), Value: []byte(tags[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p.Fields = append(p.Fields, point.FieldOf(name, fields[name]))
	}
	return p
}

// check holds what is against what has to be. told is how many notices there were at the check before.
func (t *Trial) check(c *check, before int) []string {
	var failures []string
	fail := func(line int, format string, args ...any) {
		failures = append(failures, fmt.Sprintf("%s:%d: at %s: ", c.at.Filename, line, span(c.after))+fmt.Sprintf(format, args...))
	}
	all := t.machine.Instances(t.now)
	s, err := choose(all, t.alert.Rule.By, c.instance)
	for _, w := range c.wants {
		var got any
		switch w.name {
		case "instances":
			got = float64(len(all))
		case "told":
			got = t.toldSince(before)
		case "state":
			if s == nil && w.value == "none" && (err == nil || c.instance != nil || len(all) == 0) {
				continue
			}
			fallthrough
		default:
			if err != nil {
				fail(w.at.Start.Line, "%s: %s", w.name, err)
				continue
			}
			var ok bool
			if got, ok = t.got(s, w.name); !ok {
				fail(w.at.Start.Line, "%s: there was no incident", w.name)
				continue
			}
		}
		if w.name == "state" && w.value == "ok" && got == "resolved" {
			continue
		}
		if !same(got, w.value) {
			fail(w.at.Start.Line, "%s is %s, want %s", w.name, written(got), written(w.value))
		}
	}
	return failures
}

// choose finds the instance of a check.
func choose(all []rule.Status, by []string, want map[string]string) (*rule.Status, error) {
	var found []*rule.Status
	for i := range all {
		matches := true
		for n, name := range by {
			value, asked := want[name]
			matches = matches && (!asked || all[i].Values[n] == value)
		}
		if matches {
			found = append(found, &all[i])
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("there is no such instance")
	}
	var names []string
	for _, s := range found[:min(len(found), 5)] {
		names = append(names, labels(by, s.Values))
	}
	return nil, fmt.Errorf("there are %d instances, choose one with for = { … }: %s", len(found), strings.Join(names, "; "))
}

// toldSince are the channels that were told something since.
func (t *Trial) toldSince(before int) []string {
	list := []string{}
	for _, one := range t.told[before:] {
		list = append(list, one.channel)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// got is what is asked for of an instance. What only an incident has may not be there.
func (t *Trial) got(s *rule.Status, name string) (any, bool) {
	switch name {
	case "state":
		if s.State == rule.OK && t.latest(s.Key) != nil && !t.isEvent(s.Key) {
			return "resolved", true
		}
		return s.State.String(), true
	case "bad":
		return float64(s.Bad), true
	case "of":
		return float64(s.Of), true
	case "flapping":
		return s.Flapping, true
	case "stale":
		return s.Stale, true
	case "broken":
		return s.Broken, true
	case "folded":
		return float64(s.Folded), true
	case "events":
		return float64(t.events[s.Key]), true
	case "who":
		who := []string{}
		for _, v := range s.Votes {
			if v.Says == "bad" || v.Says == "missing" {
				who = append(who, v.Name)
			}
		}
		return who, true
	}
	i := t.latest(s.Key)
	if i == nil {
		return nil, false
	}
	switch name {
	case "severity":
		return i.Severity, true
	case "summary":
		return i.Summary, true
	case "detail":
		return i.Detail, true
	case "link":
		return i.Link, true
	}
	if i.Value == nil {
		return math.NaN(), true
	}
	return *i.Value, true
}

func (t *Trial) isEvent(key string) bool { return t.events[key] > 0 }

func same(got, want any) bool {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && math.Abs(g-w) <= 1e-9*max(1, math.Abs(w))
	case []string:
		g, ok := got.([]string)
		w = slices.Sorted(slices.Values(w))
		return ok && slices.Equal(slices.Sorted(slices.Values(g)), w)
	}
	return got == want
}

func written(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		quoted := make([]string, len(v))
		for i, text := range v {
			quoted[i] = strconv.Quote(text)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(v)
}
