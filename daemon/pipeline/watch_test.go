package pipeline

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// watched waits until so many points have come or were lost, and returns the lines of those that have come.
func watched(t *testing.T, w *Watcher, want int) (lines []string, lost uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(lines)+int(lost) < want {
		points, missing, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("after %d points and %d lost ones: %v", len(lines), lost, err)
		}
		for _, p := range points {
			lines = append(lines, string(p.AppendLine(nil)))
		}
		lost += missing
	}
	return lines, lost
}

func of(measurement string, n int) *wire.Point {
	p := numbered(n)
	p.Measurement = measurement
	return p
}

func TestAWatcherGetsWhatIsStoredAsItIsStored(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource(tag("host", "a"))
	mustTake(t, s, encode(t, of("m", 0)))
	w := p.Watch([]string{"m", "audit"})
	defer w.Close()
	other := p.Watch([]string{"other"})
	defer other.Close()

	update := of("audit", 3)
	update.Update = true
	bad := of("m", 2)
	bad.Fields = nil
	batch := encode(t, of("m", 1), bad, of("unwatched", 1), of("other", 7))
	mustTake(t, s, batch)
	for i := range batch {
		clear(batch[i]) // whoever took them may use their memory again
	}
	mustTake(t, s, encode(t, update))
	got, lost := watched(t, w, 2)
	if want := "m,host=a n=1i,s=\"\" 2\naudit,host=a n=3i,s=\"\" 4"; strings.Join(got, "\n") != want || lost != 0 {
		t.Errorf("it got, with %d lost:\n%s\nwant\n%s", lost, strings.Join(got, "\n"), want)
	}
	if got, _ := watched(t, other, 1); got[0] != "other,host=a n=7i,s=\"\" 8" {
		t.Errorf("the other got %s", got)
	}
}

func TestAnUpdateIsShownAsOne(t *testing.T) {
	p := newPipeline(t, Options{})
	w := p.Watch([]string{"audit"})
	defer w.Close()
	update := of("audit", 1)
	update.Update = true
	mustTake(t, p.testSource(), encode(t, of("audit", 1), update))
	points, _, err := w.Next(t.Context())
	if err != nil || len(points) != 2 || points[0].Update || !points[1].Update {
		t.Errorf("%d points, %v", len(points), err)
	}
}

func TestAWatcherThatTakesNothingHoldsNobodyBackAndIsToldWhatItMissed(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	w := p.Watch([]string{"m"})
	defer w.Close()
	const each, all = 64 << 10, 200 // 12 MiB
	for n := range all {
		mustTake(t, s, encode(t, withText(n, strings.Repeat("x", each))))
	}
	w.mu.Lock()
	held := w.bytes
	w.mu.Unlock()
	if held > watchedBytes {
		t.Errorf("%d bytes are held for it, more than %d", held, watchedBytes)
	}
	lines, lost := watched(t, w, all)
	if len(lines)+int(lost) != all || lost == 0 || len(lines) < watchedBytes/each-2 {
		t.Errorf("it got %d and was told of %d, of %d", len(lines), lost, all)
	}
	for n, line := range lines {
		if line != lineOf(n, strings.Repeat("x", each)) {
			t.Fatalf("line %d is %.40s", n, line)
		}
	}
	mustTake(t, s, encode(t, numbered(all)))
	if lines, lost := watched(t, w, 1); lost != 0 || lines[0] != lineOf(all, "") {
		t.Errorf("afterwards it got %.80q, and %d lost", lines, lost)
	}
}

func TestNothingIsShownAfterTheWatchingHasEnded(t *testing.T) {
	p := newPipeline(t, Options{})
	w := p.Watch([]string{"m"})
	w.Close()
	if p.watchers.Load() != nil {
		t.Error("somebody is said to watch")
	}
	mustTake(t, p.testSource(), encode(t, numbered(1)))
	if len(w.wake) != 0 || len(w.points) != 0 {
		t.Error("it got something")
	}
}

func TestNobodyPaysForWatchersOfOtherPoints(t *testing.T) {
	p := newPipeline(t, Options{})
	var d draft
	at := &point.Point{Measurement: []byte("m")}
	cost := func() float64 { return testing.AllocsPerRun(100, func() { d.see(p.watchers.Load(), at) }) }
	if n := cost(); n != 0 {
		t.Errorf("a point costs %v allocations while nobody watches", n)
	}
	w := p.Watch([]string{"audit"})
	defer w.Close()
	if n := cost(); n != 0 || len(d.seen) != 0 {
		t.Errorf("a point costs %v allocations while somebody watches others", n)
	}
}

// BenchmarkWatched takes messages of one plugin while nobody watches, somebody others, and somebody these.
func BenchmarkWatched(b *testing.B) {
	for _, what := range []string{"nobody", "others", "these"} {
		b.Run("by="+what, func(b *testing.B) {
			list := messages(b, smallPoint, 100)
			p := newPipeline(b, Options{MaxBytes: 64 << 30})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if what != "nobody" {
				w := p.Watch([]string{map[string]string{"others": "audit", "these": "cpu"}[what]})
				defer w.Close()
				done := make(chan struct{})
				defer func() { cancel(); <-done }()
				go func() {
					defer close(done)
					for ctx.Err() == nil {
						_, _, _ = w.Next(ctx)
					}
				}()
			}
			sender := p.plugin()
			r := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			used, n := cpuTime(), 0
			for b.Loop() {
				sender.send(b, list[r.IntN(len(list))])
				n++
			}
			sender.wait(b)
			b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/1e3/float64(n*100), "cpu-µs/point")
		})
	}
}
