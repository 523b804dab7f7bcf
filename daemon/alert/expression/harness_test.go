package expression

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/point/pointtest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// quality is like http_quality, and has names that are easy to mistake.
var quality = wire.Measurement{
	Name: "quality",
	Tags: []wire.TagSchema{{Name: "target"}, {Name: "app"}},
	Fields: []wire.FieldSchema{
		{Name: "available", Type: "bool"}, {Name: "body_matched", Type: "bool"},
		{Name: "http_code", Type: "int"}, {Name: "up", Type: "int"},
		{Name: "total_time", Type: "float", Unit: "s"}, {Name: "dns", Type: "float", Unit: "s"}, {Name: "cert_days", Type: "float", Unit: "d"},
		{Name: "size", Type: "int", Unit: "bytes"}, {Name: "duration_us", Type: "int", Unit: "us"},
		{Name: "error", Type: "string"}, {Name: "outcome", Type: "string"},
	},
}

// open is a measurement whose fields nobody could name.
var open = wire.Measurement{Name: "open", Open: true, Tags: []wire.TagSchema{{Name: "host"}}}

func layout() *Layout { return NewLayout(quality, "isp", "host") }

// configuration is what constants come from.
var configuration = &hcl.EvalContext{
	Variables: map[string]cty.Value{"local": cty.ObjectVal(map[string]cty.Value{
		"slow":    cty.NumberFloatVal(2),
		"pattern": cty.StringVal(`^5\d\d$`),
		"lines":   cty.ListVal([]cty.Value{cty.StringVal("ct"), cty.StringVal("cu")}),
		"secret":  cty.StringVal("hidden").Mark("secret"),
		"broken":  cty.DynamicVal,
	})},
	Functions: oracle,
}

func parse(t testing.TB, text string) hclsyntax.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "rules.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", text, diags)
	}
	return expr
}

func compile(t testing.TB, l *Layout, text string, aggregates *Aggregates) *Condition {
	t.Helper()
	c, diags := l.Compile(parse(t, text), configuration, aggregates)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", text, diags)
	}
	return c
}

// values are those of a point: texts under tag names are tags.
type values map[string]any

func (v values) point(t testing.TB, tags ...string) *point.Point {
	t.Helper()
	tags = append(tags, "target", "app", "isp", "host")
	return pointtest.Of(t, "m", time.Unix(0, 1), v, func(key string) bool { return slices.Contains(tags, key) })
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
