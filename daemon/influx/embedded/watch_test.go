package embedded

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestInfluxDBThatHangsIsToldFromOneThatIsBusy(t *testing.T) {
	const minute = time.Minute
	for name, c := range map[string]struct {
		silence silence
		want    string
	}{
		"it has just fallen silent":        {silence{5, minute, 0, true}, ""},
		"it does nothing":                  {silence{6, minute, 0, true}, "did nothing"},
		"next to nothing":                  {silence{6, minute, 500 * time.Millisecond, true}, "did nothing"},
		"it works":                         {silence{6, minute, 2 * time.Second, true}, ""},
		"it works, and has for long":       {silence{60, 9 * minute, minute, true}, ""},
		"it works for ever":                {silence{70, 11 * minute, 20 * minute, true}, "no answer for 11m0s"},
		"nobody knows what it does":        {silence{6, minute, 0, false}, ""},
		"nobody knows, and it is too long": {silence{70, 11 * minute, 0, false}, "no answer for 11m0s"},
	} {
		if err := defaultWatch.hangs(c.silence); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStoppedInfluxDBIsKilledAndStartedAgainWithItsData(t *testing.T) {
	t.Parallel()
	s := startWatched(t, watch{every: 50 * time.Millisecond, patience: 50 * time.Millisecond, silent: 40, longest: time.Hour})
	before, c := s.State(), s.Credentials()
	if err := s.write(c.Writer, fmt.Sprintf("m v=1 %d", time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.waitFor(func(st State) bool { return st.Restarts == 1 && st.Phase == Ready })
	after := s.State()
	if after.PID == before.PID || !strings.Contains(after.LastError, "hung") {
		t.Errorf("state: %+v", after)
	}
	if rows, err := s.query(s.Credentials().Reader, "SELECT v FROM m"); err != nil || len(rows) != 1 {
		t.Errorf("the data from before: %v, %v", rows, err)
	}
}

func TestInfluxDBIsOnlyTakenForStuckWhenThereWasRoomForAWhile(t *testing.T) {
	began := time.Now()
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	var f fullness
	for i, step := range []struct {
		now, said int // seconds; 0 said is never
		free      int64
		want      bool
	}{
		{1, 0, room, false}, {2, 2, 0, false}, {7, 7, 1 << 20, false},
		{12, 10, room, false}, {17, 16, room, false}, // it has not been asked since
		{22, 18, 0, false}, {27, 26, room, false}, // the disk was full once more
		{33, 31, room, false}, {38, 33, room, true},
	} {
		said := at(step.said)
		if step.said == 0 {
			said = time.Time{}
		}
		if got := f.sticks(said, step.free, at(step.now), 5*time.Second); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

// InfluxDB 1.8 can not write again by itself after its disk was full.
func TestInfluxDBWhoseDiskWasFullWritesAgain(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("a disk of its own can only be made by root; `make test` runs as root")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	s := start(t, Options{Dir: filepath.Join(disk, "influxdb")}, watch{every: 200 * time.Millisecond, patience: 5 * time.Second, silent: 100, longest: time.Hour})
	s.waitReady()
	c := s.Credentials()
	write := func(i int) error { return s.write(c.Writer, fmt.Sprintf("m v=%d %d", i, time.Now().UnixNano())) }
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	_ = os.WriteFile(filler, make([]byte, 96<<20), 0o600) // as much as there is room for
	until := time.Now().Add(time.Minute)
	for i := 1; write(i) == nil; i++ {
		if time.Now().After(until) {
			t.Fatal("the disk does not get full")
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for write(1_000_000) != nil {
		if time.Now().After(until) {
			t.Fatalf("InfluxDB does not write again: %+v", s.State())
		}
		time.Sleep(100 * time.Millisecond)
	}
	if st := s.State(); st.Restarts != 1 || !strings.Contains(st.LastError, "there is room again") {
		t.Errorf("state: %+v", st)
	}
	if rows, err := s.query(c.Reader, "SELECT v FROM m WHERE v = 0"); err != nil || len(rows) != 1 {
		t.Errorf("the data from before: %v, %v", rows, err)
	}
}

// Under load a ping may well go unanswered for as long as this watch has patience: it is the work that is seen.
func TestBusyInfluxDBIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := startWatched(t, watch{every: 10 * time.Millisecond, patience: time.Microsecond, silent: 50, longest: time.Hour})
	c := s.Credentials()
	var load sync.WaitGroup
	for lane := range 4 {
		load.Go(func() {
			for batch := range 15 {
				lines := make([]string, 2000)
				for i := range lines {
					lines[i] = fmt.Sprintf("m,lane=%d,series=%d v=1 %d", lane, i, time.Now().Add(time.Duration(-batch)*time.Second).UnixNano())
				}
				if err := s.write(c.Writer, lines...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	load.Wait()
	if st := s.State(); st.Restarts != 0 || st.Phase != Ready {
		t.Errorf("state: %+v", st)
	}
}

// startWatched starts a server and then watches it closely: its start would be too slow for such a watch.
func startWatched(t *testing.T, w watch) *server {
	t.Helper()
	s := start(t, Options{}, w)
	s.waitReady()
	return s
}

func TestWhatInfluxDBSaysOfItselfWantsThePasswordOfTheAdministrator(t *testing.T) {
	t.Parallel()
	s := startReady(t, Options{})
	c := s.Credentials()
	for _, path := range []string{"/debug/vars", "/debug/requests?seconds=1", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/all"} {
		for user, want := range map[User]bool{{}: false, c.Reader: false, c.Writer: false, c.Admin: path == "/debug/vars"} {
			request, err := http.NewRequest(http.MethodGet, c.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if user.Name != "" {
				request.SetBasicAuth(user.Name, user.Password)
			}
			if user == c.Admin && !want {
				continue // the administrator may
			}
			resp, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.StatusCode == http.StatusOK; got != want {
				t.Errorf("%s as %q: %s", path, user.Name, resp.Status)
			}
		}
	}
	// These can only be closed together, and whoever watches InfluxDB needs the first.
	for path, want := range map[string]int{"/ping": 204, "/health": 200, "/metrics": 200, "/query?q=SHOW+USERS": 401, "/api/v2/query": 405} {
		resp, err := http.Get(c.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}

func TestQuestionThatWouldFillTheMemoryIsRefused(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := startReady(t, Options{Memory: 64 << 20, Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
	c := s.Credentials()
	if err := s.write(c.Writer, fmt.Sprintf("m v=1 %d", time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.query(c.Reader, "SELECT mean(v) FROM m WHERE time > now() - 52w GROUP BY time(1s) fill(none)"); err == nil ||
		!strings.Contains(err.Error(), "max-select-buckets") {
		t.Errorf("a year by the second: %v", err)
	}
	if _, err := s.query(c.Reader, "SELECT mean(v) FROM m WHERE time > now() - 52w GROUP BY time(1m) fill(none)"); err != nil {
		t.Errorf("a year by the minute: %v", err)
	}
}
