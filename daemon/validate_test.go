package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// A plugin that writes down how it was called and then is http-quality.
const recordingPlugin = `#!/bin/sh
echo "$*" >> %[1]q/calls
exec %[2]q "$@"
`

// counting listens and counts who connects.
func counting(t *testing.T) (port int, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	connections = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, connections
}

// All ports of the configuration are taken, so a validation that opened one would fail; and who listens there counts
// connections.
func TestValidateStartsNoWorkAndOpensNoConnection(t *testing.T) {
	t.Parallel()
	healthPort, toHealth := counting(t)
	influxPort, toInflux := counting(t)
	sitePort, toSite := counting(t)
	s := newSite(t, fmt.Sprintf(`
daemon {
  data_dir   = "new/data"
  plugin_dir = "plugins"
  listen     = "127.0.0.1:%d"
}
influxdb {
  embedded = true
  port     = %d
}
plugin "http-quality" {
  target "shop" {
    url = "http://127.0.0.1:%d/"
  }
}
plugin "again" {
  source = "http-quality"
}
`, healthPort, influxPort, sitePort))
	if err := os.Mkdir(s.path("plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(recordingPlugin, s.home, filepath.Join(programs, "http-quality"))
	if err := os.WriteFile(s.path("plugins", "http-quality"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := s.run("validate", "config.hcl"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, errOut)
	}
	if calls, err := os.ReadFile(s.path("calls")); err != nil || string(calls) != "describe\nvalidate\nvalidate\n" {
		t.Errorf("the plugin was called with %q, %v", calls, err)
	}
	if _, err := os.Stat(s.path("new")); !os.IsNotExist(err) {
		t.Errorf("a data directory was made: %v", err)
	}
	for what, n := range map[string]*atomic.Int64{"/healthz": toHealth, "InfluxDB": toInflux, "the site": toSite} {
		if n.Load() != 0 {
			t.Errorf("%d connections to %s", n.Load(), what)
		}
	}
	entries, err := os.ReadDir(s.home)
	if err != nil || len(entries) != 4 {
		t.Errorf("beside configuration, plugins, calls and tmp there is something: %v, %v", entries, err)
	}
	if left := s.processes(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
