package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/window"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// Spec is a rule as it is configured. What is zero has its default.
type Spec struct {
	Name string
	// At is where the rule's block begins.
	At hcl.Range
	// Context has the constants that conditions may refer to.
	Context *hcl.EvalContext

	// Query is what the points are asked for with, where they are rows.
	Query string
	// Where chooses the points that are samples; without it all are.
	Where hcl.Expression
	// By are the tags whose values make an instance.
	By []Name
	// When is the condition; or there are Levels with a condition each. A rule on silence has neither.
	When     hcl.Expression
	Severity Name
	Levels   []LevelSpec

	Fire    Fire
	Recover Recover

	// Over is the span of the window for aggregates, and Every how often it is judged; 0 is at each sample.
	Over, Every time.Duration
	// Interval is how often an instance usually has a sample, if that is known beforehand.
	Interval time.Duration

	// Absent makes it a rule on silence: it fires when an instance was not heard of for so long. Expect are the values of the
	// only tag in By of which the instances are known beforehand.
	Absent time.Duration
	Expect []string
	// Forget is after how much silence an instance is dropped; 0 is DefaultForget.
	Forget time.Duration

	Quorum *QuorumSpec

	// Event makes each hit an event that never resolves. Those of an instance within Fold are counted and told together.
	Event bool
	Fold  time.Duration

	Flap Flap
	// Updates says that the rule sees the points that complete earlier ones, and none but them.
	Updates bool
	// Limit is how many instances there may be; 0 is DefaultLimit.
	Limit int
}

// Name is a name and where it stands.
type Name struct {
	Text string
	At   hcl.Range
}

// LevelSpec is a level of a rule.
type LevelSpec struct {
	Severity Name
	When     hcl.Expression
}

// Fire is when a rule fires: if Bad of the last Of samples are bad, and that was so for For.
type Fire struct {
	Bad, Of int
	For     time.Duration
}

// Recover is when a rule that fired resolves: after Good samples in a row, over a time of at least For, for which no level is
// bad and When is true.
type Recover struct {
	When hcl.Expression
	Good int
	For  time.Duration
}

// QuorumSpec makes an instance fire only if enough of the values of a tag agree that it is bad.
type QuorumSpec struct {
	Tag  Name
	Need int
	// Of are the voters that are known beforehand.
	Of []string
	// Fresh is for how long after a sample a voter has a vote.
	Fresh time.Duration
	// MissingIsBad counts a voter in Of that was not heard of as a bad one.
	MissingIsBad bool
}

// Flap is when an instance flaps: after Changes within Within, until there is none for Calm. Without Changes none flaps.
type Flap struct {
	Changes      int
	Within, Calm time.Duration
}

// The defaults, and the bounds that keep the state of an instance small.
const (
	DefaultLimit  = 10_000
	DefaultForget = 7 * 24 * time.Hour

	maxOf     = 64 // a ring is a word
	maxLevels = 8
	maxFlap   = 64
)

// Severities are the severities, the least first.
var Severities = []string{"info", "warning", "critical"}

// Rule is a compiled rule. It is not changed once it is made.
type Rule struct {
	Name string
	// By are the tags whose values make an instance.
	By []string

	by         []expression.Tag
	where      *expression.Condition
	levels     []level
	fire       Fire
	recover    Recover
	recovered  *expression.Condition
	aggregates *expression.Aggregates
	shape      window.Shape
	quorum     *quorum
	spec       Spec

	identity, fingerprint uint64
	measurement           string
}

type level struct {
	severity string
	when     *expression.Condition
}

// Severity is that of a level; the one of a rule without levels is 0.
func (r *Rule) Severity(level int) string { return r.levels[level].severity }

