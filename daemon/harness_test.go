package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
	"github.com/vedette-monitor/vedette/daemon/port"
)

// patience is far more than anything here may take.
const patience = 60 * time.Second

// programs is the directory that holds vedette, http-quality and influxd side by side, as an installation does. In
// plain below it are the same without the race detector, and in tests plugins for tests.
var programs string

// TestMain builds the programs, so that the tests run what users run.
func TestMain(m *testing.M) {
	code, err := runWithPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "preparing the end-to-end tests:", err)
		code = 1
	}
	os.Exit(code)
}

func runWithPrograms(m *testing.M) (code int, err error) {
	if programs, err = os.MkdirTemp("", "vedette-e2e-"); err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(programs) }()
	for _, b := range [][]string{
		{"-race", "-o", filepath.Join(programs, "vedette"), "."},
		{"-race", "-o", filepath.Join(programs, "http-quality"), "../plugins/http-quality"},
		{"-race", "-o", filepath.Join(programs, "shell-audit"), "../plugins/shell-audit"},
		{"-race", "-o", filepath.Join(programs, "alert-notifier"), "../plugins/alert-notifier"},
		// These are as they are installed: the race detector takes time and memory.
		{"-o", filepath.Join(programs, "plain", "vedette"), "."},
		{"-o", filepath.Join(programs, "plain", "http-quality"), "../plugins/http-quality"},
		{"-o", filepath.Join(programs, "plain", "shell-audit"), "../plugins/shell-audit"},
		{"-o", filepath.Join(programs, "tests", "ledger"), "./testdata/plugins/ledger"},
		{"-o", filepath.Join(programs, "tests", "hostile"), "./testdata/plugins/hostile"},
		{"-o", filepath.Join(programs, "tests", "numbers"), "./testdata/plugins/numbers"},
		{"-o", filepath.Join(programs, "tests", "alarms"), "./testdata/plugins/alarms"},
	} {
		build := exec.Command("go", append([]string{"build", "-ldflags", "-X main.version=1.2.3-test"}, b...)...)
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s: %w\n%s", build, err, out)
		}
	}
	influxd, err := influxdtest.Find()
	if err != nil {
		return 0, err
	}
	for _, link := range []string{filepath.Join(programs, "influxd"), filepath.Join(programs, "plain", "influxd")} {
		if err := os.Symlink(influxd, link); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// environment is that of a user's shell. A program with the race detector would wait a second at its end.
func environment(home string) []string {
	return []string{
		"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + filepath.Join(home, "tmp"),
		"GORACE=atexit_sleep_ms=0",
	}
}

// site is the home of one daemon: a directory with its configuration and its data. Its path is short, for the paths of
// sockets are limited, and it is how the processes of a daemon are known from those of others.
type site struct {
	t       *testing.T
	home    string
	vedette string // the program
	// secrets must not be in any output of a program that runs here.
	secrets []string
	said    output
}

func newSite(t *testing.T, config string) *site {
	t.Helper()
	home, err := os.MkdirTemp("", "vedette-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, home: home, vedette: filepath.Join(programs, "vedette")}
	t.Cleanup(s.leave)
	if err := os.Mkdir(filepath.Join(home, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure(config)
	return s
}

// quickPlugin is the head of the block of a plugin that is busy enough for a test.
const quickPlugin = `
plugin "http-quality" {
  interval = "100ms"
  timeout  = "5s"
  env      = { GORACE = "atexit_sleep_ms=0" }
`

// withEmbedded is a configuration that takes no port that another program may want.
func withEmbedded(rest string) string {
	return `
vantage {
  host = "spot"
  isp  = "ct"
  idc  = "gz1"
}
daemon {
  listen    = "127.0.0.1:0"
  log_level = "trace"
}
influxdb {
  embedded = true
  port     = 0
}
` + rest
}

// configure writes the site's configuration.
func (s *site) configure(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.path("config.hcl"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) path(names ...string) string {
	return filepath.Join(append([]string{s.home}, names...)...)
}

// leave ends what is left of the site's processes and looks at all that its programs have said.
func (s *site) leave() {
	for _, p := range s.processes() {
		s.t.Errorf("%s was left behind", p)
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	waitUntil(s.t, "the site's processes are gone", patience, func() bool { return len(s.processes()) == 0 })
	s.checkSecrets()
	if text := s.said.String(); strings.Contains(text, "DATA RACE") {
		s.t.Error("the race detector has found something")
	}
	if s.t.Failed() {
		s.t.Logf("all that was said in %s:\n%s", s.home, s.said.String())
	}
	if err := os.RemoveAll(s.home); err != nil {
		s.t.Error(err)
	}
}

// checkSecrets looks for the site's secrets, and for those that its daemon has made, in all that was said.
func (s *site) checkSecrets() {
	var made struct{ Admin, Writer, Reader struct{ Password string } }
	text, err := os.ReadFile(s.path("data", "influxdb", "credentials.json"))
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		s.t.Error(err)
	}
	for _, secret := range append(s.secrets, made.Admin.Password, made.Writer.Password, made.Reader.Password) {
		if secret != "" && strings.Contains(s.said.String(), secret) {
			s.t.Errorf("the secret %q was shown", secret)
		}
	}
}

// run runs vedette to its end, as from the site's directory.
func (s *site) run(args ...string) (out, errOut string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.runContext(ctx, args...)
}

func (s *site) runContext(ctx context.Context, args ...string) (out, errOut string, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(ctx, s.vedette, args...)
	cmd.Dir, cmd.Env = s.home, environment(s.home)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	out, errOut = stdout.String(), stderr.String()
	if ctx.Err() != nil {
		s.t.Fatalf("vedette %q does not end; it said:\n%s%s", args, out, errOut)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatal(err)
	}
	fmt.Fprintf(&s.said, "$ vedette %q\n%s%s", args, out, errOut)
	return out, errOut, cmd.ProcessState.ExitCode()
}

// status asks the daemon how it is; an error says that it does not answer.
func (s *site) status() (console.Status, error) {
	s.t.Helper()
	var st console.Status
	out, errOut, code := s.run("status", "-o", "json")
	if code != 0 {
		return st, errors.New(errOut)
	}
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		s.t.Fatalf("status -o json: %v\n%s", err, out)
	}
	return st, nil
}

// row is one row of an answer: its columns and the tags of its series by name. What is null is absent.
type row map[string]influx.Value

// query asks InfluxDB through vedette; an error is what vedette said.
func (s *site) query(q string) ([]row, error) {
	s.t.Helper()
	out, errOut, code := s.run("query", "-o", "json", q)
	if code != 0 {
		return nil, errors.New(errOut)
	}
	var series []influx.Series
	if err := json.Unmarshal([]byte(out), &series); err != nil {
		s.t.Fatalf("query -o json: %v\n%s", err, out)
	}
	var rows []row
	for _, one := range series {
		for _, values := range one.Rows {
			r := row{}
			for i, v := range values {
				if !v.IsNull() {
					r[one.Columns[i]] = v
				}
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// count is how many probes are in InfluxDB that began until a moment; 0 while it does not answer. What came after a
// restart must not make up for what was lost before it.
func (s *site) count(until time.Time) int64 {
	s.t.Helper()
	rows, err := s.query("SELECT count(up) FROM http_quality WHERE time <= '" + until.UTC().Format(time.RFC3339Nano) + "'")
	if err != nil || len(rows) == 0 {
		return 0
	}
	n, _ := rows[0]["count"].Int()
	return n
}

// waitUntil waits for a condition.
func waitUntil(t *testing.T, what string, deadline time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s it is still not so that %s", deadline, what)
		}
	}
}

// reservePort returns a port of loopback that is kept for the test, for what can not choose one by itself or ends and comes
// back, and for what is to refuse connections.
func reservePort(t *testing.T) *port.Reserved {
	t.Helper()
	r, err := port.Reserve(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}
