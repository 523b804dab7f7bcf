package main

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// targetAt is a target block that sets nothing but its address: the rest is as the schema fills it in.
func targetAt(name, url string) targetConfig {
	return targetConfig{Name: name, URL: url, probeConfig: probeConfig{Method: "GET", Timeout: patience, MaxRedirects: 10,
		MaxBody: 10 << 20, Family: "any", HTTPVersion: "1.1", Redirects: "follow", AllowDowngrade: true, MinTLSVersion: "1.2"}}
}

// streaming is a watch under way.
type streaming struct {
	*watch
	out   recorder
	stop  context.CancelFunc
	ended chan error
}

// recorder is a stream whose points nobody waits for.
type recorder struct{ sdktest.Recorder }

// Flush implements sdk.Stream.
func (*recorder) Flush(context.Context) error { return nil }

// startWatching runs a plugin whose block has an interval of 100 ms, and defaults but for what is given.
func startWatching(t *testing.T, c config) *streaming {
	t.Helper()
	return startWatchingIn(t, t.TempDir(), c)
}

// startWatchingIn does so with the state that another left.
func startWatchingIn(t *testing.T, state string, c config) *streaming {
	t.Helper()
	if c.Concurrency == 0 {
		c.Concurrency = 100
	}
	w, err := newWatch(c, sdk.Env{Interval: 100 * time.Millisecond, Logger: hclog.NewNullLogger(), StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &streaming{watch: w, stop: stop, ended: make(chan error, 1)}
	go func() { s.ended <- w.Stream(ctx, &s.out) }()
	t.Cleanup(func() { s.end(t) })
	return s
}

// end stops it and waits for its end.
func (s *streaming) end(t *testing.T) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Error(err)
		}
		s.ended <- nil
	case <-time.After(patience):
		t.Fatal("Stream did not return")
	}
}

// of are the points of a target so far.
func (s *streaming) of(t *testing.T, name string) []*wire.Point {
	t.Helper()
	var points []*wire.Point
	for _, p := range s.out.Points() {
		if tagsOf(t, p)["target"] == name {
			points = append(points, p)
		}
	}
	return points
}

// collect probes the targets, and returns the first point of each.
func collect(t *testing.T, targets ...targetConfig) []*wire.Point {
	t.Helper()
	s := startWatching(t, config{Targets: targets})
	var points []*wire.Point
	for _, target := range targets {
		waitFor(t, "a point of "+target.Name, func() bool { return len(s.of(t, target.Name)) > 0 })
		points = append(points, s.of(t, target.Name)[0])
	}
	s.end(t)
	return points
}

// values are the fields of a point: float64, int64, bool and string.
func values(t *testing.T, p *wire.Point) map[string]any {
	t.Helper()
	fields := map[string]any{}
	for _, f := range p.Fields {
		if _, twice := fields[f.Key]; twice {
			t.Errorf("field %s is there twice", f.Key)
		}
		if fields[f.Key] = f.Any(); typeOf(fields[f.Key]) == "" {
			t.Errorf("field %s is a %T", f.Key, f.Value)
		}
	}
	return fields
}

// tagsOf are the tags of a point that count: one without a value is absent.
func tagsOf(t *testing.T, p *wire.Point) map[string]string {
	t.Helper()
	tags := map[string]string{}
	for _, tag := range p.Tags {
		if _, twice := tags[tag.Key]; twice {
			t.Errorf("tag %s is there twice", tag.Key)
		}
		if tag.Value != "" {
			tags[tag.Key] = tag.Value
		}
	}
	return tags
}

// site is a web server on loopback.
func site(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

// secureSite is a site over TLS; caFile holds the certificate that it is trusted by.
func secureSite(t *testing.T, answer http.HandlerFunc) (url, caFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	// It would tell of every handshake that a test lets fail.
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(caFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, caFile
}

// says answers with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rawSite does with every connection what serve says, and closes it then.
func rawSite(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// mute takes connections and never answers.
func mute(t *testing.T) string {
	t.Helper()
	return rawSite(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
}

// texts are all texts of a point, names left out.
func texts(p *wire.Point) string {
	var all strings.Builder
	for _, tag := range p.Tags {
		all.WriteString(tag.Value + "\n")
	}
	for _, f := range p.Fields {
		all.WriteString(f.GetString_() + "\n")
	}
	return all.String()
}
