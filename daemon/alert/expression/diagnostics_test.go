package expression

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMistakesAreToldWithTheirPlaceAndTheMend compiles each line of mistakes.txt, with a window if it begins with "over ".
func TestMistakesAreToldWithTheirPlaceAndTheMend(t *testing.T) {
	conditions, err := os.ReadFile(filepath.Join("testdata", "mistakes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(conditions)) {
		condition, windowed := strings.CutPrefix(strings.TrimSpace(line), "over ")
		if condition == "" {
			continue
		}
		var a *Aggregates
		if windowed {
			a = new(Aggregates)
		}
		c, diags := layout().Compile(parse(t, condition), configuration, a)
		if c != nil || !diags.HasErrors() {
			t.Errorf("%s: it is taken", condition)
		}
		fmt.Fprintln(&out, condition)
		for _, d := range diags {
			if d.Subject == nil {
				t.Errorf("%s: no place is named: %s", condition, d)
				continue
			}
			fmt.Fprintf(&out, "%s%s\n    %s: %s\n", strings.Repeat(" ", d.Subject.Start.Column-1), strings.Repeat("^", max(1, d.Subject.End.Column-d.Subject.Start.Column)), d.Summary, d.Detail)
		}
	}
	golden := filepath.Join("testdata", "mistakes.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the mistakes are told differently than in %s:\n%s", golden, out.String())
	}
}

func TestATagIsFoundByItsName(t *testing.T) {
	l := layout()
	tag, diags := l.Tag("isp", hcl.Range{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got := string(l.NewReader().Read(good.point(t)).Tag(tag)); got != "ct" {
		t.Errorf("isp is %q", got)
	}
	for name, want := range map[string]string{
		"traget":     `The points of quality have no tag "traget". Did you mean "target"?`,
		"total_time": `"total_time" is a field of quality: a tag is required, which has few values.`,
		"x":          `The points of quality have no tag "x". There is: app, host, isp, target.`,
	} {
		if _, diags := l.Tag(name, hcl.Range{}); !diags.HasErrors() || diags[0].Detail != want {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

// FuzzCompile holds that any text is refused or compiled, and that what is compiled can be evaluated and written again.
func FuzzCompile(f *testing.F) {
	mistakes, err := os.ReadFile(filepath.Join("testdata", "mistakes.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(mistakes)) {
		f.Add(strings.TrimSpace(line))
	}
	f.Add(`p(95, total_time) > 3 && in(isp, local.lines) || !has(error) && coalesce(up, 1) == 0 ? true : available`)
	f.Fuzz(func(t *testing.T, text string) {
		expr, diags := hclsyntax.ParseExpression([]byte(text), "rules.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		for _, l := range []*Layout{layout(), NewLayout(open)} {
			a := new(Aggregates)
			c, diags := l.Compile(expr, configuration, a)
			if (c == nil) != diags.HasErrors() {
				t.Fatalf("%q: there is a condition: %t, with %v", text, c != nil, diags)
			}
			if c == nil {
				continue
			}
			row := l.NewReader().Read(good.point(t))
			shape := a.Shape()
			row.Aggregates = make([]float64, len(shape.Aggregates))
			a.Sample(make([]float64, shape.Columns), row)
			c.Value(row)
			got := c.Evaluate(row)
			again, diags := l.Compile(parse(t, c.String()), configuration, a)
			if diags.HasErrors() || again.String() != c.String() || again.Evaluate(row) != got {
				t.Fatalf("%q is written as %s: %v", text, c, diags)
			}
		}
	})
}
