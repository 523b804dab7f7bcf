package embedded

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
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

func start(t *testing.T, o Options) *server {
	t.Helper()
	if o.Binary == "" {
		o.Binary = influxdtest.Binary(t)
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "influxdb")
	}
	ctx, end := context.WithCancel(context.Background())
	s := &server{Server: New(o), t: t, end: end, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = s.Run(ctx)
	}()
	t.Cleanup(func() {
		end()
		_ = s.result()
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
		Reject: func(line []byte, reason string) error { return fmt.Errorf("%s: %s", line, reason) }})
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
	if err != nil || len(policies) != 1 || len(policies[0].Rows) != 1 {
		s.t.Fatalf("policies: %v, %v", policies, err)
	}
	if row := fmt.Sprint(policies[0].Rows[0]); !strings.HasPrefix(row, "[autogen "+retention+" ") || !strings.HasSuffix(row, " true]") {
		s.t.Errorf("policy %s, want autogen, %s, the default", row, retention)
	}
}

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
	for name, want := range map[string]fs.FileMode{".": 0o700 | fs.ModeDir, "influxdb.conf": 0o600, "credentials.json": 0o600, "lock": 0o600} {
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

func (s *server) waitFor(condition func(State) bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if condition(s.State()) {
			return
		}
	}
	s.t.Fatalf("the state stays at %+v", s.State())
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
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	s := start(t, Options{Port: port, Binary: program(t, fmt.Sprintf(
		"echo 'run: open server: open service: listen tcp 127.0.0.1:%d: bind: address already in use' >&2; exit 1", port))})
	if err := s.result(); err == nil || !strings.Contains(err.Error(), "influxdb { port =") {
		t.Errorf("error %v", err)
	}
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
	s := startReady(t, Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug, Mutex: new(sync.Mutex)})})
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

func TestDaemonKilledAtAnyStepIsFinishedByTheNextStart(t *testing.T) {
	t.Parallel()
	binary := influxdtest.Binary(t)
	for _, step := range steps(Credentials{}, 0) {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "influxdb")
			daemon := exec.Command(os.Args[0])
			daemon.Env = append(os.Environ(), daemonDir+"="+dir, daemonBinary+"="+binary, daemonHalt+"="+step.name)
			daemon.Stderr = os.Stderr
			out, err := daemon.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := daemon.Start(); err != nil {
				t.Fatal(err)
			}
			said, err := bufio.NewReader(out).ReadString('\n')
			if err != nil || strings.TrimSpace(said) != step.name {
				t.Fatalf("the daemon says %q: %v", said, err)
			}
			if err := daemon.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = daemon.Wait()
			// Taking the lock over shows that the killed daemon's InfluxDB is gone too.
			startReady(t, Options{Dir: dir}).wantUsable("768h0m0s")
		})
	}
}

func TestDaemonKilledBeforeItsFirstInfluxDBKeepsItsCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, err := ensureCredentials(dir, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	s := startReady(t, Options{Dir: dir})
	if s.Credentials().Admin != made.Admin {
		t.Error("new passwords were made")
	}
	s.wantUsable("768h0m0s")
}

func TestUserWithAnotherPasswordGetsTheStoredOne(t *testing.T) {
	t.Parallel()
	first := startReady(t, Options{})
	for _, statement := range []string{`SET PASSWORD FOR "vedette_writer" = 'other'`, `DROP USER "vedette_reader"`,
		`CREATE USER "vedette_reader" WITH PASSWORD 'other'`} {
		if _, err := first.query(first.Credentials().Admin, statement); err != nil {
			t.Fatal(err)
		}
	}
	first.stop()
	startReady(t, Options{Dir: first.options.Dir}).wantUsable("768h0m0s")
}

func TestLostCredentialsAreNotReplaced(t *testing.T) {
	t.Parallel()
	first := startReady(t, Options{})
	first.stop()
	path := filepath.Join(first.options.Dir, credentialsFile)
	refuse := func(want string) {
		t.Helper()
		err := start(t, Options{Dir: first.options.Dir}).result()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), credentialsFile) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := os.WriteFile(path, []byte(`{"admin":`), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse("damaged")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refuse("restore")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file with other passwords was made")
	}
	if _, err := ensureCredentials(t.TempDir(), ""); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if _, err := ensureCredentials(elsewhere, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(elsewhere, credentialsFile), path); err != nil {
		t.Fatal(err)
	}
	refuse("other passwords")
}
