// Package label is conditions on the labels of an incident: which route it takes, what silences it.
package label

import (
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Own are the labels that every incident has: the name of its alert and its severity.
var Own = []string{"alert", "severity"}

// Match is a condition on labels, in the language of the alerts' conditions. A label that an incident does not have is an empty
// text. It is safe for concurrent use.
type Match struct {
	condition *expression.Condition
	names     []string

	mu     sync.Mutex
	reader *expression.Reader
	point  point.Point
}

// Compile compiles a condition on labels of these names, beside those that every incident has.
func Compile(expr hcl.Expression, ctx *hcl.EvalContext, names []string) (*Match, hcl.Diagnostics) {
	m := &Match{names: slices.Compact(slices.Sorted(slices.Values(slices.Concat(Own, names))))}
	measurement := wire.Measurement{Name: "alerts"}
	for _, name := range m.names {
		measurement.Tags = append(measurement.Tags, wire.TagSchema{Name: name})
	}
	layout := expression.NewLayout(measurement)
	condition, diags := layout.Compile(expr, ctx, nil)
	if diags.HasErrors() {
		for _, diag := range diags {
			if rest, ok := strings.CutPrefix(diag.Detail, "The points of alerts have no field or tag"); ok {
				diag.Summary, diag.Detail = "Unknown label", "No alert has a label"+rest
			}
		}
		return nil, diags
	}
	m.condition, m.reader = condition, layout.NewReader()
	for _, name := range m.names {
		m.point.Tags = append(m.point.Tags, point.Tag{Key: []byte(name)})
	}
	return m, diags
}

// Parse compiles a condition that is not part of the configuration.
func Parse(text string, names []string) (*Match, hcl.Diagnostics) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), "match", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	return Compile(expr, nil, names)
}

// Holds reports whether the condition is true for the labels. Nothing matches everything.
func (m *Match) Holds(labels map[string]string) bool {
	if m == nil {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.point.Tags {
		t := &m.point.Tags[i]
		t.Value = append(t.Value[:0], labels[string(t.Key)]...)
	}
	return m.condition.Evaluate(m.reader.Read(&m.point)) == expression.True
}

// String writes the condition in one form, whatever its spaces are.
func (m *Match) String() string {
	if m == nil {
		return "true"
	}
	return m.condition.String()
}
