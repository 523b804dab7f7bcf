package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const lockedConfig = `plugin "http-quality" {}` + "\n"

// lockDir has a configuration with one plugin, whose SHA256 the test catalog says is "http-quality".
func lockDir(t *testing.T, daemon string, lock Lock) (configuration string) {
	t.Helper()
	dir := t.TempDir()
	if lock != nil {
		if err := lock.Write(filepath.Join(dir, LockFile)); err != nil {
			t.Fatal(err)
		}
	}
	return write(t, dir, "config.hcl", daemon+lockedConfig)
}

func TestALockFileIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), LockFile)
	want := Lock{"a": {"1.0.0", []string{"../a", "a"}, map[string]string{"linux/amd64": "aa", "linux/arm64": "bb"}}, "b": {"2", nil, map[string]string{"x/y": "z"}}}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLock(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := ReadLock(path + ".none"); err != nil || len(got) != 0 {
		t.Errorf("no lock file is read as %v, %v", got, err)
	}
}

func TestAPluginThatIsLockedIsPinned(t *testing.T) {
	cfg, diags := load(t, lockDir(t, "", Lock{"http-quality": {"1.0.0", nil, map[string]string{Platform: "http-quality"}}}))
	if cfg == nil || !cfg.Plugins[0].Pinned || cfg.Plugins[0].SHA256 != "http-quality" {
		t.Errorf("the plugin is not pinned: %s", diags)
	}
	cfg, diags = load(t, lockDir(t, "", nil))
	if cfg == nil || cfg.Plugins[0].Pinned {
		t.Errorf("without a lock file: %s", diags)
	}
}

func TestWhatTheLockFileRefusesIsExplained(t *testing.T) {
	required := "daemon {\n  require_lock = true\n}\n"
	tests := map[string]struct {
		daemon string
		lock   Lock
		want   string
	}{
		"another program": {"", Lock{"http-quality": {"0.9.0", nil, map[string]string{Platform: "other"}}}, "the lock file has 0.9.0 other"},
		"not locked":      {required, nil, "require_lock is set, and the lock file does not have http-quality"},
		"another program that calls itself otherwise": {"", Lock{"old-name": {"0.9.0", []string{"http-quality"}, map[string]string{Platform: "other"}}}, "The program of old-name has the SHA256 http-quality"},
		"another platform":                            {required, Lock{"http-quality": {"1.0.0", nil, map[string]string{"plan9/mips": "x"}}}, "but not for " + Platform},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, diags := load(t, lockDir(t, tc.daemon, tc.lock))
			if text := strings.Join(strings.Fields(diags), " "); cfg != nil || !strings.Contains(text, tc.want) || !strings.Contains(text, "vedette plugin lock") {
				t.Errorf("the diagnostics are %s", diags)
			}
		})
	}
	path := lockDir(t, "", nil)
	if err := os.WriteFile(LockPath(path), []byte("plugin {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, diags := load(t, path); cfg != nil || !strings.Contains(diags, "Lock file can not be used") {
		t.Errorf("a broken lock file: %s", diags)
	}
	// In a directory it is no part of the configuration.
	dir := filepath.Dir(lockDir(t, "", Lock{"http-quality": {"1.0.0", nil, map[string]string{Platform: "http-quality"}}}))
	if cfg, diags := load(t, dir); cfg == nil {
		t.Errorf("beside the files of a directory: %s", diags)
	}
}
