package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

// subject is a daemon with this status.
type subject struct {
	mu      sync.Mutex
	status  Status
	filters []influx.LetterFilter // of dead letters that were chosen
	// watchers get those who watch.
	watchers chan *watcher
}

func (s *subject) Reload() Reload {
	return Reload{Applied: true, Restarted: []string{"http-quality"}, AtNextStart: []string{"influxdb"}}
}

func (s *subject) RetryDeadLetters(_ context.Context, chosen influx.LetterFilter) (Retried, error) {
	s.chosen(chosen)
	return Retried{Stored: 3, Refused: 1}, errors.New("InfluxDB is away")
}

func (s *subject) DropDeadLetters(chosen influx.LetterFilter) (Dropped, error) {
	s.chosen(chosen)
	return Dropped{Letters: 7}, nil
}

func (s *subject) chosen(f influx.LetterFilter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filters = append(s.filters, f)
}

func (s *subject) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *subject) set(problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Problem = problem
}

// serve runs the server until the end of the test, or until the function that it returns is called.
func serve(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Run did not return")
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

func control(t *testing.T, s Subject) (path string, stop func() error) {
	t.Helper()
	path = filepath.Join(socketDir(t), "control.sock")
	server, err := Control(path, s, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	return path, serve(t, server)
}

// socketDir is a directory whose name is short enough for a socket in it, however long the test's name is.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "console")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func healthServer(t *testing.T, s Subject) (address string, stop func() error) {
	t.Helper()
	server, err := Health("127.0.0.1:0", s, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	return server.Address().String(), serve(t, server)
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ask sends a request over a connection of its own.
func ask(t *testing.T, method, address, path string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(limited(t), method, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode < 400 && resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("content type is %q", resp.Header.Get("Content-Type"))
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func TestTheControlSocketIsItsUsersAloneAndTellsTheStatus(t *testing.T) {
	want := Status{
		Version: "1.2.3", Pid: 7, Started: time.Unix(1_700_000_000, 0).UTC(), Tags: map[string]string{"host": "网关"},
		Plugins:  []Plugin{{Name: "p", State: "running", Since: time.Unix(1_700_000_001, 5).UTC(), Points: 1 << 60}},
		Problem:  "disk \"full\"\n",
		Queue:    Queue{Lane: Lane{Points: 3, OldestAge: 1.5}, Records: Lane{Points: 1}},
		InfluxDB: InfluxDB{URL: "http://127.0.0.1:8086", Stored: 9},
	}
	path, _ := control(t, &subject{status: want})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the control socket's mode is %v", info.Mode())
	}
	got, err := FetchStatus(limited(t), path)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := encoded(t, got), encoded(t, want); !bytes.Equal(g, w) {
		t.Errorf("status is %s\nwant %s", g, w)
	}
}

func encoded(t *testing.T, s Status) []byte {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestASocketThatADeadDaemonLeftIsReplaced(t *testing.T) {
	path := filepath.Join(socketDir(t), "control.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := FetchStatus(limited(t), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("with a dead daemon's socket: %v", err)
	}
	server, err := Control(path, &subject{status: Status{Pid: 7}}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(t, server)
	if got, err := FetchStatus(limited(t), path); err != nil || got.Pid != 7 {
		t.Errorf("status %+v, error %v", got, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there after a clean end: %v", err)
	}
	if _, err := FetchStatus(limited(t), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after a clean end: %v", err)
	}
}

func TestHealthSaysWhetherButNotWhy(t *testing.T) {
	s := new(subject)
	address, _ := healthServer(t, s)
	if code, body := ask(t, "GET", address, "/healthz"); code != 200 || body != `{"status":"ok"}` {
		t.Errorf("well: %d %s", code, body)
	}
	s.set("the disk with the secret name is full")
	if code, body := ask(t, "GET", address, "/healthz"); code != 503 || body != `{"status":"failing"}` {
		t.Errorf("not well: %d %s", code, body)
	}
	s.set("")
	if code, body := ask(t, "GET", address, "/healthz"); code != 200 || body != `{"status":"ok"}` {
		t.Errorf("well again: %d %s", code, body)
	}
}

func TestOnlyWhatIsThereIsAnsweredAndOnlyToGet(t *testing.T) {
	address, _ := healthServer(t, new(subject))
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "NONSENSE"} {
		if code, _ := ask(t, method, address, "/healthz"); code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, code)
		}
	}
	for _, path := range []string{"/", "/v1/status", "/healthz/", "/debug/pprof/"} {
		if code, _ := ask(t, "GET", address, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestATakenAddressNamesTheSetting(t *testing.T) {
	address, _ := healthServer(t, new(subject))
	_, err := Health(address, new(subject), hclog.NewNullLogger())
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "listen") {
		t.Errorf("error is %v, want one with %s and the setting's name", err, address)
	}
}

func TestAPlaceWhereNoSocketCanBeIsAnError(t *testing.T) {
	dir := socketDir(t)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no directory":     filepath.Join(dir, "none", "control.sock"),
		"a full directory": dir,
		"a path too long":  filepath.Join(dir, strings.Repeat("x", 120)),
		"below a file":     filepath.Join(dir, "file", "control.sock"),
	} {
		if s, err := Control(path, new(subject), hclog.NewNullLogger()); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), "control socket") {
			t.Errorf("%s: error %q does not say what was tried", name, err)
		}
	}
}

func TestReloadSaysWhatHasChanged(t *testing.T) {
	path, _ := control(t, &subject{})
	got, err := RequestReload(limited(t), path)
	if err != nil || !got.Applied || !slices.Equal(got.Restarted, []string{"http-quality"}) || !slices.Equal(got.AtNextStart, []string{"influxdb"}) {
		t.Errorf("the answer is %+v, %v", got, err)
	}
}
