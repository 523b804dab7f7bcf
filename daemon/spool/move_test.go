package spool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMovedSpoolGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	files := damageable(t, dir)
	delete(files, "lock")
	moved := filepath.Join(dir, "below", "moved")
	// A move may be cut short after any number of files.
	for before := range len(files) + 1 {
		restoreAll(t, dir, files)
		names, err := filesOf(dir)
		if err != nil || len(names) != len(files) {
			t.Fatalf("the spool consists of %v: %v", names, err)
		}
		if err := os.MkdirAll(moved, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range names[:before] {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(moved, name)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := Move(dir, moved); err != nil {
				t.Fatal(err)
			}
		}
		s, repairs := mustOpen(t, moved, Options{OnGap: noGaps(t)})
		if !repairs.None() {
			t.Errorf("repairs %+v", repairs)
		}
		holds(t, s, except())
		s.Close()
	}
}

// restoreAll makes dir hold files and nothing else, directories included.
func restoreAll(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	restore(t, dir, files)
}

func TestAMoveOverAnotherSpoolChangesNothing(t *testing.T) {
	dir := t.TempDir()
	damageable(t, dir)
	other := filepath.Join(dir, "other")
	damageable(t, other)
	if err := Move(dir, other); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "cursor")) {
		t.Errorf("moving a spool over another: %v", err)
	}
	for _, d := range []string{dir, other} {
		s, repairs := mustOpen(t, d, Options{OnGap: noGaps(t)})
		if !repairs.None() {
			t.Errorf("repairs %+v", repairs)
		}
		holds(t, s, except())
	}
}
