package kernel

import (
	"context"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// BenchmarkAProgramStarts compares how long a program takes to start and end, with the kernel's events being read and without:
// in turns, so that both meet the same machine. It also says how long the kernel is at it for each event.
func BenchmarkAProgramStarts(b *testing.B) {
	for name, all := range map[string]bool{"in scope": true, "out of scope": false} {
		b.Run(name, func(b *testing.B) { inTurns(b, all) })
	}
}

func inTurns(b *testing.B, all bool) {
	const together = 25 // programs before it is the other's turn
	nothing := program(b, "/bin/true", "nothing")
	once := func() time.Duration {
		start := time.Now()
		if err := exec.Command(nothing, "one", "two").Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	statistics, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	var perExec, perExit []float64
	var with, without []time.Duration
	for round := 0; b.Loop(); round++ {
		if round == 0 {
			once() // read from the disk
		}
		for range together {
			without = append(without, once())
		}
		s, err := Open(Options{Mode: EBPF, All: all}, hclog.NewNullLogger())
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		heard := 0
		go func() {
			done <- s.Run(ctx, func(e Event) {
				if e, ok := e.(Exec); ok && e.Path == nothing {
					heard++
				}
			})
		}()
		for range together {
			with = append(with, once())
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		if all && heard != together || !all && heard > 0 {
			b.Fatalf("%d of %d programs were told of", heard, together)
		}
		t := s.how.(*tracer)
		for p, to := range map[*ebpf.Program]*[]float64{t.exec: &perExec, t.exit: &perExit} {
			n, err := p.Stats()
			if err != nil {
				b.Fatal(err)
			}
			*to = append(*to, float64(n.Runtime.Nanoseconds())/float64(n.RunCount))
		}
		s.Close()
	}
	_ = statistics.Close()
	slices.Sort(with)
	slices.Sort(without)
	slices.Sort(perExec)
	slices.Sort(perExit)
	median := func(d []time.Duration) float64 { return float64(d[len(d)/2].Nanoseconds()) / 1e3 }
	b.ReportMetric(median(without), "µs-without")
	b.ReportMetric(median(with), "µs-with")
	b.ReportMetric(median(with)/median(without), "p50-ratio")
	b.ReportMetric(perExec[len(perExec)/2], "ns/exec")
	b.ReportMetric(perExit[len(perExit)/2], "ns/exit")
	b.ReportMetric(0, "ns/op")
}
