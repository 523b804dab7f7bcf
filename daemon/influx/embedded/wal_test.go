package embedded

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEachWriteAheadLogBeginsANewSegment(t *testing.T) {
	dir := t.TempDir()
	for log, segments := range map[string][]string{
		"a/autogen/1": {"_00001.wal", "_00009.wal"}, "a/autogen/2": nil, "a/records/3": {"_99999.wal", "other.txt"},
	} {
		if err := os.MkdirAll(filepath.Join(dir, log), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, s := range segments {
			if err := os.WriteFile(filepath.Join(dir, log, s), []byte("entries"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a/autogen/file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := BeginSegments(dir); err == nil {
		t.Error("a file where a log should be is no error")
	}
	if err := os.Remove(filepath.Join(dir, "a/autogen/file")); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"a/autogen/1/_00010.wal", "a/records/3/_100000.wal"} {
		_ = os.Remove(filepath.Join(dir, s))
	}
	if err := BeginSegments(dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"a/autogen/1/_00010.wal": true, "a/records/3/_100000.wal": true, "a/autogen/2/_00001.wal": false,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if (err == nil) != want || err == nil && info.Size() != 0 {
			t.Errorf("%s: %v, want there %v and empty", path, err, want)
		}
	}
	if err := BeginSegments(filepath.Join(dir, "none")); err != nil {
		t.Errorf("without any log: %v", err)
	}
}
