package embedded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
)

// patience is far more than anything here may take.
const patience = 60 * time.Second

const (
	daemonDir    = "VEDETTE_EMBEDDED_TEST_DIR"
	daemonBinary = "VEDETTE_EMBEDDED_TEST_BINARY"
	daemonHalt   = "VEDETTE_EMBEDDED_TEST_HALT_AFTER"
)

// TestMain lets the test binary play a daemon that gets killed: it runs a Server until a step of the set-up is done,
// says so, and waits.
func TestMain(m *testing.M) {
	dir := os.Getenv(daemonDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	s := New(Options{Binary: os.Getenv(daemonBinary), Dir: dir})
	s.onStep = func(step string) {
		if step == os.Getenv(daemonHalt) {
			fmt.Println(step)
			select {}
		}
	}
	fmt.Fprintln(os.Stderr, s.Run(context.Background()))
	os.Exit(1)
}

// server is a Server under test with its Run.
type server struct {
	*Server
	t    *testing.T
	end  context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // what it returned
}

func start(t *testing.T, o Options, watches ...watch) *server {
	t.Helper()
	if o.Binary == "" {
		o.Binary = influxdtest.Binary(t)
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "influxdb")
	}
	var said bytes.Buffer
	if o.Logger == nil {
		o.Logger = hclog.New(&hclog.LoggerOptions{Output: &said, Level: hclog.Debug})
	}
	ctx, end := context.WithCancel(context.Background())
	s := &server{Server: New(o), t: t, end: end, done: make(chan struct{})}
	for _, w := range watches {
		s.watch = w
	}
	go func() {
		defer close(s.done)
		s.err = s.Run(ctx)
	}()
	t.Cleanup(func() {
		end()
		_ = s.result()
		if t.Failed() {
			t.Logf("what was logged:\n%s", &said)
		}
	})
	return s
}

func startReady(t *testing.T, o Options) *server {
	t.Helper()
	s := start(t, o)
	s.waitReady()
	return s
}

func (s *server) waitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) stop() {
	s.t.Helper()
	s.end()
	if err := s.result(); err != nil {
		s.t.Errorf("Run: %v", err)
	}
}

// result waits for Run to return.
func (s *server) result() error {
	s.t.Helper()
	select {
	case <-s.done:
		return s.err
	case <-time.After(patience):
		s.t.Fatal("Run does not return")
		return nil
	}
}

func (s *server) write(u User, lines ...string) error {
	s.t.Helper()
	c := s.Credentials()
	w, err := influx.NewWriter(influx.WriterOptions{URL: c.URL, Token: u.Token(), Bucket: c.Database,
		Reject: func(lines [][]byte, reason string) error { return fmt.Errorf("%s: %s", lines, reason) }})
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Close()
	batch := make([][]byte, len(lines))
	for i, line := range lines {
		batch[i] = []byte(line)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err = w.Write(ctx, batch); err != nil {
		return fmt.Errorf("%w: %s", err, w.State().LastError)
	}
	return nil
}

func (s *server) query(u User, q string) ([]influx.Series, error) {
	s.t.Helper()
	c := s.Credentials()
	r, err := influx.NewReader(influx.ReaderOptions{URL: c.URL, Token: u.Token(), Database: c.Database})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return r.Query(ctx, q)
}

// wantUsable checks all that a daemon needs of a server that is ready.
func (s *server) wantUsable(retention string) {
	s.t.Helper()
	c := s.Credentials()
	if err := s.write(c.Writer, fmt.Sprintf("usable v=1 %d", time.Now().UnixNano())); err != nil {
		s.t.Errorf("the writer cannot write: %v", err)
	}
	if rows, err := s.query(c.Reader, "SELECT v FROM usable"); err != nil || len(rows) != 1 {
		s.t.Errorf("the reader cannot read: %v, %v", rows, err)
	}
	policies, err := s.query(c.Admin, "SHOW RETENTION POLICIES")
	if err != nil || len(policies) != 1 || len(policies[0].Rows) != 2 {
		s.t.Fatalf("policies: %v, %v", policies, err)
	}
	if records := fmt.Sprint(policies[0].Rows[1]); !strings.HasPrefix(records, "[records 9600h0m0s ") || !strings.HasSuffix(records, " false]") {
		s.t.Errorf("policy %s, want records, 9600h, not the default", records)
	}
	row := fmt.Sprint(policies[0].Rows[0])
	if !strings.HasPrefix(row, "[autogen "+retention+" ") || !strings.HasSuffix(row, " true]") {
		s.t.Errorf("policy %s, want autogen, %s, the default", row, retention)
	}
}

func (s *server) waitFor(condition func(State) bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if condition(s.State()) {
			return
		}
	}
	s.t.Fatalf("the state stays at %+v", s.State())
}

// program writes a shell script that stands for an influxd that cannot be made to fail as wanted.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "influxd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
