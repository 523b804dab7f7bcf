package dashboard

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var variable = regexp.MustCompile(`:([A-Za-z]+):`)

func TestStarterIsWholeAndDrawable(t *testing.T) {
	d := Starter()
	known := map[string]bool{"dashboardTime": true, "upperDashboardTime": true, "interval": true}
	for _, v := range d.Variables {
		if known[v.Name] {
			t.Errorf("the variable %s is there twice, or Chronograf's own", v.Name)
		}
		known[v.Name] = true
	}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.X < 0 || p.W < 1 || p.X+p.W > 12 || p.H < 1 {
			t.Errorf("%s is not within 12 columns", p.Title)
		}
		for x := p.X; x < p.X+p.W; x++ {
			for y := p.Y; y < p.Y+p.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		switch {
		case (p.Kind == Note) != (len(p.Queries) == 0), p.Kind == Number && len(p.Queries) != 1:
			t.Errorf("%s is a %s with %d queries", p.Title, p.Kind, len(p.Queries))
		case p.Kind == Number && len(p.Limits) == 0, p.Kind == Table && len(p.Columns) == 0:
			t.Errorf("%s lacks limits or columns", p.Title)
		}
		for _, q := range p.Queries {
			if !strings.Contains(q, ` FROM "vedette".."`) {
				t.Errorf("%s does not name its database: a viewer's proxy names none\n%s", p.Title, q)
			}
			for _, bound := range []string{"time > :dashboardTime:", "time < :upperDashboardTime:"} {
				if strings.Count(q, bound) != 1 {
					t.Errorf("%s is not bound by %s\n%s", p.Title, bound, q)
				}
			}
		}
		for _, text := range append(p.Queries, p.Title) {
			for _, m := range variable.FindAllStringSubmatch(text, -1) {
				if !known[m[1]] {
					t.Errorf("%s uses the variable %s, which is not there", p.Title, m[0])
				}
			}
		}
	}
}

// What Chronograf's server and browser refuse, or draw wrong without a word, as it was seen with version 1.11.4.
func TestChronografImportsIt(t *testing.T) {
	var out bytes.Buffer
	if err := Chronograf(&out, Starter()); err != nil {
		t.Fatal(err)
	}
	var file importFile
	strict := json.NewDecoder(bytes.NewReader(out.Bytes()))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if name := file.Dashboard.Name; name == "" || len(name) > 50 {
		t.Errorf("the name %q does not fit", name)
	}
	ids := map[string]bool{}
	unique := func(id string) {
		if id == "" || ids[id] {
			t.Errorf("the id %q is there twice, or none", id)
		}
		ids[id] = true
	}
	hex := regexp.MustCompile(`^#[0-9A-F]{6}$`)
	for _, c := range file.Dashboard.Cells {
		unique(c.ID)
		if len(c.Queries) == 0 {
			t.Errorf("%s has no query: a browser then offers to add one", c.Name)
		}
		for _, q := range c.Queries {
			if q.Source != "" {
				t.Errorf("%s belongs to the source %q", c.Name, q.Source)
			}
		}
		for _, color := range c.Colors {
			wanted := map[Kind]string{Number: "text", Table: "text"}[c.Type]
			if wanted == "" {
				wanted = "scale"
			}
			if color.Type != wanted || !hex.MatchString(string(color.Hex)) {
				t.Errorf("%s has the color %+v", c.Name, color)
			}
			if _, err := strconv.ParseFloat(color.Value, 64); err != nil {
				t.Errorf("%s: the limit %q is no number", c.Name, color.Value)
			}
		}
		for name, a := range c.Axes {
			if !strings.Contains("x y y2", name) || a.Base != "10" || a.Scale != "linear" {
				t.Errorf("%s has the axis %s %+v", c.Name, name, a)
			}
		}
		if c.Type == Table {
			sorted := false
			for _, column := range c.FieldOptions {
				sorted = sorted || column.Name == c.TableOptions.SortBy.Name
			}
			if !sorted {
				t.Errorf("%s is sorted by %q, which it has not", c.Name, c.TableOptions.SortBy.Name)
			}
		}
	}
	for _, v := range file.Dashboard.Templates {
		unique(v.ID)
		if v.SourceID != "dynamic" || v.Type == "text" && len(v.Values) != 1 || v.Type == "tagValues" && v.Query.TagKey == "" {
			t.Errorf("the variable %+v is not whole", v)
		}
	}
}

func TestTheShippedFileIsWhatTheCodeSays(t *testing.T) {
	var out bytes.Buffer
	if err := Chronograf(&out, Starter()); err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("../../examples/dashboards/chronograf.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shipped, out.Bytes()) {
		t.Error("examples/dashboards/chronograf.json is not fresh; `make generate` writes it")
	}
}
