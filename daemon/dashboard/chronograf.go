package dashboard

import (
	"encoding/json"
	"fmt"
	"io"
)

// Chronograf writes the dashboard as a file for Chronograf's "Import Dashboard". It belongs to no source: whoever imports
// it chooses one.
func Chronograf(w io.Writer, d Dashboard) error {
	file := importFile{Meta: importMeta{Version: "1.11.4", Sources: map[string]any{}}}
	file.Dashboard.Name, file.Dashboard.ID, file.Dashboard.Organization = d.Name, "0", "default"
	for i, p := range d.Panels {
		file.Dashboard.Cells = append(file.Dashboard.Cells, cellOf(fmt.Sprintf("panel-%d", i+1), p))
	}
	for _, v := range d.Variables {
		file.Dashboard.Templates = append(file.Dashboard.Templates, templateOf(v))
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(file); err != nil {
		return fmt.Errorf("writing the dashboard %q: %w", d.Name, err)
	}
	return nil
}

// The file that Chronograf 1.4 to 1.11 imports.
type importFile struct {
	Meta      importMeta `json:"meta"`
	Dashboard struct {
		ID           string     `json:"id"`
		Name         string     `json:"name"`
		Organization string     `json:"organization"`
		Cells        []cell     `json:"cells"`
		Templates    []template `json:"templates"`
	} `json:"dashboard"`
}

type importMeta struct {
	Version string         `json:"chronografVersion"`
	Sources map[string]any `json:"sources"`
}

type cell struct {
	ID             string          `json:"i"`
	X              int             `json:"x"`
	Y              int             `json:"y"`
	W              int             `json:"w"`
	H              int             `json:"h"`
	Name           string          `json:"name"`
	Type           Kind            `json:"type"`
	Queries        []query         `json:"queries"`
	Axes           map[string]axis `json:"axes"`
	Colors         []color         `json:"colors"`
	Legend         struct{}        `json:"legend"`
	TableOptions   *tableOptions   `json:"tableOptions,omitempty"`
	FieldOptions   []column        `json:"fieldOptions,omitempty"`
	TimeFormat     string          `json:"timeFormat"`
	DecimalPlaces  decimalPlaces   `json:"decimalPlaces"`
	Note           string          `json:"note"`
	NoteVisibility string          `json:"noteVisibility"`
}

type query struct {
	Query  string      `json:"query"`
	Source string      `json:"source"`
	Type   string      `json:"type"`
	Config queryConfig `json:"queryConfig"`
}

// queryConfig is what the server works out from the query; old user interfaces want to see it.
type queryConfig struct {
	Database        string         `json:"database"`
	Measurement     string         `json:"measurement"`
	RetentionPolicy string         `json:"retentionPolicy"`
	Fields          []any          `json:"fields"`
	Tags            map[string]any `json:"tags"`
	GroupBy         groupBy        `json:"groupBy"`
	AreTagsAccepted bool           `json:"areTagsAccepted"`
	Shifts          []any          `json:"shifts"`
	RawText         *string        `json:"rawText"`
	Range           *string        `json:"range"`
}

type groupBy struct {
	Time string   `json:"time"`
	Tags []string `json:"tags"`
}

type axis struct {
	Bounds [2]string `json:"bounds"`
	Label  string    `json:"label"`
	Prefix string    `json:"prefix"`
	Suffix string    `json:"suffix"`
	Base   string    `json:"base"`
	Scale  string    `json:"scale"`
}

type color struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Hex   Color  `json:"hex"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

type column struct {
	Name    string `json:"internalName"`
	Title   string `json:"displayName"`
	Visible bool   `json:"visible"`
}

type tableOptions struct {
	VerticalTimeAxis bool   `json:"verticalTimeAxis"`
	SortBy           column `json:"sortBy"`
	Wrapping         string `json:"wrapping"`
	FixFirstColumn   bool   `json:"fixFirstColumn"`
}

type decimalPlaces struct {
	Enforced bool `json:"isEnforced"`
	Digits   int  `json:"digits"`
}

type template struct {
	ID       string          `json:"id"`
	Name     string          `json:"tempVar"`
	Label    string          `json:"label"`
	SourceID string          `json:"sourceID"`
	Type     string          `json:"type"`
	Values   []templateValue `json:"values"`
	Query    *templateQuery  `json:"query,omitempty"`
}

type templateValue struct {
	Value    string `json:"value"`
	Type     string `json:"type"`
	Selected bool   `json:"selected"`
}

type templateQuery struct {
	InfluxQL    string `json:"influxql"`
	Database    string `json:"db"`
	Measurement string `json:"measurement"`
	TagKey      string `json:"tagKey"`
	FieldKey    string `json:"fieldKey"`
}

func cellOf(id string, p Panel) cell {
	c := cell{
		ID: id, X: p.X, Y: p.Y, W: p.W, H: p.H, Name: p.Title, Type: p.Kind,
		Axes: map[string]axis{
			"x":  {Base: "10", Scale: "linear"},
			"y":  {Bounds: [2]string{p.From, ""}, Label: p.Label, Prefix: p.Prefix, Suffix: p.Suffix, Base: "10", Scale: "linear"},
			"y2": {Base: "10", Scale: "linear"},
		},
		TimeFormat: "YYYY-MM-DD HH:mm:ss", DecimalPlaces: decimalPlaces{true, p.Digits}, NoteVisibility: "default",
	}
	queries := p.Queries
	switch p.Kind {
	case Note:
		c.Note, queries = p.Text, []string{""} // without any query it would offer to add one, and hide the note
	case Number:
		c.Colors = limitColors(p.Limits)
	case Table:
		c.Colors = []color{{"base", "text", "#FFFFFF", "white", lowest}}
		c.FieldOptions, c.TableOptions = columnsOf(p)
	case Line, Stacked:
		c.DecimalPlaces.Digits = 3
	}
	if len(c.Colors) == 0 {
		// Chronograf's own first palette; a line has a shade of it.
		c.Colors = []color{
			{"scale-0", "scale", "#31C0F6", "Nineteen Eighty Four", "0"},
			{"scale-1", "scale", "#A500A5", "Nineteen Eighty Four", "0"},
			{"scale-2", "scale", "#FF7E27", "Nineteen Eighty Four", "0"},
		}
	}
	for _, q := range queries {
		c.Queries = append(c.Queries, query{Query: q, Type: "influxql", Config: queryConfig{
			Fields: []any{}, Tags: map[string]any{}, GroupBy: groupBy{Tags: []string{}}, Shifts: []any{},
		}})
	}
	return c
}

// lowest is below every number: where the color of the first limit begins.
const lowest = "-1000000000000000000"

func limitColors(limits []Limit) []color {
	var colors []color
	for i, l := range limits {
		c := color{fmt.Sprint("limit-", i), "text", l.Color, string(l.Color), l.From}
		if i == 0 {
			c.ID, c.Value = "base", lowest
		}
		colors = append(colors, c)
	}
	return colors
}

func columnsOf(p Panel) ([]column, *tableOptions) {
	sortBy := p.SortBy
	if sortBy == "" {
		sortBy = "time"
	}
	var columns []column
	options := tableOptions{VerticalTimeAxis: true, Wrapping: "truncate", FixFirstColumn: true}
	hasTime := false
	for _, c := range p.Columns {
		hasTime = hasTime || c.Name == "time"
		columns = append(columns, column{c.Name, c.Title, true})
		if c.Name == sortBy {
			options.SortBy = column{c.Name, c.Title, true}
		}
	}
	if !hasTime {
		columns = append(columns, column{"time", "", false})
	}
	return columns, &options
}

func templateOf(v Variable) template {
	t := template{ID: "variable-" + v.Name, Name: ":" + v.Name + ":", SourceID: "dynamic"}
	if v.Tag == "" {
		t.Type, t.Values = "text", []templateValue{{v.Text, "constant", true}}
		return t
	}
	t.Type, t.Values = "tagValues", []templateValue{}
	t.Query = &templateQuery{
		InfluxQL: "SHOW TAG VALUES ON :database: FROM :measurement: WITH KEY=:tagKey:",
		Database: "vedette", Measurement: v.Measurement, TagKey: v.Tag,
	}
	return t
}
