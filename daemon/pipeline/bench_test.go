package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// smallPoint is one of a host's metrics: 3 tags, 2 floats, an integer, some 110 bytes as a line.
func smallPoint(n int, r *rand.Rand) *wire.Point {
	return &wire.Point{
		Measurement: "cpu",
		Time:        1_700_000_000_000_000_000 + int64(n)*1_234_567,
		Tags:        []*wire.Tag{{Key: "host", Value: fmt.Sprintf("web-%02d.example.com", n%30)}},
		Fields: []*wire.Field{
			{Key: "usage", Value: &wire.Field_Float{Float: float64(r.IntN(100_000_000)) / 1e6}},
			{Key: "load", Value: &wire.Field_Float{Float: float64(r.IntN(1_000_000_000)) / 1e9}},
			{Key: "procs", Value: &wire.Field_Int{Int: r.Int64N(1000)}},
		},
	}
}

// probePoint is like those of http-quality: 31 fields, some 800 bytes as a line.
func probePoint(n int, r *rand.Rand) *wire.Point {
	p := &wire.Point{
		Measurement: "http_quality",
		Time:        1_700_000_000_000_000_000 + int64(n)*1_234_567,
		Tags: []*wire.Tag{
			{Key: "target", Value: fmt.Sprintf("site-%d", n%200)}, {Key: "app", Value: "商城"},
			{Key: "url", Value: fmt.Sprintf("https://site-%d.example.com/", n%200)}, {Key: "method", Value: "GET"},
		},
	}
	for _, name := range []string{
		"namelookup_time", "connect_time", "appconnect_time", "pretransfer_time", "starttransfer_time", "total_time",
		"dns", "tcp", "tls", "request", "wait", "transfer", "speed_download", "cert_days",
	} {
		p.Fields = append(p.Fields, &wire.Field{Key: name, Value: &wire.Field_Float{Float: float64(r.IntN(1_000_000_000)) / 1e9}})
	}
	for _, name := range []string{
		"up", "attempt", "http_code", "size_download", "header_size", "request_size", "num_redirects", "num_connects",
		"content_length_download",
	} {
		p.Fields = append(p.Fields, &wire.Field{Key: name, Value: &wire.Field_Int{Int: r.Int64N(1 << 12)}})
	}
	for name, v := range map[string]string{
		"outcome": "ok", "remote_ip": "203.0.113.17", "local_ip": "10.1.2.3", "http_version": "1.1", "tls_version": "TLS 1.3",
	} {
		p.Fields = append(p.Fields, &wire.Field{Key: name, Value: &wire.Field_String_{String_: v}})
	}
	for _, name := range []string{"available", "body_matched", "ocsp_stapled"} {
		p.Fields = append(p.Fields, &wire.Field{Key: name, Value: &wire.Field_Bool{Bool: true}})
	}
	return p
}

// messages are some messages of so many points, as a plugin sends them.
func messages(t testing.TB, make func(int, *rand.Rand) *wire.Point, size int) (list [][]byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for m := range 8 {
		b := &wire.Batch{Seq: 1}
		for n := range size {
			b.Points = append(b.Points, make(m*size+n, r))
		}
		raw, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, raw)
	}
	return list
}

// plugin sends messages with a window that is full all the time.
type plugin struct {
	source *Source
	window chan struct{}
}

func (p *Pipeline) plugin() *plugin {
	s := p.testSource(tag("host", "gz1-probe-03"), tag("isp", "ct"), tag("idc", "gz1"))
	return &plugin{source: s, window: make(chan struct{}, p.window)}
}

func (p *plugin) send(t testing.TB, message []byte) {
	p.window <- struct{}{}
	b, err := point.ParseBatch(message)
	if err != nil {
		t.Fatal(err)
	}
	p.source.Take(b.Points, func([]*wire.Refusal) { <-p.window })
}

// wait waits until all is acknowledged.
func (p *plugin) wait(t testing.TB) {
	for range cap(p.window) {
		p.window <- struct{}{}
	}
	for range cap(p.window) {
		<-p.window
	}
	if c := p.source.Counts(); c.Refused > 0 {
		t.Fatal(c.LastReason)
	}
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIntake takes messages of one plugin onto disk while InfluxDB is away, so that they are compressed as soon as
// there is a backlog.
func BenchmarkIntake(b *testing.B) {
	for _, kind := range []struct {
		name string
		make func(int, *rand.Rand) *wire.Point
	}{{"small", smallPoint}, {"probe", probePoint}} {
		for _, size := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("points=%s/message=%d", kind.name, size), func(b *testing.B) {
				list := messages(b, kind.make, size)
				p := newPipeline(b, Options{MaxBytes: 64 << 30})
				p.samples.packFrom = -1
				sender := p.plugin()
				b.ReportAllocs()
				used, n := cpuTime(), 0
				for b.Loop() {
					sender.send(b, list[n%len(list)])
					n++
				}
				sender.wait(b)
				points := float64(n * size)
				b.ReportMetric(points/b.Elapsed().Seconds(), "points/s")
				b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/1e3/points, "cpu-µs/point")
				b.ReportMetric(float64(p.Stats().Samples.Bytes)/points, "disk-B/point")
			})
		}
	}
}

// BenchmarkThrough takes messages of one plugin while a store takes all at once, so that nothing waits for long.
func BenchmarkThrough(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("message=%d", size), func(b *testing.B) {
			list := messages(b, smallPoint, size)
			p := newPipeline(b, Options{MaxBytes: 64 << 30})
			var stored atomic.Int64
			r := start(b, p, storeFunc(func(_ context.Context, lines [][]byte) error {
				stored.Add(int64(len(lines)))
				return nil
			}))
			sender := p.plugin()
			b.ReportAllocs()
			used, n := cpuTime(), 0
			for b.Loop() {
				sender.send(b, list[n%len(list)])
				n++
			}
			waitFor(b, "all points", func() bool { return stored.Load() == int64(n*size) })
			points := float64(n * size)
			b.ReportMetric(points/b.Elapsed().Seconds(), "points/s")
			b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/1e3/points, "cpu-µs/point")
			r.stop(b)
		})
	}
}
