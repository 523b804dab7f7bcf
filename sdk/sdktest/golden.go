package sdktest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

var update = flag.Bool("sdktest.update", false, "write the golden files of sdktest.Golden anew")

// Golden compares points with the file at path: one line a point, in the form of line protocol without its time, sorted.
// `go test -sdktest.update` writes the file.
func Golden(t testing.TB, path string, points []*wire.Point) {
	t.Helper()
	var lines []string
	for _, p := range points {
		lines = append(lines, Line(p)+"\n")
	}
	slices.Sort(lines)
	got := strings.Join(lines, "")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading the golden file: %v; go test -sdktest.update writes it", err)
	}
	if got != string(want) {
		t.Errorf("the points are\n%s\nand %s has\n%s", got, path, want)
	}
}

// Line shows the point in the form of line protocol, for people: without its time, and with quoted names where they
// are odd.
func Line(p *wire.Point) string {
	var b strings.Builder
	b.WriteString(name(p.Measurement))
	tags := slices.Clone(p.Tags)
	slices.SortFunc(tags, func(x, y *wire.Tag) int { return strings.Compare(x.Key, y.Key) })
	for _, t := range tags {
		if t.Value != "" {
			fmt.Fprintf(&b, ",%s=%s", name(t.Key), name(t.Value))
		}
	}
	for i, f := range p.Fields {
		separator := ","
		if i == 0 {
			separator = " "
		}
		fmt.Fprintf(&b, "%s%s=%s", separator, name(f.Key), value(f))
	}
	return b.String()
}

func name(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`,="\`, r) }) {
		return strconv.Quote(text)
	}
	return text
}

func value(f *wire.Field) string {
	switch v := f.Any().(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case int64:
		return strconv.FormatInt(v, 10) + "i"
	case uint64:
		return strconv.FormatUint(v, 10) + "u"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return strconv.Quote(v)
	}
	return "?"
}
