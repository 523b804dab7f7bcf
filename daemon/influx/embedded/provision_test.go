package embedded

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
)

func TestDaemonKilledAtAnyStepIsFinishedByTheNextStart(t *testing.T) {
	t.Parallel()
	binary := influxdtest.Binary(t)
	for _, step := range steps(Credentials{}, 0, 0) {
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
	made, err := ensureCredentials(dir, "http://127.0.0.1:1", "", "")
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
	if _, err := ensureCredentials(t.TempDir(), "", "", ""); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if _, err := ensureCredentials(elsewhere, "", "", ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(elsewhere, credentialsFile), path); err != nil {
		t.Fatal(err)
	}
	refuse("other passwords")
}
