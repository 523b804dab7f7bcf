package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pluginDir has the plugins, built from this source.
var pluginDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vedette-cli-test-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }()
			pluginDir = dir
			build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./plugins/http-quality", "./plugins/shell-audit", "./plugins/alert-notifier")
			build.Dir = filepath.Join("..", "..")
			build.Stdout, build.Stderr = os.Stderr, os.Stderr
			err = build.Run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "building the plugins:", err)
			return 1
		}
		return m.Run()
	}())
}

// vedette runs a command line.
func vedette(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), "test", args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// withPlugins makes a directory with a file that names the plugins' directory, and with these files. A daemon block may
// stand in one file only, so it must not be in these.
func withPlugins(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, "zz-plugins.hcl", fmt.Sprintf("daemon {\n  plugin_dir = %q\n}\n", pluginDir))
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r", "")
}
