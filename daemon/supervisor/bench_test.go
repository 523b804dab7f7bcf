package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// countingIntake acknowledges at once, so that what is measured is the way to it.
type countingIntake struct{ points atomic.Int64 }

// Take implements Intake.
func (c *countingIntake) Take(points [][]byte, done func([]*wire.Refusal)) {
	c.points.Add(int64(len(points)))
	done(nil)
}

// benched runs one plugin until the end of the benchmark.
func benched(b *testing.B, spec Spec) (*Supervisor, *countingIntake) {
	b.Helper()
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, intake := New(Options{RunDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state"), Logger: hclog.NewNullLogger(), Version: "test"}), &countingIntake{}
	spec.Name = "p"
	s.Apply([]Plugin{{spec, intake}})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return s, intake
}

// until waits without taking much of the processor from what is measured.
func until(b *testing.B, s *Supervisor, what string, condition func() bool) {
	b.Helper()
	for deadline := time.Now().Add(2 * patience); !condition(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not within %s: %s; the state is %+v", 2*patience, what, s.State("p"))
		}
	}
}

func self(b *testing.B) string {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return program
}

// built is a plugin of this repository as it is installed.
func built(b *testing.B, source string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), filepath.Base(source))
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, source).CombinedOutput(); err != nil {
		b.Fatalf("building: %v\n%s", err, out)
	}
	return program
}

// BenchmarkStart is the time from the start of a plugin's process until it is ready, mutual TLS and configuration
// included.
func BenchmarkStart(b *testing.B) {
	spec := Spec{Path: built(b, "../../examples/plugins/disk-free"), Config: []byte(`{"mounts": ["/"]}`), Interval: time.Hour, Timeout: time.Hour, Ticks: true}
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	i := &instance{spec: spec, stateDir: filepath.Join(dir, "state"), logger: hclog.NewNullLogger(), level: "info"}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		conn, err := launch(b.Context(), spec, filepath.Join(dir, "run"), newLogReader(i.logger))
		if err != nil {
			b.Fatal(err)
		}
		if err := i.configure(b.Context(), conn); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		conn.stop()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*9/10].Microseconds())/1000, "p90-ms")
}

// BenchmarkStream is how many points with seven values go through one stream with mutual TLS, in batches of 1000.
func BenchmarkStream(b *testing.B) {
	const each = 200_000
	s, intake := benched(b, Spec{Path: self(b), Config: fmt.Appendf(nil, `{"mode": "pour", "points": %d}`, each),
		Interval: 10 * time.Millisecond, Timeout: time.Hour, Ticks: true})
	until(b, s, "the first points", func() bool { return intake.points.Load() > 0 })
	began, before := time.Now(), intake.points.Load()
	for b.Loop() {
		n := intake.points.Load()
		until(b, s, "more points", func() bool { return intake.points.Load() >= n+each })
	}
	b.ReportMetric(float64(intake.points.Load()-before)/time.Since(began).Seconds(), "points/s")
}

// BenchmarkIdle is the resident memory, as ps shows it, of plugins that have collected once and wait.
func BenchmarkIdle(b *testing.B) {
	for name, plugin := range map[string]struct{ source, config string }{
		"disk-free":    {"../../examples/plugins/disk-free", `{"mounts": ["/"]}`},
		"http-quality": {"../../plugins/http-quality", `{"workers": 64}`},
	} {
		b.Run(name, func(b *testing.B) {
			program := built(b, plugin.source)
			var most float64
			for b.Loop() {
				s, _ := benched(b, Spec{Path: program, Config: []byte(plugin.config), Interval: time.Hour, Timeout: time.Minute, Ticks: true})
				until(b, s, "a beat", func() bool { st := s.State("p"); return st.Phase == Ready && st.Beat.GetTicks() > 0 })
				status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.State("p").Pid))
				if err != nil {
					b.Fatal(err)
				}
				_, line, _ := strings.Cut(string(status), "VmRSS:")
				kB, err := strconv.ParseFloat(strings.Fields(line)[0], 64)
				if err != nil {
					b.Fatal(err)
				}
				most = max(most, kB/1024)
			}
			b.ReportMetric(most, "RSS-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkFrozen is the time from the moment at which a plugin stands still until another process is ready in its place.
func BenchmarkFrozen(b *testing.B) {
	s, _ := benched(b, Spec{Path: self(b), Config: []byte(`{"points": 1}`), Interval: time.Hour, Timeout: time.Hour, Ticks: true})
	until(b, s, "a beat", func() bool { return s.State("p").Beat != nil })
	var longest time.Duration
	for b.Loop() {
		frozen := s.State("p").Pid
		if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		until(b, s, "another process", func() bool { st := s.State("p"); return st.Phase == Ready && st.Pid != frozen })
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(longest.Seconds(), "s-until-replaced")
	b.ReportMetric((3 * beatInterval).Seconds(), "s-of-beats")
}
