package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/daemon/alert/label"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// routeBody is what routeSchema makes of a block. What is nil is inherited.
type routeBody struct {
	To        string          `json:"to"`
	GroupBy   []string        `json:"group_by"`
	Wait      *config.Seconds `json:"wait"`
	Interval  *config.Seconds `json:"interval"`
	Repeat    *string         `json:"repeat"`
	RepeatMax int             `json:"repeat_max"`
	Urgent    *bool           `json:"urgent"`
	Continue  bool            `json:"continue"`
	Active    []string        `json:"active"`
}

func (l *loader) routes() {
	defaults := &Route{GroupBy: []string{"alert"}, Wait: 10 * time.Second, Interval: time.Minute, Repeat: Repeat{Every: []time.Duration{4 * time.Hour}}}
	for _, b := range l.roots {
		if b.Has("match") {
			l.Fail(b.At("match"), "Outermost route with a condition", "The outermost route takes every incident. What it is to be asked belongs into a route within it.")
		}
		if b.Sound && !b.Has("to") {
			l.Fail(b.At("to"), "Missing required argument", "The argument \"to\" is required in the outermost route: who is told where no route within it says otherwise.")
		}
		l.policy.Route = l.route(b, defaults, "route")
	}
}

func (l *loader) route(b *config.Body, around *Route, place string) *Route {
	var v routeBody
	b.Into(&v)
	r := &Route{
		Place: place, To: around.To, GroupBy: around.GroupBy, Wait: around.Wait, Interval: around.Interval, Urgent: around.Urgent, Repeat: around.Repeat,
		Match: l.match(b, "match"), Continue: v.Continue,
	}
	if v.To != "" {
		r.To = l.policy.Receivers[v.To]
	}
	if v.GroupBy != nil {
		l.checkLabels(b, "group_by", v.GroupBy)
		r.GroupBy = distinct(v.GroupBy)
	}
	if v.Wait != nil {
		r.Wait = v.Wait.Duration()
	}
	if v.Interval != nil {
		r.Interval = v.Interval.Duration()
	}
	if v.Urgent != nil {
		r.Urgent = *v.Urgent
	}
	if repeat := l.repeat(b, v.Repeat, v.RepeatMax); repeat != nil {
		r.Repeat = *repeat
	}
	if len(v.Active) > 0 {
		r.Active = &Hours{Name: strings.Join(v.Active, ", ")}
		for _, name := range v.Active {
			r.Active.Windows = append(r.Active.Windows, l.hours[name].Windows...)
		}
	}
	var all *Route
	for i, inner := range b.Blocks("route") {
		if all != nil {
			l.Warn(inner.Header(), "Route is never taken", "The route before it, %s, has no match and no continue = true: it takes every incident that comes so far.", all.Place)
		}
		within := l.route(inner, r, place+"/"+strconv.Itoa(i))
		r.Routes = append(r.Routes, within)
		if !inner.Has("match") && !within.Continue {
			all = within
		}
	}
	return r
}

// match compiles a condition on labels. It is nil where there is none.
func (l *loader) match(b *config.Body, name string) *label.Match {
	e := b.Expression(name)
	if e == nil {
		return nil
	}
	m, diags := label.Compile(e, e.Context, l.labels)
	l.Report(diags)
	l.checkValues(e)
	return m
}

// checkValues finds comparisons with an alert or a severity that there is not.
func (l *loader) checkValues(e *config.Expression) {
	node, ok := e.Expression.(hclsyntax.Node)
	if !ok {
		return
	}
	// No visit fails, so there are no diagnostics.
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		op, ok := n.(*hclsyntax.BinaryOpExpr)
		if !ok || op.Op != hclsyntax.OpEqual && op.Op != hclsyntax.OpNotEqual {
			return nil
		}
		for _, sides := range [][2]hclsyntax.Expression{{op.LHS, op.RHS}, {op.RHS, op.LHS}} {
			name, ok := sides[0].(*hclsyntax.ScopeTraversalExpr)
			if !ok || len(name.Traversal) != 1 || len(sides[1].Variables()) > 0 {
				continue
			}
			v, diags := sides[1].Value(e.Context)
			if diags.HasErrors() || v.IsMarked() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
				continue
			}
			text := v.AsString()
			switch name.Traversal.RootName() {
			case "severity":
				if !slices.Contains(rule.Severities, text) {
					l.Fail(sides[1].Range(), "Unknown severity", "%q is no severity; there is %s.%s", text, listed(rule.Severities), config.DidYouMean(text, rule.Severities))
				}
			case "alert":
				if !slices.Contains(l.names, text) {
					l.Warn(sides[1].Range(), "Unknown alert", "There is no alert %q.%s", text, config.DidYouMean(text, l.names))
				}
			}
		}
		return nil
	})
}

// checkLabels holds that a list names labels.
func (l *loader) checkLabels(b *config.Body, argument string, names []string) {
	known := append(slices.Clone(label.Own), l.labels...)
	for i, name := range names {
		if !l.anyLabel() && !slices.Contains(known, name) {
			hint := config.DidYouMean(name, known)
			if hint == "" {
				hint = " There is: " + listed(known) + "."
			}
			l.Fail(b.Element(argument, index(i)), "Unknown label", "No alert has a label %q.%s", name, hint)
		}
	}
}

func index(i int) string { return strconv.Itoa(i) }
