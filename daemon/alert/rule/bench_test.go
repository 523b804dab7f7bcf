package rule

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// feed gives the points of many targets in turn, each probed on three lines once in step. It is one point whose tags change: a
// point comes hot from the wire.
type feed struct {
	point        *point.Point
	target, line *point.Tag
	targets      [][]byte
	next         int
	at           time.Time
	step         time.Duration
}

var lines = [][]byte{[]byte("ct"), []byte("cu"), []byte("cm")}

func points(t testing.TB, targets int, step time.Duration) *feed {
	v := values{"host": "h", "isp": "ct", "target": "x", "available": true, "vantage_ok": true, "http_code": 200, "command": "x", "cert_days": 60.0}
	for _, f := range full().Fields {
		if _, set := v[f.Name]; !set {
			v[f.Name] = 0.5
		}
	}
	s := &feed{point: pointAt(t, noon, v), at: noon, step: step}
	for i := range s.point.Tags {
		switch tag := &s.point.Tags[i]; string(tag.Key) {
		case "target":
			s.target = tag
		case "isp":
			s.line = tag
		}
	}
	for i := range targets {
		s.targets = append(s.targets, fmt.Appendf(nil, "target-%d", i))
	}
	return s
}

func (s *feed) take() (*point.Point, time.Time) {
	s.target.Value, s.line.Value = s.targets[s.next/3], lines[s.next%3]
	s.next = (s.next + 1) % (3 * len(s.targets))
	s.at = s.at.Add(s.step / time.Duration(3*len(s.targets)))
	s.point.Time = s.at.UnixNano()
	return s.point, s.at
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
	s, in := set(t, four(t)), points(t, 1, time.Second)
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
// thousand times in these, and of a thousand that are probed once a minute on three lines. The processor time is the figure
// to look at.
func BenchmarkFourRules(b *testing.B) {
	for _, tc := range []struct {
		name    string
		targets int
		step    time.Duration
	}{{"1 target, 1000 samples in the window", 1, 900 * time.Millisecond}, {"1000 targets, 15 samples in the window", 1000, time.Minute}} {
		b.Run(tc.name, func(b *testing.B) { observe(b, set(b, four(b)), points(b, tc.targets, tc.step)) })
	}
}

// BenchmarkThousandRules is a point through a thousand rules: all of which judge it, or one, because each has a target of its own.
func BenchmarkThousandRules(b *testing.B) {
	for name, where := range map[string]string{"that judge it": "available", "of which one does": `target == "target-%d"`} {
		b.Run(name, func(b *testing.B) {
			var specs []Spec
			for i := range 1000 {
				specs = append(specs, with(slow(b), func(s *Spec) {
					s.Where = parse(b, strings.ReplaceAll(where, "%d", fmt.Sprint(i)))
				}))
			}
			observe(b, set(b, specs), points(b, 100, time.Minute))
		})
	}
}

// observe measures a set that has settled.
func observe(b *testing.B, s *Set, in *feed) {
	var out []Transition
	for range 24 * len(in.targets) {
		p, now := in.take()
		out = s.Observe(out[:0], p, now)
	}
	b.ReportAllocs()
	n, before := 0, processor(b)
	for b.Loop() {
		p, now := in.take()
		out = s.Observe(out[:0], p, now)
		n++
	}
	b.ReportMetric(float64(processor(b)-before)/float64(n), "cpu-ns/op")
}

// processor is the processor time of this process: what a rule costs, also while others use the machine.
func processor(t testing.TB) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkInstances makes 100,000 instances with samples, and says how much memory each holds.
func BenchmarkInstances(b *testing.B) {
	const n = 100_000
	all := four(b)
	for i, name := range []string{"three of three", "quorum of three voters", "two levels", "window of five samples"} {
		b.Run(name, func(b *testing.B) {
			layout := expression.NewLayout(quality)
			r, diags := Compile(layout, with(all[i], func(s *Spec) { s.Limit = n }))
			if diags.HasErrors() {
				b.Fatal(diags)
			}
			p := pointAt(b, noon, values{"target": "", "isp": "ct", "available": true, "http_code": 200, "total_time": 1.0, "cert_days": 60.0})
			target, line := &p.Tags[0], &p.Tags[0]
			for i := range p.Tags {
				switch string(p.Tags[i].Key) {
				case "target":
					target = &p.Tags[i]
				case "isp":
					line = &p.Tags[i]
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
					if r.quorum != nil {
						line.Value = lines[minute%3]
					}
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

// BenchmarkStates writes 10,000 instances, as it is done every now and then, and reads them back.
func BenchmarkStates(b *testing.B) {
	const n = 10_000
	for _, spec := range four(b) {
		s, in := set(b, []Spec{with(spec, func(s *Spec) { s.Where = nil })}), points(b, n, time.Minute)
		m := s.machines[0]
		var out []Transition
		for range 3 * n * 5 {
			p, now := in.take()
			out = s.Observe(out[:0], p, now)
		}
		kept := store{}
		b.Run(spec.Name+" written", func(b *testing.B) {
			size := 0
			for b.Loop() {
				m.Touch()
				clear(kept)
				size = 0
				for more := true; more; {
					more = m.Changed(1000, func(key string, state []byte) bool {
						kept[key] = state
						size += len(state)
						return true
					})
				}
			}
			b.ReportMetric(float64(size)/float64(len(kept)), "B/instance")
		})
		b.Run(spec.Name+" read", func(b *testing.B) {
			for b.Loop() {
				if _, damaged := RestoreMachine(m.rule, in.at, in.at, kept.states()); len(damaged) > 0 {
					b.Fatal(damaged)
				}
			}
		})
	}
}
