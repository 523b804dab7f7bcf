package rule

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// full is a measurement like http_quality as a whole: with as many fields and tags as a real probe's point has.
func full() wire.Measurement {
	m := quality
	for i := range 34 {
		m.Fields = append(m.Fields, wire.FieldSchema{Name: fmt.Sprintf("field_%d_time", i), Type: "float"})
	}
	return m
}

// four are four rules, one of them with a p95 over five minutes.
func four(t testing.TB) []Spec {
	return []Spec{
		with(slow(t), func(s *Spec) {
			s.By, s.Where = names("target", "isp"), parse(t, `isp == "ct"`)
			s.When = parse(t, "!available || http_code < 200 || http_code > 299 || total_time > 2.0")
		}),
		{
			Name: "down", By: names("target"), When: parse(t, "!available || http_code >= 500"), Fire: Fire{Bad: 2, Of: 3},
			Quorum: &QuorumSpec{Tag: Name{Text: "isp"}, Need: 2, Of: []string{"ct", "cu", "cm"}, Fresh: 3 * time.Minute},
		},
		{Name: "cert", By: names("target"), Where: parse(t, "has(cert_days)"), Levels: []LevelSpec{
			{Name{Text: "warning"}, parse(t, "cert_days < 21")}, {Name{Text: "critical"}, parse(t, "cert_days < 7")},
		}},
		{
			Name: "window", By: names("target"), Over: 5 * time.Minute,
			When: parse(t, "ratio(http_code >= 500) > 0.05 && count() >= 20 || p(95, total_time) > 3.0"),
		},
	}
}

// feed gives points of many targets in turn, as plugins send them: the fields always in the same order.
type feed struct {
	points []*point.Point
	next   int
	at     time.Time
	step   time.Duration
}

func points(t testing.TB, targets int, step time.Duration) *feed {
	s := &feed{at: noon, step: step}
	for i := range targets {
		w := &wire.Point{Measurement: "http_quality", Time: 1, Tags: []*wire.Tag{
			{Key: "host", Value: "h"}, {Key: "isp", Value: []string{"ct", "cu", "cm"}[i%3]}, {Key: "target", Value: fmt.Sprint("target-", i/3)},
		}}
		for _, f := range full().Fields {
			field := &wire.Field{Key: f.Name}
			switch f.Name {
			case "available", "vantage_ok":
				field.Value = &wire.Field_Bool{Bool: true}
			case "http_code":
				field.Value = &wire.Field_Int{Int: 200}
			case "command":
				field.Value = &wire.Field_String_{String_: "x"}
			case "cert_days":
				field.Value = &wire.Field_Float{Float: 60}
			default:
				field.Value = &wire.Field_Float{Float: 0.1 + float64(i%7)/10}
			}
			w.Fields = append(w.Fields, field)
		}
		raw, err := proto.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		p := new(point.Point)
		if err := p.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		s.points = append(s.points, p)
	}
	return s
}

func (s *feed) take() (*point.Point, time.Time) {
	p := s.points[s.next]
	s.at = s.at.Add(s.step / time.Duration(len(s.points)))
	p.Time = s.at.UnixNano()
	s.next = (s.next + 1) % len(s.points)
	return p, s.at
}

func set(t testing.TB, specs []Spec) *Set {
	t.Helper()
	layout := expression.NewLayout(full())
	var machines []*Machine
	for _, spec := range specs {
		r, diags := Compile(layout, spec)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		machines = append(machines, NewMachine(r, noon))
	}
	return NewSet(layout, machines...)
}

func TestASampleThatChangesNothingAllocatesNothing(t *testing.T) {
	s, in := set(t, four(t)), points(t, 3, time.Second)
	var out []Transition
	step := func() {
		p, now := in.take()
		out = s.Observe(out[:0], p, now)
	}
	for range 3000 {
		step()
	}
	if n := testing.AllocsPerRun(3000, step); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
	if len(out) != 0 {
		t.Errorf("it tells %v", out)
	}
}

// BenchmarkFourRules is a point through four rules, one of which has a p95 over five minutes: of one target that is probed a
// thousand times in these, and of a thousand that are probed once a minute on three lines.
func BenchmarkFourRules(b *testing.B) {
	for _, tc := range []struct {
		name    string
		targets int
		step    time.Duration
	}{{"1 target, 1000 samples in the window", 3, 900 * time.Millisecond}, {"1000 targets, 15 samples in the window", 3000, time.Minute}} {
		b.Run(tc.name, func(b *testing.B) {
			s, in := set(b, four(b)), points(b, tc.targets, tc.step)
			var out []Transition
			for range 8 * tc.targets {
				p, now := in.take()
				out = s.Observe(out[:0], p, now)
			}
			b.ReportAllocs()
			for b.Loop() {
				p, now := in.take()
				out = s.Observe(out[:0], p, now)
			}
		})
	}
}

// BenchmarkInstances makes 100,000 instances with samples, and says how much memory each holds.
func BenchmarkInstances(b *testing.B) {
	const n = 100_000
	all := four(b)
	for i, name := range []string{"three of three", "quorum of one voter", "two levels", "window of five samples"} {
		b.Run(name, func(b *testing.B) {
			layout := expression.NewLayout(quality)
			r, diags := Compile(layout, with(all[i], func(s *Spec) { s.Limit = n }))
			if diags.HasErrors() {
				b.Fatal(diags)
			}
			p := pointAt(b, noon, values{"target": "", "isp": "ct", "available": true, "http_code": 200, "total_time": 1.0, "cert_days": 60.0})
			target := &p.Tags[0]
			for i := range p.Tags {
				if string(p.Tags[i].Key) == "target" {
					target = &p.Tags[i]
				}
			}
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				m := NewMachine(r, noon)
				s := NewSet(layout, m)
				var out []Transition
				for minute := range 5 {
					now := noon.Add(time.Duration(minute) * time.Minute)
					p.Time = now.UnixNano()
					for i := range n {
						target.Value = fmt.Appendf(nil, "https://shop-%06d.example.com", i)
						out = s.Observe(out[:0], p, now)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				if len(m.instances) != n {
					b.Fatalf("there are %d instances", len(m.instances))
				}
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/instance")
				runtime.KeepAlive(m)
			}
		})
	}
}
