package influx_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// clock is a clock that a test sets.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// mixed is a batch of good points, of which some come with a text where InfluxDB has a number.
func mixed(good, bad int) [][]byte {
	batch := points(good + bad)
	for i := range bad {
		batch[i*len(batch)/bad] = fmt.Sprintf(`m,host=a v="text" %d`, time.Now().UnixNano()+int64(i))
	}
	return lines(batch...)
}

func TestOneWrongFieldAmong5000CostsFourRequestsAndThenOne(t *testing.T) {
	db := database(t)
	w, refused := writerTo(t, influx.WriterOptions{Bucket: db})
	if _, err := w.Write(limited(t), lines(points(1)...)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 1, 1} {
		got, err := w.Write(limited(t), mixed(4999, 1))
		if err != nil {
			t.Fatal(err)
		}
		if full := (influx.Result{Stored: 4999, Rejected: 1, Requests: want}); got != full {
			t.Errorf("batch %d: %+v, want %+v", i, got, full)
		}
	}
	if why := refused.why[1]; !strings.Contains(why, "not sent") || !strings.Contains(why, `input field "v" on measurement "m" is type string`) ||
		strings.Contains(refused.why[0], "dropped=") {
		t.Errorf("reasons: %q", refused.why)
	}
	state := w.State()
	if len(state.Poisons) != 1 {
		t.Fatalf("poisons: %+v", state.Poisons)
	}
	if p := state.Poisons[0]; p.Measurement != "m" || p.Field != "v" || p.Given != "string" || p.Existing != "float" || p.Points != 3 ||
		p.Since.IsZero() || p.Last.Before(p.Since) {
		t.Errorf("poison: %+v", p)
	}
	if state.Batches != 4 || state.Requests != 6 || state.Bytes < 3*5000*20 || state.Judged != 6 || state.Waited == 0 || state.Connections < 1 {
		t.Errorf("state: %+v", state)
	}
}

func TestManyWrongFieldsCostARequestMoreForEach(t *testing.T) {
	db := database(t)
	w, _ := writerTo(t, influx.WriterOptions{Bucket: db})
	var first, batch []string
	for f := range 20 {
		first = append(first, fmt.Sprintf("wide f%d=1 %d", f, time.Now().UnixNano()+int64(f)))
		batch = append(batch, fmt.Sprintf("wide f%d=true %d", f, time.Now().UnixNano()+int64(f)), fmt.Sprintf("wide f%d=2 %d", f, time.Now().UnixNano()+int64(f)))
	}
	if _, err := w.Write(limited(t), lines(first...)); err != nil {
		t.Fatal(err)
	}
	got, err := w.Write(limited(t), lines(batch...))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, got, influx.Result{Stored: 20, Rejected: 20})
	if got.Requests > 2*20+1 {
		t.Errorf("%d requests", got.Requests)
	}
}

// A type is a matter of the shard, so what was refused today may well be stored for another day.
func TestSamePointOfAnotherShardIsNotSetAsideUnseen(t *testing.T) {
	db := database(t)
	w, refused := writerTo(t, influx.WriterOptions{Bucket: db})
	today, before := time.Now().UnixNano(), time.Now().Add(-72*time.Hour).UnixNano()
	if _, err := w.Write(limited(t), lines(fmt.Sprintf("m v=1 %d", today))); err != nil {
		t.Fatal(err)
	}
	got, err := w.Write(limited(t), lines(fmt.Sprintf(`m v="x" %d`, today+1), fmt.Sprintf("m v=1 %d", today+2)))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, got, influx.Result{Stored: 1, Rejected: 1})
	got, err = w.Write(limited(t), lines(fmt.Sprintf(`m v="x" %d`, today+3), fmt.Sprintf(`m v="old" %d`, before)))
	if err != nil {
		t.Fatal(err)
	}
	if want := (influx.Result{Stored: 1, Rejected: 1, Requests: 1}); got != want {
		t.Errorf("%+v, want %+v; refused %q", got, want, refused.why)
	}
}

// The conflict is in both shards, and InfluxDB answers for the one that is quicker.
func TestWrongFieldInSeveralShardsIsParted(t *testing.T) {
	db := database(t)
	w, _ := writerTo(t, influx.WriterOptions{Bucket: db})
	var types, batch []string
	for day := range 5 {
		at := time.Now().Add(-time.Duration(day) * 24 * time.Hour).UnixNano()
		types = append(types, fmt.Sprintf("m v=1 %d", at))
		for i := range 40 {
			batch = append(batch, fmt.Sprintf(`m v="x" %d`, at+int64(i)), fmt.Sprintf(`m w=1 %d`, at+int64(i)))
		}
	}
	if _, err := w.Write(limited(t), lines(types...)); err != nil {
		t.Fatal(err)
	}
	got, err := w.Write(limited(t), lines(batch...))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, got, influx.Result{Stored: 200, Rejected: 200})
	if got.Requests > 80 {
		t.Errorf("%d requests", got.Requests)
	}
}

