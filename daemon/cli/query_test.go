package cli

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// values are the cells of a row, as InfluxDB writes them.
func values(t *testing.T, row string) []influx.Value {
	t.Helper()
	var v []influx.Value
	if err := json.Unmarshal([]byte(row), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func testSeries(t *testing.T) []influx.Series {
	return []influx.Series{
		{
			Name: "http_quality", Tags: map[string]string{"target": "shop", "app": "商城"}, Columns: []string{"time", "mean"},
			Rows: [][]influx.Value{values(t, `["2026-01-02T03:04:05Z",0.5]`), values(t, `["2026-01-02T03:05:05Z",null]`)},
		},
		{
			Name: "http_quality", Tags: map[string]string{"target": "a,\"b\"\n", "app": ""}, Columns: []string{"time", "mean"},
			Rows: [][]influx.Value{values(t, `["2026-01-02T03:04:05Z",1e-9]`)},
		},
		{Name: "databases", Columns: []string{"name"}, Rows: [][]influx.Value{values(t, `["vedette"]`), values(t, `[9007199254740993]`)}},
		{Name: "databases", Tags: map[string]string{"a": "1"}, Columns: []string{"name"}, Rows: [][]influx.Value{values(t, `[true]`)}},
		{Name: "empty", Columns: []string{"name", "x"}},
	}
}

func TestSeriesAsATableHaveAHeadingEach(t *testing.T) {
	var out strings.Builder
	if err := printSeries(&out, testSeries(t), asTable); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"http_quality  app=商城  target=shop\n" +
		"time                  mean\n" +
		"2026-01-02T03:04:05Z  0.5\n" +
		"2026-01-02T03:05:05Z\n" +
		"\n" +
		"http_quality  app=  target=a,\"b\"\ufffd\n" +
		"time                  mean\n" +
		"2026-01-02T03:04:05Z  1e-9\n" +
		"\n" +
		"databases\n" +
		"name\n" +
		"vedette\n" +
		"9007199254740993\n" +
		"\n" +
		"databases  a=1\n" +
		"name\n" +
		"true\n" +
		"\n" +
		"empty\n" +
		"name  x\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestSeriesAsCSVBeginANewTableWhereColumnsDiffer(t *testing.T) {
	var out strings.Builder
	if err := printSeries(&out, testSeries(t), asCSV); err != nil {
		t.Fatal(err)
	}
	want := [][][]string{
		{
			{"name", "app", "target", "time", "mean"},
			{"http_quality", "商城", "shop", "2026-01-02T03:04:05Z", "0.5"},
			{"http_quality", "商城", "shop", "2026-01-02T03:05:05Z", ""},
			{"http_quality", "", "a,\"b\"\n", "2026-01-02T03:04:05Z", "1e-9"},
		},
		{{"name", "name"}, {"databases", "vedette"}, {"databases", "9007199254740993"}},
		{{"name", "a", "name"}, {"databases", "1", "true"}},
		{{"name", "name", "x"}},
	}
	tables := strings.Split(out.String(), "\n\n")
	if len(tables) != len(want) {
		t.Fatalf("got %d tables, want %d:\n%s", len(tables), len(want), out.String())
	}
	for i, text := range tables {
		got, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want[i], slices.Equal) {
			t.Errorf("table %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestSeriesAsJSONLoseNothing(t *testing.T) {
	var out strings.Builder
	if err := printSeries(&out, testSeries(t), asJSON); err != nil {
		t.Fatal(err)
	}
	var got []influx.Series
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	first, second, third := got[0], got[1], got[2]
	if len(got) != 5 || first.Tags["app"] != "商城" || second.Tags["target"] != "a,\"b\"\n" || !first.Rows[1][1].IsNull() {
		t.Errorf("printed %s", out.String())
	}
	if n, ok := third.Rows[1][0].Int(); !ok || n != 9007199254740993 {
		t.Errorf("a long integer became %v", third.Rows[1][0])
	}
}

func TestNoSeriesIsAnAnswerInEveryFormat(t *testing.T) {
	for output, want := range map[format]string{asTable: "No results.\n", asCSV: "", asJSON: "[]\n"} {
		var out strings.Builder
		if err := printSeries(&out, nil, output); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("as %s: %q, want %q", output, out.String(), want)
		}
	}
}
