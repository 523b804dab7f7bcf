package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

const (
	// maxLines and maxBody bound one request: points, and bytes before compression. A single longer line goes alone.
	maxLines = 5000
	maxBody  = 4 << 20

	defaultTimeout = 30 * time.Second
)

// WriterOptions say where to write and what to do with what is refused.
type WriterOptions struct {
	URL    string // http://127.0.0.1:8086
	Socket string // path of a unix socket to connect to instead
	Token  string // on 1.x user:password
	Org    string // 2.x only; 1.x ignores it
	Bucket string // on 1.x database or database/policy

	// Reject sets lines aside for good, with InfluxDB's reason. The rejection counts once Reject has returned nil; until
	// then the Writer asks again. It may be called from several goroutines if Write is.
	Reject func(lines [][]byte, reason string) error

	// Prepare, if set, makes what is to be written to. It is called before the first request, and again, with missing, when
	// an answer says that something is not there or not allowed, until it returns true. Requests are sent whatever it
	// returns. It may be called from several goroutines if Write is.
	Prepare func(ctx context.Context, missing bool) bool

	// OnChange, if set, is told of each change of the condition, with the last error in words. It must be quick and must
	// not call the Writer.
	OnChange func(c Condition, lastError string)

	// Compression says whether bodies are compressed; by default they are where they leave the machine.
	Compression Compression
	// Timeout bounds one request; 0 means 30 s.
	Timeout time.Duration
}

// Compression is whether bodies are compressed.
type Compression int

// The kinds of compression.
const (
	Automatic  Compression = iota // none over a unix socket, or without TLS to a loopback address; otherwise Compressed
	Compressed                    // gzip at its quickest
	Plain                         // none
)

// Writer delivers lines to one bucket. It is safe for concurrent use.
type Writer struct {
	service influxhttp.Service
	client  *http.Client
	target  string // the whole address that is posted to
	reject  func(lines [][]byte, reason string) error
	prepare func(ctx context.Context, missing bool) bool
	redact  func(string) string
	bodies  *bodies
	poisons poisons
	waits   waits
	state   tracker

	unprepared  atomic.Bool
	missing     atomic.Bool // an answer has said that something is
	connections atomic.Int64
}

// waits are the pauses between tries.
type waits struct {
	base, max     time.Duration // bounds of the back-off
	configuration time.Duration // after an answer that only a person can change
	longestAsked  time.Duration // the longest Retry-After that is believed
}

var defaultWaits = waits{
	base:          100 * time.Millisecond,
	max:           30 * time.Second,
	configuration: 30 * time.Second,
	longestAsked:  time.Hour,
}

// NewWriter checks the options; it sends nothing.
func NewWriter(o WriterOptions) (*Writer, error) {
	server, err := parseServer(o.URL, o.Token)
	if err != nil {
		return nil, err
	}
	if o.Bucket == "" {
		return nil, errors.New("influxdb writer: no bucket; on 1.x it is database or database/policy")
	}
	if o.Reject == nil {
		return nil, errors.New("influxdb writer: no Reject function for the lines that InfluxDB refuses")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	target := server.JoinPath("api/v2/write")
	target.RawQuery = url.Values{"org": {o.Org}, "bucket": {o.Bucket}, "precision": {"ns"}}.Encode()

	client := newClient(o.Timeout, o.Socket)
	transport := client.Transport.(*http.Transport)
	w := &Writer{
		client:  client,
		target:  target.String(),
		reject:  o.Reject,
		prepare: o.Prepare,
		redact:  secrets(o.Token).Replace,
		bodies:  newBodies(o.Compression == Plain || o.Compression == Automatic && (o.Socket != "" || isNear(server))),
		poisons: poisons{now: time.Now, all: map[string][]*poison{}},
		waits:   defaultWaits,
	}
	w.unprepared.Store(true)
	transport.DialContext = countConnections(transport.DialContext, &w.connections)
	var authorization string
	if o.Token != "" {
		authorization = "Token " + o.Token
	}
	w.service = influxhttp.NewService(server.String(), authorization,
		influxhttp.DefaultOptions().SetHTTPClient(client).SetApplicationName("vedette"))
	w.state.set(Idle, time.Now())
	w.state.changed = o.OnChange
	return w, nil
}

// Close closes idle connections. The Writer may be used afterwards.
func (w *Writer) Close() {
	w.client.CloseIdleConnections()
}

// Result counts what became of the lines of one Write. After an error it counts what was settled before it.
type Result struct {
	Stored   int // InfluxDB has them
	Rejected int // InfluxDB refused them and Reject took them
	Expired  int // older than the retention policy: InfluxDB would delete them at once
	Requests int // sent for it, repeats and bisection included
}

func (r *Result) add(o Result) {
	r.Stored += o.Stored
	r.Rejected += o.Rejected
	r.Expired += o.Expired
	r.Requests += o.Requests
}

// Write returns when every line is settled, or with ctx's error when ctx has ended. Each line is one point in line
// protocol, with its timestamp in nanoseconds; a trailing newline is optional. After an error the caller brings all
// lines again. The lines must not change while Write runs.
func (w *Writer) Write(ctx context.Context, lines [][]byte) (Result, error) {
	d := delivery{w: w}
	lines, err := d.setUnsendableAside(ctx, lines)
	lines, suspects := w.poisons.part(lines)
	// What is set aside waits for the disk, and the others for InfluxDB: neither for the other.
	aside := delivery{w: w}
	var asideErr error
	var others sync.WaitGroup
	if len(suspects) > 0 && err == nil {
		others.Go(func() {
			for i := 0; asideErr == nil && i < len(suspects); i++ {
				asideErr = aside.judge(ctx, suspects[i])
			}
		})
	}
	for err == nil && len(lines) > 0 {
		n := fitting(lines)
		err = d.settle(ctx, lines[:n], whole)
		lines = lines[n:]
	}
	others.Wait()
	d.add(aside.Result)
	if err = errors.Join(err, asideErr); err != nil {
		return d.Result, fmt.Errorf("write to influxdb: %w", err)
	}
	w.state.count(func(s *State) { s.Batches++ })
	return d.Result, nil
}

// fitting returns how many of the lines go into one request.
func fitting(lines [][]byte) int {
	size := 0
	for i, line := range lines {
		size += len(line) + 1
		if i == maxLines || (i > 0 && size > maxBody) {
			return i
		}
	}
	return len(lines)
}
