package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/port"
)

func TestFirstStartGivesADatabaseThatItsUsersCanUse(t *testing.T) {
	t.Parallel()
	s := startReady(t, Options{})
	s.wantUsable("768h0m0s")
	state := s.State()
	if state.Phase != Ready || state.PID == 0 || state.URL == "" || state.Restarts != 0 {
		t.Errorf("state: %+v", state)
	}
	stored, err := ReadCredentials(s.options.Dir)
	if err != nil || stored != s.Credentials() {
		t.Errorf("another process reads other credentials: %v", err)
	}
	for name, want := range map[string]fs.FileMode{
		".": 0o700 | fs.ModeDir, "influxdb.conf": 0o600, "credentials.json": 0o600, "lock": 0o600,
	} {
		if info, err := os.Stat(filepath.Join(s.options.Dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, want %v (%v)", name, info.Mode(), want, err)
		}
	}
}

func TestAuthenticationIsOnWhateverTheEnvironmentSays(t *testing.T) {
	t.Setenv("INFLUXDB_HTTP_AUTH_ENABLED", "false")
	s := startReady(t, Options{})
	c := s.Credentials()
	resp, err := http.Get(c.URL + "/query?q=SHOW+DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a query without credentials is answered with %s", resp.Status)
	}
	if err := s.write(c.Reader, "m v=1 1"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("the reader writes: %v", err)
	}
	if err := s.write(c.Writer, fmt.Sprintf("m v=1 %d", time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	if rows, err := s.query(c.Writer, "SELECT v FROM m"); err == nil || len(rows) != 0 {
		t.Errorf("the writer reads: %v, %v", rows, err)
	}
	if _, err := s.query(c.Reader, "DROP MEASUREMENT m"); err == nil {
		t.Error("the reader deletes")
	}
}

func TestSecondStartKeepsDataAndCredentialsAndTakesTheNewRetention(t *testing.T) {
	t.Parallel()
	first := startReady(t, Options{})
	c := first.Credentials()
	if err := first.write(c.Writer, fmt.Sprintf("m v=1 %d", time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	first.stop()
	second := startReady(t, Options{Dir: first.options.Dir, Retention: 72 * time.Hour})
	if now := second.Credentials(); now.Writer != c.Writer || now.Reader != c.Reader || now.Admin != c.Admin {
		t.Error("the second start made new passwords")
	}
	if rows, err := second.query(c.Reader, "SELECT v FROM m"); err != nil || len(rows) != 1 {
		t.Errorf("the data of the first start: %v, %v", rows, err)
	}
	second.wantUsable("72h0m0s")
}

func TestKilledInfluxDBIsStartedAgainWithItsData(t *testing.T) {
	t.Parallel()
	s := startReady(t, Options{})
	before, c := s.State(), s.Credentials()
	if err := s.write(c.Writer, fmt.Sprintf("m v=1 %d", time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.waitFor(func(st State) bool { return st.Restarts == 1 && st.Phase == Ready })
	after := s.State()
	if after.PID == before.PID || after.URL != before.URL || !strings.Contains(after.LastError, "killed") {
		t.Errorf("state after a kill: %+v", after)
	}
	if rows, err := s.query(c.Reader, "SELECT v FROM m"); err != nil || len(rows) != 1 {
		t.Errorf("the data from before the kill: %v, %v", rows, err)
	}
}

// Half an entry at the end of the write-ahead log, which a crash or a full disk leaves, must not cost what is written after
// the next start.
func TestHalfAnEntryInTheLogCostsNothingThatIsWrittenAfterIt(t *testing.T) {
	t.Parallel()
	s := startReady(t, Options{})
	c := s.Credentials()
	kill := func() {
		before := s.State()
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.waitFor(func(st State) bool { return st.Restarts == before.Restarts+1 && st.Phase == Ready })
	}
	segments := func() []string {
		found, err := filepath.Glob(filepath.Join(s.options.Dir, "wal", "vedette", "autogen", "*", "_*.wal"))
		if err != nil || len(found) == 0 {
			t.Fatalf("segments: %v, %v", found, err)
		}
		return found
	}
	for round := range 3 {
		if err := s.write(c.Writer, fmt.Sprintf("m v=%d %d", round, time.Now().UnixNano())); err != nil {
			t.Fatal(err)
		}
		for _, path := range segments() {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			// The head of an entry of 100 bytes, and few of them.
			if _, err := f.Write([]byte("\x01\x00\x00\x00\x64 torn")); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
		}
		kill()
		if rows, err := s.query(c.Reader, "SELECT v FROM m"); err != nil || len(rows) != 1 || len(rows[0].Rows) != round+1 {
			t.Fatalf("after kill %d: %v, %v", round+1, rows, err)
		}
	}
}

func TestTakenPortNamesTheSetting(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	port := other.Addr().(*net.TCPAddr).Port
	s := start(t, Options{Port: port})
	err = s.result()
	for _, want := range []string{fmt.Sprint(port), "taken", "influxdb { port ="} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if waited := s.WaitReady(context.Background()); waited == nil || waited.Error() != err.Error() {
		t.Errorf("who waits is told %v", waited)
	}
}

func TestPortLostToAnotherProgramAfterTheCheckNamesTheSettingToo(t *testing.T) {
	t.Parallel()
	free, err := port.Reserve(0)
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	s := start(t, Options{Port: free.Number, Binary: program(t, fmt.Sprintf(
		"echo 'run: open server: open service: listen tcp 127.0.0.1:%d: bind: address already in use' >&2; exit 1", free.Number))})
	if err := s.result(); err == nil || !strings.Contains(err.Error(), "influxdb { port =") {
		t.Errorf("error %v", err)
	}
}

func TestFailedStartSaysWhyAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Binary: program(t, "echo 'panic: the disk is on fire' >&2; exit 3")})
	s.waitFor(func(st State) bool { return st.Restarts >= 2 })
	if last := s.State().LastError; !strings.Contains(last, "the disk is on fire") || !strings.Contains(last, "exit status 3") {
		t.Errorf("last error: %s", last)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("who waits in vain is told: %v", err)
	}
}

func TestMissingProgramSaysHowToBuildIt(t *testing.T) {
	t.Parallel()
	notExecutable := filepath.Join(t.TempDir(), "influxd")
	if err := os.WriteFile(notExecutable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "nowhere", "influxd"), notExecutable} {
		s := start(t, Options{Binary: path})
		if err := s.result(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "make build") {
			t.Errorf("error %v", err)
		}
	}
}

func TestStopLetsInfluxDBFinish(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := startReady(t, Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug})})
	pid, c := s.State().PID, s.Credentials()
	s.stop()
	if state := s.State(); state.Phase != Stopped || state.PID != 0 || state.LastError != "" {
		t.Errorf("state: %+v", state)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	text := log.String()
	if !strings.Contains(text, "Server shutdown completed") {
		t.Errorf("InfluxDB was not left to finish: %s", text)
	}
	for _, u := range []User{c.Admin, c.Writer, c.Reader} {
		if strings.Contains(text, u.Password) {
			t.Errorf("the log holds the password of %s", u)
		}
	}
}

func TestStopKillsAnInfluxDBThatHangs(t *testing.T) {
	t.Parallel()
	s := startReady(t, Options{StopTimeout: 50 * time.Millisecond})
	pid := s.State().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestTwoDaemonsRunSideBySide(t *testing.T) {
	t.Parallel()
	a, b := start(t, Options{}), start(t, Options{})
	a.waitReady()
	b.waitReady()
	a.wantUsable("768h0m0s")
	b.wantUsable("768h0m0s")
}

func TestDirectoryInUseIsRefused(t *testing.T) {
	t.Parallel()
	first := startReady(t, Options{})
	second := start(t, Options{Dir: first.options.Dir})
	if err := second.result(); err == nil || !strings.Contains(err.Error(), "in use by another daemon") {
		t.Errorf("error %v", err)
	}
	first.wantUsable("768h0m0s")
}
