package scaffold_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/scaffold"
	"github.com/vedette-monitor/vedette/examples/plugins/trial"
)

// imports are what Go on the page may use without saying where it comes from.
var imports = []string{
	"context", "encoding/json", "errors", "fmt", "os", "strconv", "time", "github.com/vedette-monitor/vedette/sdk",
}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

func page(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository(t), "docs", "plugins.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestEveryBlockOfGoOnTheAuthorsPageCompiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "page")
	if _, err := (scaffold.Plugin{Kind: "collector", Name: "page", SDK: repository(t)}).Write(dir); err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllStringSubmatch(page(t), -1)
	if len(blocks) < 5 {
		t.Fatalf("the page has %d blocks of Go", len(blocks))
	}
	for i, block := range blocks {
		source := block[1]
		if !strings.HasPrefix(source, "package ") {
			head := "package block\n\n"
			for _, path := range imports {
				if strings.Contains(source, filepath.Base(path)+".") {
					head += fmt.Sprintf("import %q\n", path)
				}
			}
			source = head + "\n" + source
		} else {
			source = strings.Replace(source, "package main", "package block", 1)
		}
		name := filepath.Join(dir, fmt.Sprintf("block%d", i), "block.go")
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "go", "mod", "tidy")
	run(t, dir, "go", "vet", "./...")
}

func TestTheAuthorsPageShowsWhatIsPrintedAndWritten(t *testing.T) {
	dir := t.TempDir()
	// As on the page: the checkout is in `vedette`, and its programs are found on PATH.
	if err := os.Symlink(repository(t), filepath.Join(dir, "vedette")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(trial.Build(t, "../../daemon", "vedette"))+":"+os.Getenv("PATH"))
	text := page(t)
	shows := func(what, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("docs/plugins.md does not show %s:\n%s", what, want)
		}
	}
	shows("what `plugin new` prints", run(t, dir, "vedette", "plugin", "new", "collector", "file-age", "--sdk", "vedette"))
	dir = filepath.Join(dir, "file-age")
	shows("the plugin", run(t, dir, "cat", "plugin.go"))
	run(t, dir, "go", "mod", "tidy")
	run(t, dir, "go", "build", "-o", "file-age", ".")
	shows("what `describe` prints", run(t, dir, "./file-age", "describe"))
	shows("what `validate` prints", run(t, dir, "vedette", "validate", "config.hcl"))
	mistaken := run(t, dir, "sh", "-c", "sed -i s/path/paht/ config.hcl; vedette validate config.hcl || true")
	shows("what `validate` prints of a mistake", strings.TrimSpace(mistaken))
}
