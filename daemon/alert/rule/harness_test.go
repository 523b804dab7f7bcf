package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/point/pointtest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var quality = wire.Measurement{
	Name: "http_quality",
	Tags: []wire.TagSchema{{Name: "target"}, {Name: "isp"}, {Name: "host"}},
	Fields: []wire.FieldSchema{
		{Name: "available", Type: "bool"}, {Name: "vantage_ok", Type: "bool"}, {Name: "http_code", Type: "int"},
		{Name: "total_time", Type: "float", Unit: "s"}, {Name: "cert_days", Type: "float", Unit: "d"}, {Name: "command", Type: "string"},
	},
}

// noon is when every test begins.
var noon = time.Unix(1_700_000_000, 0).UTC()

// trial is a rule under test, and what became of it.
type trial struct {
	t       testing.TB
	rule    *Rule
	set     *Set
	machine *Machine
	out     []Transition
}

func parse(t testing.TB, text string) hcl.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "alerts.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}

func names(texts ...string) []Name {
	var list []Name
	for _, text := range texts {
		list = append(list, Name{Text: text})
	}
	return list
}

func try(t testing.TB, spec Spec) *trial {
	t.Helper()
	layout := expression.NewLayout(quality)
	r, diags := Compile(layout, spec)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	m := NewMachine(r, noon)
	return &trial{t: t, rule: r, machine: m, set: NewSet(layout, m)}
}

type values map[string]any

func pointAt(t testing.TB, at time.Time, v values) *point.Point {
	t.Helper()
	return pointtest.Of(t, quality.Name, at, v, func(key string) bool {
		return slices.ContainsFunc(quality.Tags, func(s wire.TagSchema) bool { return s.Name == key })
	})
}

// see gives a point of this moment.
func (tr *trial) see(after time.Duration, v values) {
	tr.out = tr.set.Observe(tr.out, pointAt(tr.t, noon.Add(after), v), noon.Add(after))
}

func (tr *trial) tick(after time.Duration) { tr.out = tr.set.Tick(tr.out, noon.Add(after)) }

// run gives points a minute apart, with these values of a field: "2.5", "2.5x3" for three of them, "?" for a point that lacks
// it, and "_" for none.
func (tr *trial) run(field, script string, base values) { tr.runFrom(0, field, script, base) }

func (tr *trial) runFrom(from time.Duration, field, script string, base values) {
	minute := 0
	for _, word := range strings.Fields(script) {
		word, times, _ := strings.Cut(word, "x")
		n := 1
		if times != "" {
			n, _ = strconv.Atoi(times)
		}
		for range n {
			v := values{}
			for key, value := range base {
				v[key] = value
			}
			if word != "?" {
				f, err := strconv.ParseFloat(word, 64)
				if err == nil {
					v[field] = f
				}
			}
			at := from + time.Duration(minute)*time.Minute
			if word != "_" {
				tr.see(at, v)
			}
			tr.tick(at)
			minute++
		}
	}
}

// story is what became of the instances: "12:05 firing" for each transition, with the reason where it changes no state.
func (tr *trial) story() string {
	var words []string
	for _, t := range tr.out {
		word := t.To.String()
		if t.From == t.To || t.Reason == Forgotten || t.Reason == Silent || t.Reason == Heard {
			word = t.Reason.String()
		}
		words = append(words, fmt.Sprintf("%s %s", clock(t.At), word))
	}
	return strings.Join(words, ", ")
}

// clock is the time since noon as minutes and seconds.
func clock(at time.Time) string {
	d := at.Sub(noon)
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func (tr *trial) want(story string) {
	tr.t.Helper()
	if got := tr.story(); got != story {
		tr.t.Errorf("the story is\n  %s, want\n  %s", got, story)
	}
}
