package dispatch

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/template"
)

// render writes the texts of an incident, which say what is wrong: those of its beginning, or of when it was worst, stay until its end.
func render(i *incident.Incident, a *policy.Alert, t *rule.Transition) {
	if i.Summary != "" && t.Reason != rule.Worse {
		return
	}
	values := valuesOf(i, a, t)
	var wrong []string
	write := func(tmpl *template.Template, render func(template.Values) (string, error)) string {
		if tmpl == nil {
			return ""
		}
		text, err := render(values)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("[template error in alert %q: %s]", a.Name, template.Clean(err.Error(), template.MaxLine, false)))
		}
		return text
	}
	i.Summary = write(a.Summary, a.Summary.Render)
	i.Detail = write(a.Detail, a.Detail.RenderLines)
	i.Link = write(a.Link, a.Link.Render)
	if i.Summary == "" {
		i.Summary = plain(i)
	}
	if len(wrong) > 0 {
		i.Summary = plain(i)
		i.Detail = strings.TrimSpace(i.Detail + "\n" + strings.Join(wrong, "\n"))
	}
}

// plain is the text of an alert without one.
func plain(i *incident.Incident) string {
	var parts []string
	for _, name := range sortedKeys(i.Tags) {
		parts = append(parts, name+"="+i.Tags[name])
	}
	return template.Clean(strings.TrimSpace(i.Alert+" "+strings.Join(parts, " ")), template.MaxLine, false)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func valuesOf(i *incident.Incident, a *policy.Alert, t *rule.Transition) template.Values {
	v := template.Values{}
	for name, value := range i.Labels {
		v[name] = value
	}
	for name, value := range i.Tags {
		v[name] = value
	}
	if t.Sample != nil {
		for _, tag := range t.Sample.Tags {
			v[string(tag.Key)] = string(tag.Value)
		}
		for n := range t.Sample.Fields {
			f := &t.Sample.Fields[n]
			v[string(f.Key)] = f.Any()
		}
	}
	quorum := map[string]any{"bad": int64(t.Bad), "voting": int64(t.Of), "who": strings.Join(t.Who, ", ")}
	since := t.At.Sub(i.Fired)
	if t.Reason == rule.Silent && !math.IsNaN(t.Value) {
		since = time.Duration(t.Value * float64(time.Second))
	}
	for name, value := range map[string]any{
		"alert": a.Name, "severity": i.Severity, "key": strings.ReplaceAll(i.Key, "\x00", ", "), "incident": i.ID, "bad": int64(t.Bad), "of": int64(t.Of),
		"since": span(since), "level": i.Severity, "quorum": quorum, "folded": int64(t.Count), "spark": Spark(i.Recent), "state": t.To.String(),
	} {
		v[name] = value
	}
	if !math.IsNaN(t.Value) && !math.IsInf(t.Value, 0) {
		v["value"] = t.Value
	}
	return v
}

// Span writes a duration as people do: 10m, 1h30m, 45s.
func Span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// span writes how long something took as exactly as people want to know.
func span(d time.Duration) string {
	d = max(0, d)
	if d < time.Minute {
		return Span(d.Round(100 * time.Millisecond))
	}
	return Span(d.Round(time.Second))
}

var bars = []rune("▁▂▃▄▅▆▇█")

// Spark draws values as a line of bars.
func Spark(values []float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	var line strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			line.WriteRune(' ')
		case high == low:
			line.WriteRune(bars[0])
		default:
			line.WriteRune(bars[min(len(bars)-1, int((v-low)/(high-low)*float64(len(bars))))])
		}
	}
	return line.String()
}

// wording is what is wrong with a condition, on one line.
func wording(diags hcl.Diagnostics) string {
	var parts []string
	for _, one := range diags {
		parts = append(parts, one.Detail)
	}
	return strings.Join(parts, " ")
}
