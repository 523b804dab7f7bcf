package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// BenchmarkTake takes batches of 1000 points with 7 fields into a real spool, with a window of 8 batches that are not
// acknowledged, as a plugin's session has it.
func BenchmarkTake(b *testing.B) {
	const points = 1000
	var batch []*wire.Point
	for n := range points {
		batch = append(batch, &wire.Point{
			Measurement: "http_quality",
			Time:        1_700_000_000_000_000_000 + int64(n),
			Tags:        []*wire.Tag{{Key: "target", Value: fmt.Sprintf("shop-%d", n)}, {Key: "app", Value: "mall"}},
			Fields: []*wire.Field{
				{Key: "total_time", Value: &wire.Field_Float{Float: 0.123456789}},
				{Key: "connect_time", Value: &wire.Field_Float{Float: 0.0123}},
				{Key: "http_code", Value: &wire.Field_Int{Int: 200}},
				{Key: "size_download", Value: &wire.Field_Int{Int: 123456}},
				{Key: "available", Value: &wire.Field_Bool{Bool: true}},
				{Key: "remote_ip", Value: &wire.Field_String_{String_: "203.0.113.17"}},
				{Key: "outcome", Value: &wire.Field_String_{String_: "ok"}},
			},
		})
	}
	raw := encode(b, batch...)
	size := 0
	for _, r := range raw {
		size += len(r)
	}
	p := newPipeline(b, Options{MaxBytes: 64 << 30})
	s := p.testSource(tag("host", strings.Repeat("h", 16)), tag("isp", "ct"), tag("idc", "gz1"))
	window := make(chan struct{}, 8)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		window <- struct{}{}
		s.Take(raw, func([]*wire.Refusal) { <-window })
	}
	for range cap(window) {
		window <- struct{}{}
	}
	b.ReportMetric(float64(b.N)*points/b.Elapsed().Seconds(), "points/s")
	if c := s.Counts(); c.Refused > 0 {
		b.Fatal(c.LastReason)
	}
}
