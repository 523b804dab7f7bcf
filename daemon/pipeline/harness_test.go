package pipeline

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

func waitFor(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// openPipeline opens a pipeline over real spools that leave no space to others, and closes it with the test.
func openPipeline(t testing.TB, dir string, o Options) *Pipeline {
	t.Helper()
	o.MinFree = -1
	p, err := Open(dir, o, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// newPipeline is a pipeline in a directory of its own.
func newPipeline(t testing.TB, o Options) *Pipeline {
	t.Helper()
	return openPipeline(t, t.TempDir(), o)
}

// testSource is a source whose measurement "audit" has records.
func (p *Pipeline) testSource(tags ...point.Tag) *Source {
	return p.Source(Terms{Tags: tags, Measurements: []wire.Measurement{{Name: "audit", Record: true}}}, hclog.NewNullLogger())
}

// inOrder lets a store get points in the order in which they lie on disk: one delivery at a time.
func (p *Pipeline) inOrder() { p.samples.atOnce, p.records.atOnce = 1, 1 }

// waiting is how many records of the spools are not delivered.
func (p *Pipeline) waiting() uint64 {
	st := p.Stats()
	return st.Samples.Records + st.Records.Records
}

// noise is a text that no compression makes shorter, and that needs no escapes.
func noise(seed, size int) string {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	b := make([]byte, size*3/4)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func tag(key, value string) point.Tag { return point.Tag{Key: []byte(key), Value: []byte(value)} }

// numbered is a point whose line is that of lineOf.
func numbered(n int) *wire.Point { return withText(n, "") }

// withText is as numbered, with a text to make it long.
func withText(n int, text string) *wire.Point {
	return &wire.Point{Measurement: "m", Time: 1 + int64(n), Fields: []*wire.Field{
		{Key: "n", Value: &wire.Field_Int{Int: int64(n)}},
		{Key: "s", Value: &wire.Field_String_{String_: text}},
	}}
}

func lineOf(n int, text string) string { return fmt.Sprintf(`m n=%di,s="%s" %d`, n, text, 1+n) }

// encode returns the points as they lie in a batch.
func encode(t testing.TB, points ...*wire.Point) [][]byte {
	t.Helper()
	var raw [][]byte
	for _, p := range points {
		b, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b)
	}
	return raw
}

// answer is what became of a batch.
type answer struct {
	mu      sync.Mutex
	times   int
	refused []*wire.Refusal
}

func (a *answer) done(refused []*wire.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times++
	a.refused = refused
}

// acknowledged says whether the batch was, and how often.
func (a *answer) acknowledged() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times
}

// take hands a batch over and returns at once.
func take(s *Source, points [][]byte) *answer {
	a := new(answer)
	s.Take(points, a.done)
	return a
}

// mustTake hands a batch over and waits until it is acknowledged.
func mustTake(t testing.TB, s *Source, points [][]byte) *answer {
	t.Helper()
	a := take(s, points)
	waitFor(t, "an acknowledgement", func() bool { return a.acknowledged() > 0 })
	return a
}

// memory is a store that keeps lines in the order in which they come. It stands where InfluxDB does, whose own room
// tests the real one.
type memory struct {
	// permit, if set, gives leave for one Write per value.
	permit chan struct{}

	mu     sync.Mutex
	kept   []string
	writes int // begun
}

func (m *memory) Write(ctx context.Context, lines [][]byte) (influx.Result, error) {
	m.mu.Lock()
	m.writes++
	m.mu.Unlock()
	if m.permit != nil {
		select {
		case <-m.permit:
		case <-ctx.Done():
			return influx.Result{}, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range lines {
		m.kept = append(m.kept, string(line))
	}
	return influx.Result{Stored: len(lines)}, nil
}

func (m *memory) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.kept)
}

func (m *memory) begun() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// running is a pipeline that runs.
type running struct {
	cancel context.CancelFunc
	ended  chan error
}

// start runs the pipeline until stop, or the end of the test, with one store for both lanes.
func start(t testing.TB, p *Pipeline, store Store) *running {
	t.Helper()
	return startBoth(t, p, Stores{Samples: store, Records: store})
}

func startBoth(t testing.TB, p *Pipeline, stores Stores) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, ended: make(chan error, 1)}
	var all sync.WaitGroup
	all.Go(func() { r.ended <- p.Run(ctx, stores) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
	return r
}

// wait waits until Run has returned.
func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		t.Fatal("Run did not return")
		return nil
	}
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	r.cancel()
	if err := r.wait(t); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

// delivered runs the pipeline until all that waits on disk is delivered, and returns the lines.
func delivered(t testing.TB, p *Pipeline) []string {
	t.Helper()
	store := new(memory)
	r := start(t, p, store)
	waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
	r.stop(t)
	return store.lines()
}

func wantLines(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("delivered\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wantGoroutines waits until no more goroutines run than that.
func wantGoroutines(t testing.TB, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("%d goroutines run, want %d\n%s", runtime.NumGoroutine(), n, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
