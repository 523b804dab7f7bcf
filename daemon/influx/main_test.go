package influx_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
)

// patience is far more than anything here may take.
const patience = 60 * time.Second

// server is one real InfluxDB for all tests; each test has a database of its own.
var server *embedded.Server

// atEnd is done when all tests have ended.
var atEnd []func()

func TestMain(m *testing.M) {
	os.Exit(func() int {
		defer func() {
			for _, done := range atEnd {
				done()
			}
		}()
		binary, err := influxdtest.Find()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		dir, err := os.MkdirTemp("", "influx")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		server = embedded.New(embedded.Options{Binary: binary, Dir: filepath.Join(dir, "influxdb")})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		defer func() {
			stop()
			<-done
		}()
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := server.WaitReady(wait); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// unique is a name that no other test has.
func unique() string { return "test_" + rand.Text() }

// database makes a database for one test, with points kept for 32 days.
func database(t testing.TB) string {
	t.Helper()
	name := unique()
	setup := setup(t)
	policy := influx.RetentionPolicy{Name: "autogen", Duration: 32 * 24 * time.Hour, Default: true}
	if err := setup.Database(limited(t), name, policy); err != nil {
		t.Fatal(err)
	}
	return name
}

func setup(t testing.TB) *influx.Setup1 {
	t.Helper()
	s, err := influx.NewSetup1(influx.ReaderOptions{URL: server.Credentials().URL, Token: server.Credentials().Admin.Token()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// refusals collects what a Writer sets aside.
type refusals struct {
	mu    sync.Mutex
	lines []string
	why   []string
}

func (r *refusals) add(lines [][]byte, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range lines {
		r.lines, r.why = append(r.lines, string(line)), append(r.why, reason)
	}
	return nil
}

func writerTo(t testing.TB, o influx.WriterOptions) (*influx.Writer, *refusals) {
	t.Helper()
	refused := &refusals{}
	if o.URL == "" {
		o.URL, o.Token = server.Credentials().URL, server.Credentials().Admin.Token()
	}
	if o.Reject == nil {
		o.Reject = refused.add
	}
	w, err := influx.NewWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, refused
}

func query(t testing.TB, database, q string) []influx.Series {
	t.Helper()
	r, err := influx.NewReader(influx.ReaderOptions{URL: server.Credentials().URL,
		Token: server.Credentials().Admin.Token(), Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Query(limited(t), q)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func wantResult(t testing.TB, got, want influx.Result) {
	t.Helper()
	got.Requests = 0
	if got != want {
		t.Errorf("result %+v, want %+v", got, want)
	}
}

func lines(text ...string) [][]byte {
	all := make([][]byte, len(text))
	for i := range text {
		all[i] = []byte(text[i])
	}
	return all
}

// points returns n good points, a second apart, the newest of them now.
func points(n int) []string {
	now := time.Now().Truncate(time.Second)
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("m,host=a v=%d.5,n=%di %d", i, i, now.Add(time.Duration(i-n)*time.Second).UnixNano())
	}
	return all
}
