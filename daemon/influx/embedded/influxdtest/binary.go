// Package influxdtest gives tests the InfluxDB 1.8 that the daemon embeds.
package influxdtest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const (
	self    = "github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
	program = "github.com/influxdata/influxdb/cmd/influxd"
	flags   = "-s -w -X main.version=1.8.3"
)

// Binary returns the path of influxd: the one that VEDETTE_INFLUXD names, else one that is built once for all tests of
// this user and kept in the user's cache. The first build takes a minute or more.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := Find()
	if err != nil {
		t.Fatalf("get the InfluxDB for the tests: %v", err)
	}
	return path
}

// Find is Binary for a TestMain, which has no test to fail.
var Find = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("VEDETTE_INFLUXD"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("VEDETTE_INFLUXD: %w", err)
		}
		return path, nil
	}
	here, err := run("", "go", "list", "-f", "{{.Dir}}", self)
	if err != nil {
		return "", err
	}
	source := filepath.Join(here, "..", "influxd")
	key, err := version(source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "vedette", "influxd-"+key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	// Tests of several packages run at once, and one build is enough.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path := filepath.Join(dir, "influxd")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// A build that is cut short leaves nothing under the name that counts.
	if _, err := run(source, "go", "build", "-trimpath", "-ldflags", flags, "-o", path+".new", program); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
})

// version names what the build depends on: the sums of the module and of its dependencies, and the toolchain.
func version(source string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		hash.Write(text)
	}
	fmt.Fprint(hash, runtime.Version(), runtime.GOOS, runtime.GOARCH, flags)
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), nil
}

func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
