package pipeline

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// declared are the measurements of the test's points.
var declared = []wire.Measurement{{Name: "m", Fields: []wire.FieldSchema{{Name: "n", Type: "int"}, {Name: "s", Type: "string"}}}}

// tagged is as numbered, in a series of its own.
func tagged(n int) *wire.Point {
	p := numbered(n)
	p.Tags = []*wire.Tag{{Key: "id", Value: fmt.Sprint(n)}}
	return p
}

func reasonsOf(c Counts) string {
	var b strings.Builder
	for _, e := range c.Reasons {
		fmt.Fprintf(&b, "%d %s\n", e.Count, e.Reason)
	}
	return b.String()
}

func TestWhatIsNotDeclaredIsRefusedOrLeftOutAndNamed(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	s.SetTerms(Terms{Measurements: declared, MaxSeries: 10})
	extra := numbered(1)
	extra.Fields = append(extra.Fields, &wire.Field{Key: "x", Value: &wire.Field_Bool{Bool: true}})
	other := numbered(2)
	other.Measurement = "other"
	a := mustTake(t, s, encode(t, numbered(0), extra, other))
	if len(a.refused) != 1 || a.refused[0].Index != 2 || !strings.Contains(a.refused[0].Reason, `measurement "other"`) {
		t.Errorf("refused are %v", a.refused)
	}
	want := "1 left out a field: the manifest does not declare the field \"…\" of \"…\"\n1 the manifest does not declare the measurement \"…\"\n"
	if got := reasonsOf(s.Counts()); got != want {
		t.Errorf("the reasons are\n%s\nwant\n%s", got, want)
	}
	wantLines(t, delivered(t, p), lineOf(0, ""), lineOf(1, ""))
}

func TestSeriesAboveTheLimitAreRefusedAndKnownOnesGoOn(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource(tag("host", "a"))
	s.SetTerms(Terms{Tags: []point.Tag{tag("host", "a")}, Measurements: declared, MaxSeries: 3})
	refused := func(points ...*wire.Point) int { return len(mustTake(t, s, encode(t, points...)).refused) }
	if n := refused(tagged(0), tagged(1), tagged(2), tagged(3), tagged(1)); n != 1 {
		t.Errorf("%d of four series were refused", n)
	}
	s.SetTerms(Terms{Tags: []point.Tag{tag("host", "a")}, Measurements: declared, MaxSeries: 4})
	if n := refused(tagged(3), tagged(4), tagged(0)); n != 1 {
		t.Errorf("%d were refused after one more was allowed", n)
	}
	if got := reasonsOf(s.Counts()); !strings.Contains(got, "2 the plugin has made more than N series") {
		t.Errorf("the reasons are %s", got)
	}
	s.SetTerms(Terms{Tags: []point.Tag{tag("host", "b")}, Measurements: declared, MaxSeries: 4})
	if n := refused(tagged(5), tagged(6), tagged(7), tagged(8), tagged(9)); n != 1 {
		t.Errorf("%d were refused after all series have become others", n)
	}
}

func TestAMillionSeriesTakeLittleMemory(t *testing.T) {
	const limit, points = 100_000, 1_000_000
	var c contract
	c.forget()
	c.declared, c.maxSeries, c.tooMany = point.NewDeclared(declared), limit, fmt.Errorf("too many")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	refused := 0
	for n := range points {
		p := point.Point{Measurement: []byte("m"), Tags: []point.Tag{{Key: []byte("id"), Value: fmt.Append(nil, n)}}, Fields: []point.Field{{Key: []byte("n"), Kind: point.Int}}}
		if _, err := c.hold(&p); err != nil {
			refused++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); refused != points-limit || grown > 8<<20 {
		t.Errorf("%d were refused, and %d bytes are taken", refused, grown)
	}
	runtime.KeepAlive(c)
}

// BenchmarkContract is what it costs a point with seven fields to be held against its manifest.
func BenchmarkContract(b *testing.B) {
	var m wire.Measurement
	p := point.Point{Measurement: []byte("http_quality")}
	for i := range 7 {
		name := fmt.Sprint("some_field_", i)
		m.Fields = append(m.Fields, wire.FieldSchema{Name: name, Type: "float"})
		p.Fields = append(p.Fields, point.Field{Key: []byte(name), Kind: point.Float})
	}
	m.Name = "http_quality"
	for _, key := range []string{"app", "host", "idc", "isp", "method", "target", "url"} {
		p.Tags = append(p.Tags, tag(key, "something"))
	}
	var c contract
	c.forget()
	c.declared, c.maxSeries = point.NewDeclared([]wire.Measurement{m}), 10
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.hold(&p); err != nil {
			b.Fatal(err)
		}
	}
}
