package embedded

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