// Compile compiles a rule on the points of a layout, or says what is wrong with it.
func Compile(layout *expression.Layout, spec Spec) (*Rule, hcl.Diagnostics) {
	c := &compiler{layout: layout, spec: spec, rule: &Rule{Name: spec.Name, spec: spec, measurement: layout.Measurement()}}
	c.kind()
	c.defaults()
	c.conditions()
	c.tags()
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	c.rule.identity, c.rule.fingerprint = c.rule.sum(c.rule.who()), c.rule.sum(c.rule.what())
	return c.rule, c.diags
}

type compiler struct {
	layout *expression.Layout
	spec   Spec
	rule   *Rule
	diags  hcl.Diagnostics
}

func (c *compiler) fail(at hcl.Range, summary, detail string, args ...any) {
	c.diags = c.diags.Append(&hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf("In alert %q: ", c.spec.Name) + fmt.Sprintf(detail, args...), Subject: &at,
	})
}

// kind holds what may not stand together.
func (c *compiler) kind() {
	s := &c.spec
	conditions := s.When != nil || len(s.Levels) > 0
	windowed := s.Over > 0 || s.Every > 0
	for _, one := range []struct {
		wrong  bool
		detail string
	}{
		{s.When != nil && len(s.Levels) > 0, "when and level blocks exclude each other: each level has a when of its own."},
		{s.Severity.Text != "" && len(s.Levels) > 0, "severity and level blocks exclude each other: a level's label is its severity."},
		{!conditions && s.Absent == 0, "a condition is required: when, level blocks, or absent."},
		{conditions && s.Absent > 0, "absent and a condition exclude each other: silence is an alert of its own."},
		{s.Absent > 0 && (s.Quorum != nil || windowed || s.Event || s.Recover != Recover{} || s.Fire != Fire{}), "a rule on silence has neither fire, recover, quorum, over nor kind: it fires after absent, and resolves with the next point."},
		{len(s.Expect) > 0 && (s.Absent == 0 || len(s.By) != 1), "expect names the values of the only tag in by, for a rule with absent."},
		{s.Every > 0 && s.Over == 0, "every is how often a window is judged: it needs over."},
		{s.Every > s.Over, "every is longer than over: samples between two windows would be judged by none."},
		{s.Event && (s.Quorum != nil || windowed || s.Recover != Recover{} || s.Fire != Fire{} || s.Flap != Flap{}), "an event is told for itself: it has neither fire, recover, quorum, over nor flap."},
		{s.Fold != 0 && !s.Event, "fold is for events: it needs kind = \"event\"."},
		{s.Over > 0 && s.Quorum != nil, "over and quorum exclude each other."},
		{min(s.Over, s.Every, s.Absent, s.Forget, s.Fold, s.Interval, s.Fire.For, s.Recover.For, s.Flap.Within, s.Flap.Calm) < 0, "a duration is negative."},
		{len(s.Levels) > maxLevels, fmt.Sprintf("there are more than %d levels.", maxLevels)},
		{s.Flap.Changes != 0 && (s.Flap.Changes < 2 || s.Flap.Changes > maxFlap || s.Flap.Within == 0 || s.Flap.Calm == 0), fmt.Sprintf("flap needs between 2 and %d changes, within and calm.", maxFlap)},
		{s.Forget > 0 && s.Forget <= s.Absent, "forget is not longer than absent: who is silent would be forgotten before anybody is told."},
		{s.Limit < 0, "the limit of instances is negative."},
	} {
		if one.wrong {
			c.fail(s.At, "Invalid alert", "%s", one.detail)
		}
	}
}

