package policy

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/label"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// alertBody is what alertSchema makes of a block.
type alertBody struct {
	Enabled   bool              `json:"enabled"`
	From      *string           `json:"from"`
	Kind      string            `json:"kind"`
	By        []string          `json:"by"`
	Severity  string            `json:"severity"`
	Labels    map[string]string `json:"labels"`
	Notify    []string          `json:"notify"`
	Repeat    *string           `json:"repeat"`
	RepeatMax int               `json:"repeat_max"`
	Updates   bool              `json:"updates"`
	OnError   *string           `json:"on_error"`
	Over      config.Seconds    `json:"over"`
	Every     config.Seconds    `json:"every"`
	Interval  config.Seconds    `json:"interval"`
	Absent    config.Seconds    `json:"absent"`
	Expect    []string          `json:"expect"`
	Forget    config.Seconds    `json:"forget"`
	Fold      config.Seconds    `json:"fold"`
	Limit     int               `json:"limit"`
	Fire      struct {
		Bad int            `json:"bad"`
		Of  int            `json:"of"`
		For config.Seconds `json:"for"`
	} `json:"fire"`
	Recover struct {
		Good int            `json:"good"`
		For  config.Seconds `json:"for"`
	} `json:"recover"`
	Flap struct {
		Changes int            `json:"changes"`
		Within  config.Seconds `json:"within"`
		Calm    config.Seconds `json:"calm"`
	} `json:"flap"`
	Level []struct {
		Severity string `json:"severity"`
	} `json:"level"`
	Quorum []struct {
		Tag     string         `json:"tag"`
		Need    int            `json:"need"`
		Of      []string       `json:"of"`
		Fresh   config.Seconds `json:"fresh"`
		Missing string         `json:"missing"`
	} `json:"quorum"`
	Query *struct {
		Text  string         `json:"influxql"`
		Every config.Seconds `json:"every"`
	} `json:"query"`
}

// queryPrefix begins the name of the measurement that the rows of an alert's query are.
const queryPrefix = "query:"

var (
	alertName  = regexp.MustCompile(`^[\pL_][\pL\pN_.-]*$`)
	selectText = regexp.MustCompile(`(?i)^\s*select\s`)
	intoText   = regexp.MustCompile(`(?i)\sinto\s`)
	quotedText = regexp.MustCompile(`'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|/(\\.|[^/\\])+/`)
)

// alert reads an alert. It is nil if it is disabled or wrong.
func (l *loader) alert(b *config.Body) *Alert {
	var v alertBody
	b.Into(&v)
	name, before := b.Labels[0], l.Mistakes()
	if !b.Sound {
		// A label may be missing because of the mistake.
		l.labels = append(l.labels, expression.AnyTag)
	}
	l.checkName(b, "alert")
	l.checkOwnLabels(b, v.By, v.Labels)
	if !v.Enabled || !b.Sound {
		return nil
	}
	a := &Alert{Name: name, Labels: v.Labels, Repeat: l.repeat(b, v.Repeat, v.RepeatMax)}
	if v.Notify != nil {
		a.Notify = append([]string{}, distinct(v.Notify)...)
	}
	m := l.points(b, a, &v)
	if m == nil {
		return nil
	}
	described := spec(b, &v)
	if a.Query != nil {
		described.Query = a.Query.Text
	}
	compiled, diags := rule.Compile(a.Layout, described)
	l.Report(diags)
	l.texts(b, a, m)
	if l.Mistakes() > before {
		return nil
	}
	a.Rule = compiled
	return a
}

// HeartbeatPrefix begins the names of the alerts that heartbeats are made of, which alone judge the points of the measurement
// HeartbeatPoints.
const (
	HeartbeatPrefix = "heartbeat."
	HeartbeatPoints = "vedette_heartbeat"
)

// eventPoints are what alerts decide.
const eventPoints = "alert_event"

// checkName holds that a block's label can stand in tags, in conditions and on command lines.
func (l *loader) checkName(b *config.Body, what string) {
	switch name := b.Labels[0]; {
	case !alertName.MatchString(name):
		l.Fail(b.LabelRanges[0], "Invalid "+what+" name", "%q can not be the name of %s %s: use letters, digits, dots, dashes and underscores, a letter first.", name, article(what), what)
	case strings.HasPrefix(name, HeartbeatPrefix):
		l.Fail(b.LabelRanges[0], "Invalid "+what+" name", "Names that begin with %q are those of heartbeats.", HeartbeatPrefix)
	}
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}

// checkOwnLabels notes the labels that the incidents of an alert have.
func (l *loader) checkOwnLabels(b *config.Body, by []string, labels map[string]string) {
	for _, tag := range by {
		if !slices.Contains(label.Own, tag) {
			l.labels = append(l.labels, tag)
		}
	}
	for _, name := range sortedKeys(labels) {
		at := b.Element("labels", name)
		switch {
		case slices.Contains(label.Own, name):
			l.Fail(at, "Invalid label", "Every incident has a label %q already.", name)
		case slices.Contains(by, name):
			l.Fail(at, "Invalid label", "%q is a tag in by, and so a label already.", name)
		case !hclsyntax.ValidIdentifier(name):
			l.Fail(at, "Invalid label", "%q can not be the name of a label, which stands in conditions: use letters, digits, dashes and underscores, a letter first.", name)
		default:
			if err := wire.CheckTag(labels[name]); err != nil {
				l.Fail(at, "Invalid label", "The value of the label %q %s.", name, err)
			}
			l.labels = append(l.labels, name)
		}
	}
}

