package rule

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/soak"
)

// thousand are a thousand rules of the kinds that there are, on a hundred targets: ten of them judge each point.
func thousand(t testing.TB, over time.Duration) []Spec {
	var specs []Spec
	for i := range 1000 {
		spec := four(t)[i/100%4]
		switch i / 100 {
		case 8:
			spec = Spec{By: names("target"), Absent: time.Minute}
		case 9:
			spec = Spec{By: names("target", "isp"), Event: true, Fold: 10 * time.Second, When: parse(t, "total_time > 2.9")}
		}
		if spec.Over > 0 {
			spec.Over = over
		}
		spec.Name = fmt.Sprintf("rule-%d", i)
		spec.Where = parse(t, fmt.Sprintf(`target == "target-%d"`, i%100))
		specs = append(specs, spec)
	}
	return specs
}

// TestSoakAThousandRulesKeepUp gives a thousand rules ten thousand points a second for ten minutes, with the clock that is looked at and the
// states that are written now and then. What a point waits for its judgement stays below a second, and memory stays what it is.
// Without VEDETTE_SOAK it is some seconds of fewer points, and the deadline is generous, because others use the machine too. So it is with
// the race detector, which makes all of it ten times as slow.
func TestSoakAThousandRulesKeepUp(t *testing.T) {
	lasts, rate, limit := time.Duration(soak.Rounds(4, 60))*time.Second, 1_000, 5*time.Second
	if os.Getenv(soak.Variable) != "" && !raceDetector {
		lasts, rate, limit = 10*time.Minute, 10_000, time.Second
	}
	s, in := set(t, thousand(t, lasts/2)), points(t, 100, time.Second)
	total := fieldNamed(t, in.point, "total_time")
	r := rand.New(rand.NewPCG(1, 2))
	var out []Transition
	observe := func(now time.Time, since time.Duration) {
		// Each target is slow for a twentieth of the time, and each at another one.
		slow := (since+lasts*time.Duration(in.next/3)/100)%(lasts/2) < lasts/40
		p, _ := in.take()
		seconds := []float64{0.4, 0.5, 1.8}[r.IntN(3)]
		if slow {
			seconds = 3
		}
		*total = point.FieldOf("total_time", seconds)
		p.Time = now.UnixNano()
		out = s.Observe(out[:0], p, now)
	}
	transitions, written := 0, 0
	write := func() {
		for _, m := range s.machines {
			m.Removed()
			for more := true; more; {
				more = m.Changed(1000, func(string, []byte) bool { written++; return true })
			}
		}
	}
	// waited counts points by how many milliseconds they have waited.
	waited := make([]int, 60_000)
	begun := time.Now()
	start := begun
	ticked, wrote := start, start
	var settled uint64
	n, before := 0, processor(t)
	for ; ; n++ {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if due.Sub(start) >= lasts {
			break
		}
		if ahead := time.Until(due); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
		observe(due, due.Sub(start))
		transitions += len(out)
		waited[min(int(time.Since(due)/time.Millisecond), len(waited)-1)]++
		if due.Sub(ticked) >= time.Second {
			ticked = due
			out = s.Tick(out[:0], due)
		}
		if due.Sub(wrote) >= min(5*time.Second, lasts/4) {
			wrote = due
			write()
		}
		if settled == 0 && due.Sub(start) >= lasts*6/10 {
			// The windows are full. What looking at the heap takes is no delay of the rules'.
			looked := time.Now()
			settled = heap()
			start = start.Add(time.Since(looked))
		}
	}
	share := 100 * (processor(t) - before).Seconds() / time.Since(begun).Seconds()
	end := heap()
	p99, seen := 0, 0
	for ms, count := range waited {
		if seen += count; seen*100 >= n*99 {
			p99 = ms
			break
		}
	}
	t.Logf("%d rules, %d points in %s: %d transitions, %d states written, p99 of the delay %d ms, %.0f %% of a processor, heap %d KiB and then %d KiB",
		len(s.machines), n, lasts, transitions, written, p99, share, settled>>10, end>>10)
	if time.Duration(p99)*time.Millisecond >= limit {
		t.Errorf("p99 of the delay is %d ms", p99)
	}
	if transitions == 0 || written == 0 {
		t.Error("nothing happens")
	}
	if end > settled+settled/10+1<<20 {
		t.Errorf("the heap grows from %d to %d bytes", settled, end)
	}
}

// heap is what is in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func fieldNamed(t testing.TB, p *point.Point, name string) *point.Field {
	t.Helper()
	for i := range p.Fields {
		if string(p.Fields[i].Key) == name {
			return &p.Fields[i]
		}
	}
	t.Fatalf("the point has no field %s", name)
	return nil
}
