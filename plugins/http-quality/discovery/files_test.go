package discovery

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write writes a file as somebody did long ago, so that it is read at once.
func write(t *testing.T, path, text string, when time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func names(parts map[string]Part) string {
	var all []string
	for _, path := range slices.Sorted(maps.Keys(parts)) {
		all = append(all, filepath.Base(path)+"="+addresses(flatten(map[string]Part{path: parts[path]})))
	}
	return strings.Join(all, ", ")
}

func TestFilesAreReadWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	long := time.Now().Add(-time.Hour)
	write(t, at("a.json"), `[{"targets":["a1"]}]`, long)
	write(t, at("b.yml"), `[{"targets":["b1"]}]`, long)
	write(t, at(".a.json.swp.json"), "half", long)
	write(t, at("readme.txt"), "no list", long)
	source, err := NewFiles([]string{at("*.json"), at("b.yml"), at("a.json")})
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]Part
	for _, step := range []struct {
		what     string
		change   func()
		want     string
		mistakes string // "" for none
	}{
		{"at first", func() {}, "a.json=a1, b.yml=b1", ""},
		{"nothing", func() {}, "a.json=a1, b.yml=b1", ""},
		{"a new file", func() { write(t, at("c.json"), `[{"targets":["c1"]}]`, long) }, "a.json=a1, b.yml=b1, c.json=c1", ""},
		{"a change", func() { write(t, at("a.json"), `[{"targets":["a2"]}]`, long.Add(1)) }, "a.json=a2, b.yml=b1, c.json=c1", ""},
		{"a file with the same time and size in its place", func() {
			write(t, at("new"), `[{"targets":["a3"]}]`, long.Add(1))
			if err := os.Rename(at("new"), at("a.json")); err != nil {
				t.Fatal(err)
			}
		}, "a.json=a3, b.yml=b1, c.json=c1", ""},
		{"half a file", func() { write(t, at("a.json"), `[{"targets":["a4"`, long.Add(2)) }, "a.json=a3, b.yml=b1, c.json=c1", "a.json: it is no list"},
		{"a file that is gone", func() { _ = os.Remove(at("c.json")) }, "a.json=a3, b.yml=b1", "a.json: it is no list"},
		{"a file that was mended", func() { write(t, at("a.json"), `[{"targets":["a5"]}]`, long.Add(3)) }, "a.json=a5, b.yml=b1", ""},
		{"a file that is being written", func() { write(t, at("a.json"), `[{"targets":["a6"]}]`, time.Now().Add(settled/2)) }, "a.json=a6, b.yml=b1", ""},
		{"a directory in place of a file", func() {
			_ = os.Remove(at("b.yml"))
			if err := os.Mkdir(at("b.yml"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "a.json=a6", "no file is there"},
		{"a directory that is gone", func() {
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
		}, "a.json=a6", "looking for files"},
	} {
		step.change()
		next, err := source.Read(context.Background(), parts)
		if got := names(next); got != step.want {
			t.Errorf("%s: found %s, want %s", step.what, got, step.want)
		}
		if step.mistakes == "" && err != nil || step.mistakes != "" && (err == nil || !strings.Contains(err.Error(), step.mistakes)) {
			t.Errorf("%s: error %v, want %q", step.what, err, step.mistakes)
		}
		parts = next
	}
}

func TestAFileThatIsBeingWrittenIsReadWhenItHasSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	write(t, path, "- targets: [a, b]\n", time.Now().Add(-time.Hour))
	source, err := NewFiles([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := source.Read(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Half of it is a good list, too. The time of the file is what counts, not that of the test.
	write(t, path, "- targets: [a]\n", time.Now())
	for deadline := time.Now().Add(20 * time.Second); names(parts) != "a.yaml=a"; {
		if time.Now().After(deadline) {
			t.Fatalf("found %s", names(parts))
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		parts, err = source.Read(context.Background(), parts)
		if err != nil {
			t.Fatal(err)
		}
		if names(parts) == "a.yaml=a" && time.Since(info.ModTime()) < settled {
			t.Fatal("it was read at once")
		}
	}
}

func TestAPipeIsNotReadFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if err := makePipe(path); err != nil {
		t.Fatal(err)
	}
	source, err := NewFiles([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Read(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("error %v", err)
	}
}

func TestTooLongAFileAndTooManyAreRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	write(t, path, "", time.Now())
	if err := os.Truncate(path, maxBytes+1); err != nil {
		t.Fatal(err)
	}
	source, err := NewFiles([]string{filepath.Join(dir, "*.json")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Read(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("error %v", err)
	}
	for n := range maxFiles {
		write(t, filepath.Join(dir, fmt.Sprint(n, ".json")), "[]", time.Now())
	}
	write(t, path, "[]", time.Now())
	if _, err := source.Read(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "more than 1000 files") {
		t.Errorf("error %v", err)
	}
}

func TestAWrongPatternIsExplained(t *testing.T) {
	for pattern, want := range map[string]string{
		"/etc/targets.txt":    "must end in .json, .yml or .yaml",
		"/etc/targets":        "must end in .json, .yml or .yaml",
		"/etc/[a.json":        "a [ is not closed",
		"/etc/*/targets.json": "before its last element",
	} {
		if _, err := NewFiles([]string{pattern}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