// points finds what the alert judges: the points of a measurement, or the rows of a query. It is nil if that can not be told.
func (l *loader) points(b *config.Body, a *Alert, v *alertBody) *measurement {
	switch {
	case v.From != nil && v.Query != nil:
		l.Fail(b.At("from"), "Two kinds of points", "from judges the points of a measurement, and the block query rows of InfluxDB. Remove one of them.")
		return nil
	case v.From == nil && v.Query == nil:
		l.Fail(b.Header(), "No points", "Say which points it judges: from = \"http_quality\", or a block query.")
		return nil
	case v.Query != nil:
		a.From = queryPrefix + a.Name
		a.Query = &Query{Text: v.Query.Text, Every: v.Query.Every.Duration(), Alert: v.OnError != nil && *v.OnError == onErrorAlert}
		switch bare := quotedText.ReplaceAllString(v.Query.Text, ""); {
		case !selectText.MatchString(bare):
			l.Fail(b.Block("query").At("influxql"), "Invalid query", "A query reads: it begins with SELECT.")
		case strings.Contains(strings.TrimRight(bare, "; \t\n"), ";"):
			l.Fail(b.Block("query").At("influxql"), "Invalid query", "A query is one statement; there is another one behind a semicolon.")
		case intoText.MatchString(bare):
			l.Fail(b.Block("query").At("influxql"), "Invalid query", "A query reads: SELECT … INTO would write.")
		}
		m := &measurement{Measurement: wire.Measurement{Name: a.From, Open: true}}
		a.Layout = expression.NewLayout(m.Measurement)
		return m
	}
	if v.OnError != nil {
		l.Fail(b.At("on_error"), "Nothing is asked", "on_error is about a query that fails, and the alert has no block query.")
	}
	a.From = *v.From
	m := l.measurements.find(a.From)
	switch {
	case a.From == HeartbeatPoints:
		l.Fail(b.At("from"), "Points of heartbeats", "These points are judged by the alerts that heartbeat blocks are made of, and by no others.")
		return nil
	case a.From == eventPoints:
		l.Fail(b.At("from"), "Points of alerts", "What an alert decides are points of %s, also what one on them would decide: it would follow from itself. alert_active has how many fire.", eventPoints)
		return nil
	case m == nil && l.Incomplete():
		// What it judges may be of the plugin that has the mistake.
		return nil
	case m == nil:
		names := l.measurements.names()
		detail := config.DidYouMean(a.From, names)
		if detail == "" {
			detail = " There is: " + listed(names) + "."
		}
		l.Fail(b.At("from"), "Unknown measurement", "No plugin of this configuration emits points %q.%s", a.From, detail)
		return nil
	case !m.running:
		l.Warn(b.At("from"), "Nothing to judge", "The plugins that emit %s say enabled = false: there will be no points.", a.From)
	}
	a.Layout = l.measurements.layout(m)
	return m
}

// spec is the rule of an alert as it is configured.
func spec(b *config.Body, v *alertBody) rule.Spec {
	s := rule.Spec{
		Name: b.Labels[0], At: b.Header(),
		Where: kept(b, "where"), When: kept(b, "when"),
		Severity: rule.Name{Text: v.Severity, At: b.At("severity")},
		Over:     v.Over.Duration(), Every: v.Every.Duration(), Interval: v.Interval.Duration(),
		Absent: v.Absent.Duration(), Expect: v.Expect, Forget: v.Forget.Duration(),
		Event: v.Kind == kindEvent, Fold: v.Fold.Duration(), Updates: v.Updates, Limit: v.Limit,
		Fire:    rule.Fire{Bad: v.Fire.Bad, Of: v.Fire.Of, For: v.Fire.For.Duration()},
		Recover: rule.Recover{Good: v.Recover.Good, For: v.Recover.For.Duration()},
		Flap:    rule.Flap{Changes: v.Flap.Changes, Within: v.Flap.Within.Duration(), Calm: v.Flap.Calm.Duration()},
	}
	for i, tag := range v.By {
		s.By = append(s.By, rule.Name{Text: tag, At: b.Element("by", index(i))})
	}
	for i, level := range b.Blocks("level") {
		s.Levels = append(s.Levels, rule.LevelSpec{
			Severity: rule.Name{Text: v.Level[i].Severity, At: level.Label("severity")}, When: kept(level, "when"),
		})
	}
	if r := b.Block("recover"); r != nil {
		s.Recover.When = kept(r, "when")
	}
	if len(v.Quorum) > 0 {
		q := v.Quorum[0]
		s.Quorum = &rule.QuorumSpec{
			Tag: rule.Name{Text: q.Tag, At: b.Block("quorum").Label("tag")}, Need: q.Need, Of: q.Of, Fresh: q.Fresh.Duration(),
			MissingIsBad: q.Missing == missingBad,
		}
	}
	if v.Query != nil && s.Interval == 0 {
		s.Interval = max(v.Query.Every.Duration(), time.Nanosecond)
	}
	return s
}

// kept is an expression of a body. A nil one is the nil of the interface.
func kept(b *config.Body, name string) hcl.Expression {
	if e := b.Expression(name); e != nil {
		return e
	}
	return nil
}
