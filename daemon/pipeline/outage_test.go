package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// outageVariable lets the test binary play a daemon whose InfluxDB is away for as many points as it says. So nothing
// else is in the memory that is measured.
const outageVariable = "VEDETTE_PIPELINE_TEST_OUTAGE"

// outage is what such a daemon has seen.
type outage struct {
	Points int
	// Disk is what waited when InfluxDB came back, in bytes.
	Disk int64
	// Intake and Drain are how long it took to take all points, and to deliver them; CPU is what that cost.
	Intake, Drain       time.Duration
	IntakeCPU, DrainCPU time.Duration
	// Heap is the largest heap in use, and RSS the largest part of the memory, in bytes.
	Heap, RSS int64
	Delivered int
}

// suffer runs a daemon's process in dir through an outage.
func suffer(t testing.TB, dir string, points int) outage {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+dir, outageVariable+"="+strconv.Itoa(points))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	var o outage
	if err == nil {
		err = json.Unmarshal(out, &o)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	if o.Delivered != points {
		t.Fatalf("%d points of %d were delivered", o.Delivered, points)
	}
	return o
}

// beSufferer is that process: two plugins with messages of 100 points.
func beSufferer(dir string, points int) error {
	p, err := Open(dir, Options{MaxBytes: 64 << 30}, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	defer p.Close()
	var t panicking
	list := messages(t, smallPoint, 100)
	o := outage{Points: points}
	heap := watchHeap()
	began, used := time.Now(), cpuTime()
	var plugins sync.WaitGroup
	for half := range 2 {
		sender := p.plugin()
		plugins.Go(func() {
			for n := half * 100; n < points; n += 200 {
				sender.send(t, list[n/100%len(list)])
			}
			sender.wait(t)
		})
	}
	plugins.Wait()
	o.Intake, o.IntakeCPU = time.Since(began), cpuTime()-used
	o.Disk = p.Stats().Samples.Bytes

	began, used = time.Now(), cpuTime()
	ctx, cancel := context.WithCancel(context.Background())
	var delivered atomic.Int64
	store := storeFunc(func(_ context.Context, lines [][]byte) error {
		if delivered.Add(int64(len(lines))) >= int64(points) {
			cancel()
		}
		return nil
	})
	if err := p.Run(ctx, Stores{Samples: store, Records: store}); err != nil {
		return err
	}
	o.Drain, o.DrainCPU = time.Since(began), cpuTime()-used
	o.Delivered, o.Heap, o.RSS = int(delivered.Load()), heap(), peakRSS()
	return json.NewEncoder(os.Stdout).Encode(o)
}

// panicking is a test that ends its process when it fails.
type panicking struct{ testing.TB }

func (panicking) Helper()        {}
func (panicking) Fatal(a ...any) { panic(fmt.Sprint(a...)) }

// watchHeap looks at the heap until the function that it returns is called, which tells the most that was in use.
func watchHeap() func() int64 {
	end, most := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var peak uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse+m.StackInuse)
			select {
			case <-tick.C:
			case <-end:
				most <- int64(peak)
				return
			}
		}
	}()
	return func() int64 {
		close(end)
		return <-most
	}
}

// peakRSS is the most memory that this process has had, in bytes.
func peakRSS() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

func TestALongOutageTakesDiskAndNoMemory(t *testing.T) {
	points := 200_000
	if os.Getenv("VEDETTE_SOAK") != "" {
		points = 20_000_000
	}
	short, long := suffer(t, t.TempDir(), points/10), suffer(t, t.TempDir(), points)
	t.Logf("after %d points %+v", short.Points, short)
	t.Logf("after %d points %+v", long.Points, long)
	if long.Heap > 40<<20 {
		t.Errorf("the heap had %d bytes after %d points", long.Heap, points)
	}
	// Compression begins with the third segment.
	if packed := long.Disk - 2*segmentBytes; packed > 30*int64(points) {
		t.Errorf("points of 110 bytes take %d each when packed", packed/int64(points))
	}
}

// BenchmarkOutage simulates three days without InfluxDB at 10,000 points/s in volume: a fraction of their 2.6 billion
// points, and a tenth of that, so that it shows whether the cost of a point grows.
func BenchmarkOutage(b *testing.B) {
	const threeDays = 3 * 24 * 3600 * 10_000
	most := 4_000_000
	if os.Getenv("VEDETTE_SOAK") != "" {
		most = 80_000_000
	}
	for _, points := range []int{most / 10, most} {
		b.Run(fmt.Sprintf("points=%d/scale=1:%d", points, threeDays/points), func(b *testing.B) {
			var all outage
			for range b.N {
				all = suffer(b, b.TempDir(), points)
			}
			n := float64(points)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(all.Disk)/n, "disk-B/point")
			b.ReportMetric(n/all.Intake.Seconds(), "intake-points/s")
			b.ReportMetric(float64(all.IntakeCPU.Nanoseconds())/1e3/n, "intake-cpu-µs/point")
			b.ReportMetric(n/all.Drain.Seconds(), "drain-points/s")
			b.ReportMetric(float64(all.DrainCPU.Nanoseconds())/1e3/n, "drain-cpu-µs/point")
			b.ReportMetric(float64(all.RSS)/(1<<20), "RSS-MiB")
			b.ReportMetric(float64(all.Disk)/n*threeDays/(1<<30), "GiB-for-3-days")
		})
	}
}
