package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// patience is how long a harness waits for what a plugin should do at once.
const patience = 30 * time.Second

// Options say how to start a plugin. The zero value is a plugin without required arguments, which ticks every minute.
type Options struct {
	// Config is the configuration as JSON, as the daemon would send it; defaults are filled in.
	Config string
	// Interval and Timeout are a minute if they are zero.
	Interval, Timeout time.Duration
	// Logger gets the plugin's log; by default the test does.
	Logger hclog.Logger
}

// Harness is a plugin that runs within the test.
type Harness struct {
	t       testing.TB
	session *session
	conn    *grpc.ClientConn
	cancel  context.CancelFunc
}

// Start runs the plugin over real gRPC, and stops it at the test's end at the latest. A configuration that the plugin
// refuses fails the test: see Problems.
func Start(t testing.TB, p sdk.Plugin, opts Options) *Harness {
	t.Helper()
	conn := connect(t, &p, opts.Logger)
	problems := configure(t, conn, &p, opts)
	if len(problems) > 0 {
		t.Fatalf("the plugin refuses its configuration: %s", strings.Join(problems, "; "))
	}
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := wire.NewPluginClient(conn).Session(ctx)
	if err != nil {
		cancel()
		t.Fatalf("opening the session: %v", err)
	}
	h := &Harness{t: t, session: newSession(stream, false), conn: conn, cancel: cancel}
	t.Cleanup(func() {
		cancel()
		// The stream's reader ends with its context.
		ended, done := context.WithTimeout(context.Background(), patience)
		defer done()
		_ = h.session.until(ended, func() bool { return h.session.ended })
	})
	return h
}

// Points waits until at least n points have come, and returns all that have.
func (h *Harness) Points(n int) []*wire.Point {
	h.t.Helper()
	h.wait(fmt.Sprintf("%d points", n), func() bool { return len(h.session.points) >= n || h.session.ended })
	h.session.mu.Lock()
	defer h.session.mu.Unlock()
	if len(h.session.points) < n {
		h.t.Fatalf("the session ended after %d points, and not %d: %v", len(h.session.points), n, h.session.err)
	}
	return slices.Clone(h.session.points)
}

// Stop asks the plugin to stop, waits until it has drained, and returns all points that have come. It fails the test if
// the plugin broke the contract on its way.
func (h *Harness) Stop() []*wire.Point {
	h.t.Helper()
	h.session.stop()
	h.wait("the end of the session", func() bool { return h.session.ended })
	h.session.mu.Lock()
	defer h.session.mu.Unlock()
	if h.session.err != nil {
		h.t.Errorf("the session ended with %v", h.session.err)
	}
	for _, breach := range h.session.breaches {
		h.t.Errorf("the plugin broke the contract: %s", breach)
	}
	return slices.Clone(h.session.points)
}

// Notifier returns the daemon's side of the plugin's channels.
func (h *Harness) Notifier() wire.NotifierClient { return wire.NewNotifierClient(h.conn) }

func (h *Harness) wait(what string, condition func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.session.until(ctx, condition); err != nil {
		h.t.Fatalf("%s did not come within %s", what, patience)
	}
}

// Problems returns what the plugin says is wrong with a configuration, each with its place: target.0.url: no scheme.
func Problems(t testing.TB, p sdk.Plugin, opts Options) []string {
	t.Helper()
	return configure(t, connect(t, &p, opts.Logger), &p, opts)
}

func connect(t testing.TB, p *sdk.Plugin, logger hclog.Logger) *grpc.ClientConn {
	t.Helper()
	if logger == nil {
		logger = hclog.New(&hclog.LoggerOptions{Output: testWriter{t}, Level: hclog.Trace, DisableTime: true})
	}
	listener := bufconn.Listen(1 << 20)
	server := p.Server(logger)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBatch)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatalf("connecting to the plugin: %v", err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-served
	})
	return conn
}

func configure(t testing.TB, conn *grpc.ClientConn, p *sdk.Plugin, opts Options) []string {
	t.Helper()
	manifest, err := p.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := withDefaults(opts.Config, manifest.Config)
	if err != nil {
		t.Fatal(err)
	}
	req := configureRequest(config, opts)
	req.StateDir = t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := wire.NewPluginClient(conn).Configure(ctx, req)
	if err != nil {
		t.Fatalf("configuring the plugin: %v", err)
	}
	return texts(answer.Problems)
}

func texts(problems []*wire.Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, strings.TrimPrefix(strings.Join(p.Path, ".")+": "+p.Summary, ": "))
	}
	return list
}

func configureRequest(config []byte, opts Options) *wire.ConfigureRequest {
	for _, d := range []*time.Duration{&opts.Interval, &opts.Timeout} {
		if *d == 0 {
			*d = time.Minute
		}
	}
	return &wire.ConfigureRequest{
		Instance:      "test",
		Config:        config,
		Interval:      durationpb.New(opts.Interval),
		Timeout:       durationpb.New(opts.Timeout),
		Window:        window,
		MaxBatchBytes: maxBatch,
		LogLevel:      "trace",
		DaemonVersion: "test",
	}
}

// withDefaults fills in the defaults of the schema, as the daemon does.
func withDefaults(config string, schema wire.Schema) ([]byte, error) {
	if config == "" {
		config = "{}"
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(config), &object); err != nil {
		return nil, fmt.Errorf("the configuration of the test is no JSON object: %w", err)
	}
	if err := fill(object, schema); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

func fill(object map[string]any, schema wire.Schema) error {
	for _, a := range schema.Attributes {
		if _, ok := object[a.Name]; ok || a.Default == "" {
			continue
		}
		value, err := wire.ParseText(a.Type, a.Default)
		if err != nil {
			return fmt.Errorf("the default of %s: %w", a.Name, err)
		}
		object[a.Name] = value
	}
	for _, b := range schema.Blocks {
		inner, ok := object[b.Name].([]any)
		if one, single := object[b.Name].(map[string]any); single {
			inner, ok = []any{one}, true
		}
		for i := 0; ok && i < len(inner); i++ {
			block, isObject := inner[i].(map[string]any)
			if !isObject {
				return fmt.Errorf("%s is no block", b.Name)
			}
			if err := fill(block, b.Schema); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
		}
	}
	return nil
}

// testWriter writes lines into the log of a test.
type testWriter struct{ t testing.TB }

// Write implements io.Writer.
func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