func (c *compiler) defaults() {
	r := c.rule
	s := &r.spec
	r.fire, r.recover = s.Fire, s.Recover
	if r.fire.Bad == 0 && r.fire.Of > 1 {
		c.fail(s.At, "Invalid alert", "fire says of how many samples, but not how many of them have to be bad: bad = %d", r.fire.Of)
	}
	if r.fire.Bad == 0 {
		r.fire.Bad = 1
	}
	if r.fire.Of == 0 {
		r.fire.Of = r.fire.Bad
	}
	if r.fire.Bad < 1 || r.fire.Of < r.fire.Bad || r.fire.Of > maxOf {
		c.fail(s.At, "Invalid alert", "fire needs bad ≥ 1, of ≥ bad and of ≤ %d; it has bad = %d and of = %d.", maxOf, r.fire.Bad, r.fire.Of)
	}
	if r.recover.Good == 0 {
		r.recover.Good = 1
	}
	if r.recover.Good < 0 {
		c.fail(s.At, "Invalid alert", "good in recover is negative.")
	}
	if s.Limit == 0 {
		s.Limit = DefaultLimit
	}
	if s.Forget == 0 {
		s.Forget = max(DefaultForget, 2*s.Absent)
	}
}

func (c *compiler) conditions() {
	r, s := c.rule, &c.spec
	if s.Where != nil {
		r.where = c.condition(s.Where, nil)
	}
	if s.Over > 0 {
		r.aggregates = new(expression.Aggregates)
	}
	if s.When != nil || s.Absent > 0 {
		severity := s.Severity
		if severity.Text == "" {
			severity.Text = "warning"
		}
		c.severity(severity)
		one := level{severity: severity.Text}
		if s.When != nil {
			one.when = c.condition(s.When, r.aggregates)
		}
		r.levels = []level{one}
	}
	for _, l := range s.Levels {
		c.severity(l.Severity)
		if slices.ContainsFunc(r.levels, func(o level) bool { return o.severity == l.Severity.Text }) {
			c.fail(l.Severity.At, "Duplicate level", "there is a level %q already.", l.Severity.Text)
		}
		r.levels = append(r.levels, level{l.Severity.Text, c.condition(l.When, r.aggregates)})
	}
	slices.SortStableFunc(r.levels, func(a, b level) int {
		return slices.Index(Severities, a.severity) - slices.Index(Severities, b.severity)
	})
	if s.Recover.When != nil {
		r.recovered = c.condition(s.Recover.When, r.aggregates)
	}
	if s.Over > 0 {
		r.shape = r.aggregates.Shape()
		r.shape.Over = s.Over
		if len(r.shape.Aggregates) == 0 && !c.diags.HasErrors() {
			c.fail(s.At, "Invalid alert", "over makes a window, but no condition aggregates anything over it, as in avg(total_time) > 2.")
		}
	}
}

func (c *compiler) condition(expr hcl.Expression, aggregates *expression.Aggregates) *expression.Condition {
	if expr == nil {
		c.fail(c.spec.At, "Invalid alert", "a level has no when.")
		return nil
	}
	compiled, diags := c.layout.Compile(expr, c.spec.Context, aggregates)
	c.diags = c.diags.Extend(diags)
	return compiled
}

func (c *compiler) severity(s Name) {
	if !slices.Contains(Severities, s.Text) {
		c.fail(s.At, "Unknown severity", "%q is no severity; there is %s.%s", s.Text, strings.Join(Severities, ", "), config.DidYouMean(s.Text, Severities))
	}
}

func (c *compiler) tags() {
	r := c.rule
	for i, name := range c.spec.By {
		if slices.Contains(r.By, name.Text) {
			c.fail(name.At, "Duplicate tag", "%q is in by twice.", name.Text)
		}
		tag, diags := c.layout.Tag(name.Text, c.spec.By[i].At)
		c.diags = c.diags.Extend(diags)
		r.by, r.By = append(r.by, tag), append(r.By, name.Text)
	}
	if q := c.spec.Quorum; q != nil {
		r.quorum = c.quorum(q)
	}
}

// Levels is how many levels a rule has; one without levels has a single one.
func (r *Rule) Levels() int { return len(r.levels) }

// Updates reports whether the rule judges points that complete earlier ones, and none but them.
func (r *Rule) Updates() bool { return r.spec.Updates }

// OnSilence reports whether it is a rule on silence.
func (r *Rule) OnSilence() bool { return r.spec.Absent > 0 }
