package pipeline

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/spool"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// audit is as numbered, for the lane of records.
func audit(n int, text string) *wire.Point {
	p := withText(n, text)
	p.Measurement = "audit"
	return p
}

func auditLine(n int, text string) string { return "audit" + strings.TrimPrefix(lineOf(n, text), "m") }

func TestEachPointGoesTheWayOfItsMeasurement(t *testing.T) {
	p := newPipeline(t, Options{})
	p.inOrder()
	s := p.testSource(tag("host", "h"))
	a := mustTake(t, s, encode(t, numbered(0), audit(1, ""), &wire.Point{Measurement: "m"}, numbered(2), audit(3, "")))
	if len(a.refused) != 1 || a.refused[0].Index != 2 || a.acknowledged() != 1 {
		t.Errorf("acknowledged %d times with refusals %v", a.acknowledged(), a.refused)
	}
	if st := p.Stats(); st.Samples.Points != 2 || st.Records.Points != 2 {
		t.Errorf("%d samples and %d records wait when the batch is acknowledged", st.Samples.Points, st.Records.Points)
	}
	// The terms change with the plugin's manifest.
	s.SetTerms(Terms{Measurements: []wire.Measurement{{Name: "m", Record: true}}})
	mustTake(t, s, encode(t, numbered(4), audit(5, "")))
	samples, records := new(memory), new(memory)
	r := startBoth(t, p, Stores{Samples: samples, Records: records})
	waitFor(t, "empty spools", func() bool { return p.waiting() == 0 })
	r.stop(t)
	host := func(line string) string { return strings.Replace(line, " ", ",host=h ", 1) }
	wantLines(t, samples.lines(), host(lineOf(0, "")), host(lineOf(2, "")), auditLine(5, ""))
	wantLines(t, records.lines(), host(auditLine(1, "")), host(auditLine(3, "")), lineOf(4, ""))
}

func TestAnOutageOfOneLaneDoesNotHoldUpTheOther(t *testing.T) {
	for _, away := range []string{"m", "audit"} {
		p := newPipeline(t, small)
		s := p.testSource()
		stuck, fine := &memory{permit: make(chan struct{})}, new(memory)
		stores := Stores{Samples: stuck, Records: fine}
		point := func(n int, of string) *wire.Point {
			p := withText(n, noise(n, 4000))
			p.Measurement = of
			return p
		}
		other := "audit"
		if away == "audit" {
			stores, other = Stores{Samples: fine, Records: stuck}, "m"
		}
		startBoth(t, p, stores)
		// The lane that is away fills up, and batches of it wait.
		var waiting []*answer
		for n := range 20 {
			waiting = append(waiting, take(s, encode(t, point(n, away))))
		}
		waitFor(t, "a batch to be held", func() bool { _, by := p.Held(); return errors.Is(by, spool.ErrFull) })
		for n := range 50 {
			mustTake(t, s, encode(t, point(n, other)))
		}
		waitFor(t, "the other lane's points", func() bool { return len(fine.lines()) == 50 })
		close(stuck.permit)
		waitFor(t, "all points", func() bool { return len(stuck.lines()) >= 20 && waiting[19].acknowledged() == 1 })
	}
}

func TestABatchIsAcknowledgedWhenBothLanesHaveIt(t *testing.T) {
	p := newPipeline(t, small)
	s := p.testSource()
	mustTake(t, s, encode(t, withText(0, noise(0, 50<<10))))
	a := take(s, encode(t, withText(1, noise(1, 20<<10)), audit(2, "")))
	waitFor(t, "the record to be on disk", func() bool { return p.Stats().Records.Records == 1 })
	waitFor(t, "the sample to be held", func() bool { _, by := p.Held(); return by != nil })
	if a.acknowledged() != 0 {
		t.Error("a batch was acknowledged of which a part is nowhere")
	}
	start(t, p, new(memory))
	waitFor(t, "the acknowledgement", func() bool { return a.acknowledged() == 1 })
}

func TestASpoolOfTheFirstVersionIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	old, _, err := spool.Open(dir, spool.Options{MinFree: -1, SegmentBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	const points = 40
	var want []string
	var wrote sync.WaitGroup
	for n := range points {
		text := "first\nsecond " + noise(n, 50)
		want = append(want, lineOf(n, text))
		wrote.Add(1)
		// A block of that version is nothing but lines, each after its length.
		old.Append(appendText(nil, []byte(lineOf(n, text))), 1, func(err error) {
			if err != nil {
				t.Error(err)
			}
			wrote.Done()
		})
	}
	wrote.Wait()
	for range 3 {
		rec, err := old.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Commit(rec.Seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	p := openPipeline(t, dir, Options{})
	mustTake(t, p.testSource(), encode(t, numbered(points)))
	if st := p.Stats(); st.Samples.Points != points-3+1 || st.Samples.Gaps != 0 {
		t.Errorf("%+v", st.Samples)
	}
	wantLines(t, delivered(t, p), append(want[3:], lineOf(points, ""))...)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || !slices.Equal(left, []string{filepath.Join(dir, "lock"), filepath.Join(dir, "records"), filepath.Join(dir, "samples")}) {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

func TestASecondPipelineIsRefused(t *testing.T) {
	dir := t.TempDir()
	p := openPipeline(t, dir, Options{})
	if _, err := Open(dir, Options{}, hclog.NewNullLogger()); !errors.Is(err, spool.ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	openPipeline(t, dir, Options{})
}

// openDropping opens a small pipeline that drops its oldest points, and what it logs.
func openDropping(t *testing.T) (*Pipeline, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	p, err := Open(t.TempDir(), Options{MaxBytes: 256 << 10, MinFree: -1, DropOldest: true},
		hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Info}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, log
}

func TestSamplesAreDroppedBeforeRecordsAndAllAreCounted(t *testing.T) {
	p, log := openDropping(t)
	p.inOrder()
	s := p.testSource()
	const each, text = 300, 2000 // 600 KB of samples, and as much of records
	samples, records := uint64(0), uint64(0)
	for n := range each {
		mustTake(t, s, encode(t, withText(n, noise(n, text))))
		samples++
	}
	st := p.Stats()
	if st.Samples.Dropped.Points == 0 || st.Samples.Dropped.Points+st.Samples.Points != samples || st.Samples.DiskBytes < 150<<10 {
		t.Errorf("after %d samples: %+v", samples, st.Samples)
	}
	for n := 0; p.Stats().Samples.Points > 0; n++ {
		mustTake(t, s, encode(t, audit(n, noise(n, text))))
		if records++; p.Stats().Records.Dropped.Points > 0 {
			t.Fatalf("records were dropped while samples wait: %+v", p.Stats())
		}
	}
	for n := range each {
		mustTake(t, s, encode(t, audit(n, noise(n, text))))
		records++
	}
	st = p.Stats()
	if st.Samples.Dropped.Points != samples || st.Records.Dropped.Points == 0 || st.Records.Dropped.Points+st.Records.Points != records {
		t.Errorf("after %d samples and %d records: %+v", samples, records, st)
	}
	if sum := st.Samples.DiskBytes + st.Records.DiskBytes; sum > 256<<10 {
		t.Errorf("%d bytes are on disk", sum)
	}
	store := new(memory)
	r := start(t, p, store)
	waitFor(t, "empty spools", func() bool { return p.waiting() == 0 })
	r.stop(t)
	if got := store.lines(); uint64(len(got)) != st.Records.Points || got[len(got)-1] != auditLine(each-1, noise(each-1, text)) {
		t.Errorf("delivered %d points, want the newest %d records", len(got), st.Records.Points)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "the oldest points are dropped"); n != 1 {
		t.Errorf("the log tells %d times that points are dropped:\n%s", n, log)
	}
	if n := strings.Count(log.String(), "the oldest points were dropped"); n != 1 || !strings.Contains(log.String(), "samples=300 ") {
		t.Errorf("the log does not tell how many were dropped:\n%s", log)
	}
}

func TestWhatIsBeingDeliveredWhileItIsDroppedIsStoredAndNothingIsCountedTwice(t *testing.T) {
	p, _ := openDropping(t)
	s := p.testSource()
	store := &memory{permit: make(chan struct{})}
	r := start(t, p, store)
	const points = 600
	for n := range points {
		mustTake(t, s, encode(t, withText(n, noise(n, 2000))))
		if n == 50 {
			waitFor(t, "deliveries to be under way", func() bool { return store.begun() == deliveriesAtOnce })
		}
	}
	if p.Stats().Samples.Dropped.Points == 0 {
		t.Fatalf("nothing was dropped: %+v", p.Stats())
	}
	close(store.permit)
	waitFor(t, "empty spools", func() bool { return p.waiting() == 0 })
	r.stop(t)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got := store.lines()
	slices.Sort(got)
	if distinct := slices.Compact(slices.Clone(got)); len(distinct) != len(got) {
		t.Errorf("%d of %d points were stored twice", len(got)-len(distinct), len(got))
	}
	if st := p.Stats().Samples; uint64(len(got))+st.Dropped.Points != points || st.Gaps != 0 {
		t.Errorf("%d points were stored and %d dropped of %d; %+v", len(got), st.Dropped.Points, points, st)
	}
}

func TestAStoreThatFailsEndsBothLanesAndNothingBehindItIsMarked(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	failure := errors.New("the store is gone for good")
	released := make(chan struct{})
	var mu sync.Mutex
	calls := 0
	store := storeFunc(func(ctx context.Context, lines [][]byte) error {
		mu.Lock()
		calls++
		first := calls == 1
		mu.Unlock()
		if !first {
			return nil
		}
		select {
		case <-released:
			return failure
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	r := startBoth(t, p, Stores{Samples: store, Records: new(memory)})
	for n := range 4 {
		mustTake(t, s, encode(t, numbered(n)))
		waitFor(t, "the delivery of this point alone", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return calls > n
		})
	}
	close(released)
	if err := r.wait(t); !errors.Is(err, failure) {
		t.Errorf("Run: %v", err)
	}
	if c := p.Stats().Samples.Cursor; c != 0 {
		t.Errorf("marked up to record %d, and the first was not stored", c)
	}
}

var _ Store = (*influx.Writer)(nil)
