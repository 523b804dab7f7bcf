package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

type testTarget struct {
	Name   string            `hcl:"name,label"`
	URL    string            `hcl:"url" doc:"Address."`
	Slow   time.Duration     `hcl:"slow" default:"2s" doc:"Limit."`
	Labels map[string]string `hcl:"labels,optional" doc:"Tags."`
	Expect *struct {
		Status []string `hcl:"status" default:"[\"2xx\"]" doc:"Classes."`
	} `hcl:"expect,block" doc:"What is expected."`
}

type testConfig struct {
	Workers int          `hcl:"workers" default:"4" doc:"How many at once."`
	Ratio   float64      `hcl:"ratio,optional" doc:"A share."`
	Verbose bool         `hcl:"verbose,optional" doc:"Say more."`
	Targets []testTarget `hcl:"target,block" doc:"What to probe."`
}

type collectFunc func(context.Context, Emitter) error

func (f collectFunc) Collect(ctx context.Context, out Emitter) error { return f(ctx, out) }

func TestSchemaSaysWhatTheTagsSay(t *testing.T) {
	got, err := schemaOf(reflect.TypeFor[testConfig]())
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Schema{
		Attributes: []wire.Attribute{
			{Name: "workers", Type: "int", Default: "4", Doc: "How many at once."},
			{Name: "ratio", Type: "float", Doc: "A share."},
			{Name: "verbose", Type: "bool", Doc: "Say more."},
		},
		Blocks: []wire.Block{{Name: "target", Labels: []string{"name"}, Doc: "What to probe.", Schema: wire.Schema{
			Attributes: []wire.Attribute{
				{Name: "url", Type: "string", Required: true, Doc: "Address."},
				{Name: "slow", Type: "duration", Default: "2s", Doc: "Limit."},
				{Name: "labels", Type: "map(string)", Doc: "Tags."},
			},
			Blocks: []wire.Block{{Name: "expect", Single: true, Doc: "What is expected.", Schema: wire.Schema{
				Attributes: []wire.Attribute{{Name: "status", Type: "list(string)", Default: `["2xx"]`, Doc: "Classes."}},
			}}},
		}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSchemaRefusesWhatAnAuthorGotWrong(t *testing.T) {
	tests := map[string]struct {
		of   any
		want string
	}{
		"no doc": {struct {
			A string `hcl:"a"`
		}{}, "a of struct"},
		"odd type": {struct {
			A chan int `hcl:"a" doc:"x"`
		}{}, "can not be configured"},
		"odd kind": {struct {
			A string `hcl:"a,blokc" doc:"x"`
		}{}, `unknown kind "blokc"`},
		"odd map": {struct {
			A map[int]string `hcl:"a" doc:"x"`
		}{}, "a map's keys are strings"},
		"unexported": {struct {
			a string `hcl:"a" doc:"x"`
		}{}, "exported field"},
		"not a struct": {3, "is no struct"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := schemaOf(reflect.TypeOf(tc.of))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestDecodesTheConfigurationThatTheDaemonSends(t *testing.T) {
	var got testConfig
	err := decode([]byte(`{"workers":7,"ratio":0.5,"verbose":true,"target":[
		{"name":"shop","url":"http://a","slow":1.5,"labels":{"line":"ct"},"expect":{"status":["2xx","404"]}},
		{"name":"b","url":"http://b","slow":2,"labels":null}]}`), reflect.ValueOf(&got).Elem())
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers != 7 || got.Ratio != 0.5 || !got.Verbose || len(got.Targets) != 2 {
		t.Fatalf("got %+v", got)
	}
	shop := got.Targets[0]
	if shop.Name != "shop" || shop.Slow != 1500*time.Millisecond || shop.Labels["line"] != "ct" || !slices.Equal(shop.Expect.Status, []string{"2xx", "404"}) {
		t.Errorf("first target is %+v", shop)
	}
	if got.Targets[1].Expect != nil || got.Targets[1].Labels != nil {
		t.Errorf("second target is %+v", got.Targets[1])
	}
	if err := decode([]byte(`{"target":[{"url":3}]}`), reflect.ValueOf(&got).Elem()); err == nil || !strings.Contains(err.Error(), "target: 0: url") {
		t.Errorf("error %v does not name the place", err)
	}
}

func TestWhatIsAbsentFromACommandsConfigurationGetsItsDefault(t *testing.T) {
	got, err := Decode[testConfig]([]byte(`{"ratio":0.5,"target":[{"name":"a","expect":{}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers != 4 || got.Ratio != 0.5 || got.Targets[0].Slow != 2*time.Second || !slices.Equal(got.Targets[0].Expect.Status, []string{"2xx"}) {
		t.Errorf("got %+v", got)
	}
	target, err := Decode[testTarget](nil)
	if err != nil || target.Slow != 2*time.Second || target.Expect != nil || target.Labels != nil {
		t.Errorf("got %+v, %v", target, err)
	}
	if _, err := Decode[testTarget]([]byte(`{"slow":true}`)); err == nil || !strings.Contains(err.Error(), "slow") {
		t.Errorf("error %v does not name the place", err)
	}
}

// scheduled is a streamer with a schedule of its own.
type scheduled Ticks

func (scheduled) Stream(ctx context.Context, _ Stream) error {
	<-ctx.Done()
	return nil
}

func (s scheduled) Ticks() Ticks { return Ticks(s) }

func TestABeatSaysWhatAStreamersOwnScheduleHasDone(t *testing.T) {
	last := time.Unix(5, 6)
	s := session{out: newOutbox(1 << 20), streamer: scheduled{Last: last, Started: 7, Skipped: 8}}
	if b := s.beat(); b.LastTick != last.UnixNano() || b.Ticks != 7 || b.SkippedTicks != 8 {
		t.Errorf("the beat is %v", b)
	}
	s.streamer = scheduled{}
	if b := s.beat(); b.LastTick != 0 {
		t.Errorf("before the first tick the beat is %v", b)
	}
}

func TestPointsAreEncodedAsTheContractSays(t *testing.T) {
	when := time.Unix(0, 1_700_000_000_123_456_789)
	p := NewPoint("m").Tag("a", "b").Float("f", math.Pi).Int("i", -5).Uint("u", 7).Bool("t", true).String("s", "电").Seconds("d", 1500*time.Millisecond).Update()
	var got wire.Batch
	if err := proto.Unmarshal(p.encode(nil, when), &got); err != nil {
		t.Fatal(err)
	}
	want := &wire.Batch{Points: []*wire.Point{{
		Measurement: "m", Time: when.UnixNano(), Update: true,
		Tags: []*wire.Tag{{Key: "a", Value: "b"}},
		Fields: []*wire.Field{
			{Key: "f", Value: &wire.Field_Float{Float: math.Pi}},
			{Key: "i", Value: &wire.Field_Int{Int: -5}},
			{Key: "u", Value: &wire.Field_Uint{Uint: 7}},
			{Key: "t", Value: &wire.Field_Bool{Bool: true}},
			{Key: "s", Value: &wire.Field_String_{String_: "电"}},
			{Key: "d", Value: &wire.Field_Float{Float: 1.5}},
		},
	}}}
	if !proto.Equal(&got, want) {
		t.Errorf("got  %v\nwant %v", &got, want)
	}
	if n := nanoseconds(time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)); n != 0 {
		t.Errorf("a year that nanoseconds can not say became %d", n)
	}
}

func TestTicksAtOnceAndThenWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		tk := &ticker{interval: 10 * time.Second, timeout: 5 * time.Second, out: newOutbox(batchBytes), logger: hclog.NewNullLogger(),
			collector: collectFunc(func(context.Context, Emitter) error {
				at = append(at, time.Since(start))
				time.Sleep(3 * time.Second)
				return nil
			})}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		tk.run(ctx)
		if want := []time.Duration{0, 10 * time.Second, 20 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("ticked at %v, want %v", at, want)
		}
	})
}

func TestASplayPutsAllTicksButTheFirstOffAndCountsNoneAsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		tk := &ticker{interval: 10 * time.Second, timeout: 5 * time.Second, splay: 4 * time.Second, out: newOutbox(batchBytes), logger: hclog.NewNullLogger(),
			collector: collectFunc(func(context.Context, Emitter) error {
				at = append(at, time.Since(start))
				return nil
			})}
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		tk.run(ctx)
		if want := []time.Duration{0, 14 * time.Second, 24 * time.Second, 34 * time.Second}; !slices.Equal(at, want) || tk.skipped.Load() != 0 {
			t.Errorf("ticked at %v and skipped %d, want %v", at, tk.skipped.Load(), want)
		}
	})
}

func TestSkipsAndCountsTicksThatFallDueDuringACollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		tk := &ticker{interval: 10 * time.Second, timeout: time.Minute, out: newOutbox(batchBytes), logger: hclog.NewNullLogger(),
			collector: collectFunc(func(context.Context, Emitter) error {
				at = append(at, time.Since(start))
				time.Sleep(25 * time.Second)
				return nil
			})}
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		tk.run(ctx)
		if want := []time.Duration{0, 30 * time.Second}; !slices.Equal(at, want) || tk.skipped.Load() != 4 {
			t.Errorf("ticked at %v and skipped %d, want %v and 4", at, tk.skipped.Load(), want)
		}
	})
}

func TestAPanicAndATimeoutCostOneTickOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		var ended error
		tk := &ticker{interval: 10 * time.Second, timeout: 4 * time.Second, out: newOutbox(batchBytes), logger: hclog.NewNullLogger(),
			collector: collectFunc(func(ctx context.Context, _ Emitter) error {
				calls++
				if calls == 1 {
					panic("boom")
				}
				<-ctx.Done()
				ended = ctx.Err()
				return ended
			})}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		tk.run(ctx)
		if calls != 2 || !errors.Is(ended, context.DeadlineExceeded) || tk.skipped.Load() != 0 {
			t.Errorf("%d calls, the second ended with %v, %d skipped", calls, ended, tk.skipped.Load())
		}
	})
}

func TestAFlushDoesNotSayThatAPointIsOnDiskWhichIsTooLarge(t *testing.T) {
	out := newOutbox(batchBytes)
	out.put(t.Context(), NewPoint("m").String("s", strings.Repeat("x", batchBytes)), time.Now())
	out.put(t.Context(), NewPoint("m").Int("v", 1), time.Now())
	b, _ := out.take(0)
	out.settle(b.points, nil)
	var refused *Refused
	if err := out.flush(t.Context()); !errors.As(err, &refused) || refused.Points != 1 || !strings.Contains(err.Error(), "are the most") {
		t.Errorf("the flush says %v", err)
	}
	if err := out.flush(t.Context()); err != nil {
		t.Errorf("and again %v", err)
	}
}

func TestAFullOutboxHoldsTheCollectorAndDropsOnlyWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutbox(batchBytes)
		big := NewPoint("m").String("s", strings.Repeat("x", batchBytes-100))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range outboxBytes / batchBytes {
			out.put(ctx, big, time.Now())
		}
		out.put(ctx, big, time.Now()) // brings it above the bound
		start := time.Now()
		out.put(ctx, big, time.Now())
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v for room, want 1s", waited)
		}
		if points, dropped := out.counts(); points != outboxBytes/batchBytes+1 || dropped != 1 {
			t.Errorf("%d points, %d dropped", points, dropped)
		}
		if out.refused.Points != 1 || out.refused.Reason != "the daemon took none until it was too late" {
			t.Errorf("a flush would say %v", out.refused)
		}
		go func() {
			time.Sleep(time.Second)
			for range 2 {
				out.take(0)
			}
		}()
		out.put(t.Context(), big, time.Now())
		if _, dropped := out.counts(); dropped != 1 {
			t.Error("a point was dropped although room was made")
		}
	})
}

func TestBatchesStayWithinTheMessageLimit(t *testing.T) {
	const limit = 4096
	out := newOutbox(limit)
	for i := range 100 {
		out.put(t.Context(), NewPoint("m").String("s", strings.Repeat("x", i*10)), time.Now())
	}
	out.put(t.Context(), NewPoint("m").String("s", strings.Repeat("x", limit)), time.Now())
	total := 0
	for {
		b, _ := out.take(0)
		if b.points == 0 {
			break
		}
		if len(b.body) > limit-headBytes {
			t.Errorf("a batch has %d bytes", len(b.body))
		}
		var decoded wire.Batch
		if err := proto.Unmarshal(b.body, &decoded); err != nil || len(decoded.Points) != b.points {
			t.Fatalf("batch of %d points reads as %d, %v", b.points, len(decoded.Points), err)
		}
		total += b.points
	}
	if _, dropped := out.counts(); total != 100 || dropped != 1 {
		t.Errorf("%d points came out and %d were dropped, want 100 and 1", total, dropped)
	}
}

// serveInProcess serves the plugin over real gRPC and returns the daemon's side.
func serveInProcess(t *testing.T, p Plugin) wire.PluginClient {
	t.Helper()
	return wire.NewPluginClient(connect(t, p))
}

func connect(t *testing.T, p Plugin) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := p.Server(hclog.NewNullLogger())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return conn
}

func TestASessionKeepsTheWindowAndDrainsOnStop(t *testing.T) {
	const window, points = 2, 5500
	var collected atomic.Int64
	client := serveInProcess(t, Plugin{Name: "p", New: New(func(c testConfig, _ Env) (collectFunc, error) {
		return func(_ context.Context, out Emitter) error {
			for range points {
				out.Emit(NewPoint("m").Int("v", int64(c.Workers)))
				collected.Add(1)
			}
			return nil
		}, nil
	})})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answer, err := client.Configure(ctx, &wire.ConfigureRequest{Config: []byte(`{"workers":3}`), Window: window, MaxBatchBytes: 1 << 20,
		Interval: durationpb.New(time.Hour), Timeout: durationpb.New(time.Minute), LogLevel: "info"})
	if err != nil || len(answer.Problems) > 0 {
		t.Fatal(answer, err)
	}
	stream, err := client.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got int
	var unacknowledged []uint64
	receive := func() *wire.Batch {
		b, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		got += len(b.Points)
		unacknowledged = append(unacknowledged, b.Seq)
		return b
	}
	for range window {
		receive()
	}
	// The window is full, so nothing may come although more is waiting.
	early := make(chan *wire.Batch, 1)
	go func() {
		b, _ := stream.Recv()
		early <- b
	}()
	for collected.Load() < points {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-early:
		t.Fatal("a batch came beyond the window")
	case <-time.After(3 * linger):
	}
	if err := stream.Send(&wire.Control{Kind: &wire.Control_Stop{Stop: &wire.Stop{}}}); err != nil {
		t.Fatal(err)
	}
	acknowledge := func() {
		ack := &wire.Control{Kind: &wire.Control_Ack{Ack: &wire.Ack{Seq: unacknowledged[0]}}}
		if err := stream.Send(ack); err != nil {
			t.Fatal(err)
		}
		unacknowledged = unacknowledged[1:]
	}
	acknowledge()
	b := <-early
	got += len(b.Points)
	unacknowledged = append(unacknowledged, b.Seq)
	for got < points {
		acknowledge()
		receive()
	}
	for len(unacknowledged) > 0 {
		acknowledge()
	}
	if b, err := stream.Recv(); err == nil {
		t.Fatalf("after the drain came %v", b)
	}
	if got != points {
		t.Errorf("%d points came, want %d", got, points)
	}
}

func TestAConfigurationThatThePluginRefusesIsAnsweredWithPlaces(t *testing.T) {
	client := serveInProcess(t, Plugin{Name: "p", New: New(func(testConfig, Env) (collectFunc, error) {
		return nil, errors.Join(
			&Problem{Path: []string{"target", "1", "url"}, Err: errors.New("no scheme")},
			errors.New("too few"))
	})})
	answer, err := client.Configure(t.Context(), &wire.ConfigureRequest{Config: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := &wire.ConfigureResponse{Problems: []*wire.Problem{
		{Path: []string{"target", "1", "url"}, Summary: "no scheme"}, {Summary: "too few"}}}
	if !proto.Equal(answer, want) {
		t.Errorf("got %v, want %v", answer, want)
	}
}

func TestTheManifestIsTheSameEveryTime(t *testing.T) {
	p := Plugin{Name: "p", Version: "1", Doc: "d", New: New(func(testConfig, Env) (collectFunc, error) { return nil, nil })}
	first, err := p.describe()
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.describe()
	if err != nil || string(first) != string(second) {
		t.Fatalf("described differently, %v", err)
	}
	var m wire.Manifest
	if err := json.Unmarshal(first, &m); err != nil || m.Name != "p" || !m.HasRole(wire.RoleCollector) || m.Protocols[0] != wire.Protocol {
		t.Fatalf("manifest %+v, %v", m, err)
	}
}