func TestSetAsidePointsAreTriedOnceAMinuteAndTakenWhenTheTypeHasChanged(t *testing.T) {
	db := database(t)
	w, _ := writerTo(t, influx.WriterOptions{Bucket: db})
	var c clock
	influx.SetClock(w, c.now)
	requests := func(good, bad, want int) {
		t.Helper()
		batch := mixed(good, bad)
		got, err := w.Write(limited(t), batch)
		if err != nil || got.Requests != want {
			t.Fatalf("%+v, want %d requests; %v", got, want, err)
		}
	}
	if _, err := w.Write(limited(t), lines(points(1)...)); err != nil {
		t.Fatal(err)
	}
	requests(9, 1, 3)
	requests(9, 1, 1)
	c.advance(61 * time.Second)
	requests(9, 1, 2) // the trial
	requests(9, 1, 1)

	// Now the texts are the right ones.
	s := reader(t, influx.ReaderOptions{Database: db})
	if _, err := s.Query(limited(t), "DROP MEASUREMENT m"); err != nil {
		t.Fatal(err)
	}
	text := func() [][]byte { return lines(fmt.Sprintf(`m v="text" %d`, time.Now().UnixNano())) }
	got, err := w.Write(limited(t), text())
	if err != nil || got != (influx.Result{Rejected: 1}) {
		t.Fatalf("%+v, %v", got, err)
	}
	c.advance(61 * time.Second)
	for range 2 {
		if got, err = w.Write(limited(t), text()); err != nil || got != (influx.Result{Stored: 1, Requests: 1}) {
			t.Fatalf("after the trial: %+v, %v", got, err)
		}
	}
	if p := w.State().Poisons; len(p) != 0 {
		t.Errorf("still remembered: %+v", p)
	}
}

func TestMemoryOfWrongFieldsIsBoundedAndEnds(t *testing.T) {
	const many = 300
	db := database(t)
	w, _ := writerTo(t, influx.WriterOptions{Bucket: db})
	var c clock
	influx.SetClock(w, c.now)
	var good, bad []string
	for i := range many {
		good = append(good, fmt.Sprintf("m%d v=1 %d", i, time.Now().UnixNano()))
		bad = append(bad, fmt.Sprintf("m%d v=true %d", i, time.Now().UnixNano()))
	}
	if _, err := w.Write(limited(t), lines(good...)); err != nil {
		t.Fatal(err)
	}
	got, err := w.Write(limited(t), lines(bad...))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, got, influx.Result{Rejected: many})
	if n := len(w.State().Poisons); n == 0 || n > 200 {
		t.Errorf("%d are remembered", n)
	}
	c.advance(2 * time.Hour)
	if p := w.State().Poisons; len(p) != 0 {
		t.Errorf("%d are remembered after two hours", len(p))
	}
}

// Deliveries run at once, while one plugin is steadily wrong: what is good costs one request a batch.
func TestSteadilyWrongPluginCostsTheOthersNoRequests(t *testing.T) {
	db := database(t)
	w, refused := writerTo(t, influx.WriterOptions{Bucket: db})
	if _, err := w.Write(limited(t), lines(points(1)...)); err != nil {
		t.Fatal(err)
	}
	const lanes, batches = 4, 12
	var running sync.WaitGroup
	var stored, rejected, requests atomic.Int64
	for range lanes {
		running.Go(func() {
			for range batches {
				got, err := w.Write(limited(t), mixed(990, 10))
				if err != nil {
					t.Error(err)
				}
				stored.Add(int64(got.Stored))
				rejected.Add(int64(got.Rejected))
				requests.Add(int64(got.Requests))
			}
		})
	}
	running.Wait()
	if stored.Load() != lanes*batches*990 || rejected.Load() != lanes*batches*10 || len(refused.lines) != lanes*batches*10 {
		t.Errorf("%d stored, %d rejected, %d set aside", stored.Load(), rejected.Load(), len(refused.lines))
	}
	// Each lane may learn of it for itself, once.
	if most := int64(lanes*batches + lanes*3); requests.Load() > most {
		t.Errorf("%d requests, want at most %d", requests.Load(), most)
	}
}

// BenchmarkSteadilyWrongPlugin compares deliveries, two at a time as the pipeline makes them, with and without points of a
// wrong type among them, in turns.
func BenchmarkSteadilyWrongPlugin(b *testing.B) {
	const good = 5000
	kinds := []struct {
		name  string
		wrong int
		took  []time.Duration
	}{{name: "none"}, {name: "1-of-5000", wrong: 1}, {name: "100-of-5000", wrong: 100}}
	dead := deadLetters(b, b.TempDir(), 64<<20)
	w, _ := writerTo(b, influx.WriterOptions{Bucket: database(b), Reject: dead.To(influx.Points)})
	write := func(batch [][]byte, wrong int) {
		if got, err := w.Write(context.Background(), batch); err != nil || got.Stored != good || got.Rejected != wrong {
			b.Error(got, err)
		}
	}
	for b.Loop() {
		for i, kind := range kinds {
			batch := append(lines(points(good)...), mixed(0, max(kind.wrong, 1))[:kind.wrong]...)
			write(batch, kind.wrong)
			start := time.Now()
			var two sync.WaitGroup
			for range 2 {
				two.Go(func() {
					for range 5 {
						write(batch, kind.wrong)
					}
				})
			}
			two.Wait()
			kinds[i].took = append(kinds[i].took, time.Since(start))
		}
	}
	for _, kind := range kinds {
		slices.Sort(kind.took)
		b.ReportMetric(float64(kind.took[len(kind.took)/2].Nanoseconds())/good/10, "ns/good-point-"+kind.name)
	}
}
