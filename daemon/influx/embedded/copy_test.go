package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// backedUp returns a running server, with a copy of its data.
func backedUp(t *testing.T) (*server, *Copier, string) {
	t.Helper()
	s := startReady(t, Options{})
	c := s.Credentials()
	if err := s.write(c.Writer, fmt.Sprintf("m v=1 %d", time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	copier, err := NewCopier(s.options.Binary, c)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if _, err := copier.Backup(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return s, copier, dir
}

func (s *server) databases() []string {
	s.t.Helper()
	c := s.Credentials()
	setup, err := influx.NewSetup1(influx.ReaderOptions{URL: c.URL, Token: c.Admin.Token()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer setup.Close()
	names, err := setup.Databases(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

func TestIncompleteBackupIsRefusedBeforeAnythingBegins(t *testing.T) {
	t.Parallel()
	s, copier, whole := backedUp(t)
	one := func(dir, kind string) string {
		found, err := filepath.Glob(filepath.Join(dir, kind))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", kind, found, err)
		}
		return found[0]
	}
	for name, c := range map[string]struct {
		kind   string
		damage func(path string) error
	}{
		"a shard that is missing":     {"*.tar.gz", os.Remove},
		"a shard that is short":       {"*.tar.gz", func(path string) error { return os.Truncate(path, 100) }},
		"set-up data that is missing": {"*.meta", os.Remove},
		"set-up data that is short":   {"*.meta", func(path string) error { return os.Truncate(path, 10) }},
		"set-up data without its end": {"*.meta", func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()-1)
		}},
		"a shard of another size": {"*.manifest", func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.ReplaceAll(text, []byte(`"size": `), []byte(`"size": 1`)), 0o600)
		}},
		"a manifest that is short": {"*.manifest", func(path string) error { return os.Truncate(path, 50) }},
	} {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		path := one(dir, c.kind)
		if err := c.damage(path); err != nil {
			t.Fatal(err)
		}
		if err := copier.Restore(t.Context(), dir, "again"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names %s", name, err, path)
		}
		if there := s.databases(); slices.Contains(there, "again") {
			t.Errorf("%s: databases %v", name, there)
		}
	}
	if err := copier.Restore(t.Context(), whole, "again"); err != nil {
		t.Error(err)
	}
}

func TestFailedRestoreLeavesNothingOfItsDatabase(t *testing.T) {
	t.Parallel()
	s, copier, dir := backedUp(t)
	before := s.databases()
	influxd := copier.binary
	// InfluxDB may be another one by now, with another port for copies.
	with := func(script string) *Copier {
		c, err := NewCopier(program(t, fmt.Sprintf(script, influxd)), s.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, script := range map[string]string{
		"influxd fails":               `%[1]s "$@"; echo 'no space left' >&2; exit 1`,
		"influxd says that it failed": `%[1]s "$@"; echo 'error updating shards: EOF'`,
		"influxd makes nothing":       `exit 0 # %[1]s`,
	} {
		if err := with(script).Restore(t.Context(), dir, `ag"ain`); err == nil || strings.Contains(err.Error(), "DROP") {
			t.Errorf("%s: error %v", name, err)
		}
		if there := s.databases(); !slices.Equal(there, before) {
			t.Errorf("%s: databases %q, before it %q", name, there, before)
		}
	}
	// An interruption is a failure too.
	ctx, interrupt := context.WithCancel(t.Context())
	made := filepath.Join(t.TempDir(), "made")
	copier = with(`%s "$@"; echo > ` + made + `; exec sleep 1000`)
	done := make(chan error, 1)
	go func() { done <- copier.Restore(ctx, dir, `ag"ain`) }()
	s.waitFor(func(State) bool {
		_, err := os.Stat(made)
		return err == nil
	})
	if there := s.databases(); !slices.Contains(there, `ag"ain`) {
		t.Errorf("databases %q before the interruption", there)
	}
	interrupt()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after an interruption", err)
	}
	if there := s.databases(); !slices.Equal(there, before) {
		t.Errorf("databases %q after an interruption, before it %q", there, before)
	}

	// InfluxDB may crash when it is to remove what it is opening.
	copier = with(fmt.Sprintf(`%%s "$@"; kill -KILL %d; exit 1`, s.State().PID))
	if err := copier.Restore(t.Context(), dir, `ag"ain`); err == nil || strings.Contains(err.Error(), "DROP") {
		t.Errorf("error %v after InfluxDB was gone for a moment", err)
	}
	s.waitFor(func(st State) bool { return st.Restarts > 0 && st.Phase == Ready })
	if there := s.databases(); !slices.Equal(there, before) {
		t.Errorf("databases %q after InfluxDB was gone for a moment, before it %q", there, before)
	}
	if err := with(`exec %s "$@"`).Restore(t.Context(), dir, "again"); err != nil {
		t.Errorf("the good backup: %v", err)
	}

	// Where it can not be removed, the error says how to.
	pid := s.State().PID
	defer syscall.Kill(pid, syscall.SIGCONT)
	copier = with(fmt.Sprintf(`%%s "$@"; kill -STOP %d; exit 1`, pid))
	copier.removeTime = time.Second
	if err := copier.Restore(t.Context(), dir, `ag"ain`); err == nil || !strings.Contains(err.Error(), `DROP DATABASE "ag\"ain"`) {
		t.Errorf("error %v while InfluxDB says nothing", err)
	}
}
