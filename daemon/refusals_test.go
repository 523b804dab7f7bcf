package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// wantRefusal checks that a daemon does not start, that it says why, and that it leaves no process.
func (s *site) wantRefusal(words ...string) {
	s.t.Helper()
	out, errOut, code := s.run("run")
	if code != 1 {
		s.t.Errorf("exit code %d", code)
	}
	if out != "" {
		s.t.Errorf("a daemon that does not start greets:\n%s", out)
	}
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	last := lines[len(lines)-1]
	for _, w := range append(words, "Error: ") {
		if !strings.Contains(last, w) {
			s.t.Errorf("the last line does not say %q: %s", w, last)
		}
	}
	s.waitGone(goneDeadline)
}

// taken listens on a port of loopback, as another program would.
func taken(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

const noTargets = quickPlugin + "}\n"

func TestTakenInfluxDBPortIsNamedWithItsSetting(t *testing.T) {
	t.Parallel()
	port := taken(t)
	s := newSite(t, strings.Replace(withEmbedded(noTargets), "port     = 0", fmt.Sprintf("port = %d", port), 1))
	s.wantRefusal(fmt.Sprintf("port %d", port), "taken", "influxdb { port =")
}

func TestTakenHealthPortIsNamedWithItsSetting(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("127.0.0.1:%d", taken(t))
	s := newSite(t, strings.Replace(withEmbedded(noTargets), "127.0.0.1:0", address, 1))
	s.wantRefusal(address, "address already in use", "daemon { listen =")
}

func TestMissingInfluxDBProgramSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, strings.Replace(withEmbedded(""), "log_level", "plugin_dir = \"empty\"\n  log_level", 1))
	s.wantRefusal("influxd", "make build")
}

func TestDataDirectoryThatCanNotBeMadeIsNamedWithItsSetting(t *testing.T) {
	t.Parallel()
	s := newSite(t, withEmbedded(noTargets))
	if err := os.WriteFile(s.path("data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.wantRefusal(s.path("data"), "daemon { data_dir =")
}

func TestASecondDaemonIsRefusedAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	first := s.startReady()
	before := first.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	out, errOut, code := s.run("run")
	if code != 1 || out != "" {
		t.Errorf("the second daemon ends with exit code %d\n%s", code, out)
	}
	for _, want := range []string{s.path("data"), fmt.Sprintf("process %d", first.cmd.Process.Pid), "daemon { data_dir ="} {
		if !strings.Contains(errOut, want) {
			t.Errorf("the second daemon does not say %q: %s", want, errOut)
		}
	}
	first.waitStatus("the first goes on", func(st console.Status) bool {
		return st.Pid == before.Pid && st.InfluxDB.Pid == before.InfluxDB.Pid && st.Plugins[0].Pid == before.Plugins[0].Pid &&
			st.InfluxDB.Stored > before.InfluxDB.Stored+20
	})
	first.wantProcesses(3)
}

// carelessPlugin is http-quality, but finds nothing wrong with a configuration before it runs.
const carelessPlugin = `#!/bin/sh
if [ "$1" = validate ]; then
	cat >/dev/null
	echo '[]'
else
	exec %q "$@"
fi
`

// careless installs carelessPlugin and returns its path.
func (s *site) careless() string {
	s.t.Helper()
	path := s.path("careless")
	if err := os.WriteFile(path, fmt.Appendf(nil, carelessPlugin, filepath.Join(programs, "http-quality")), 0o700); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// What may be wrong only where a plugin runs, it says when it is given its configuration.
func TestAPluginThatRefusesItsConfigurationIsShownAndTheDaemonGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.configure(withEmbedded(fmt.Sprintf(`
plugin "http-quality" {
  source = %q
  target "shop" {
    url = "http://127.0.0.1:1/"
    expect {
      status = ["0xx"]
    }
  }
  target "forum" {
    url     = "http://127.0.0.1:1/"
    ca_file = "no-such-file"
  }
}
plugin "sound" {
  source = "http-quality"
}
`, s.careless())))
	d := s.start()
	st := d.waitStatus("one plugin has failed and one runs", func(st console.Status) bool {
		return st.Plugins[0].State == "failed" && st.Plugins[1].State == "ready" && st.InfluxDB.State == "ready"
	})
	out, _, code := s.run("status")
	for _, want := range []string{"target.0.expect.status", "0xx", "target.1.ca_file", "no-such-file"} {
		if !strings.Contains(st.Plugins[0].Cause, want) || code != 0 || !strings.Contains(out, want) {
			t.Errorf("status does not say %q: %s\n%s", want, st.Plugins[0].Cause, out)
		}
	}
	if st.Plugins[0].Pid != 0 {
		t.Error("the failed plugin still runs")
	}
	waitUntil(t, "the greeting is there and says it too", patience, func() bool {
		return strings.Contains(d.out.String(), "http-quality: failed") && strings.Contains(d.out.String(), "sound: ready")
	})
}

// Points may come from elsewhere, and the first site may come later.
func TestADaemonWithoutPluginsRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t, withEmbedded(""))
	d := s.startReady()
	d.wantProcesses(2)
	d.signal(syscall.SIGINT)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestQueriesAreRefusedInInfluxDBsWords(t *testing.T) {
	t.Parallel()
	s := newSite(t, withEmbedded(noTargets))
	d := s.startReady()
	for q, want := range map[string]string{
		"SELEC up FROM http_quality": "found SELEC, expected SELECT",
		"SELECT up FROM":             "found EOF, expected",
		"DROP MEASUREMENT m":         "vedette_reader",
	} {
		out, errOut, code := s.run("query", q)
		if code != 1 || out != "" || !strings.HasPrefix(errOut, "Error: ") || !strings.Contains(errOut, want) {
			t.Errorf("%s: exit code %d\n%s%s", q, code, out, errOut)
		}
	}
	if out, _, code := s.run("query", "SELECT up FROM http_quality"); code != 0 || out != "No results.\n" {
		t.Errorf("a query without results: exit code %d, %q", code, out)
	}
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)
	_, errOut, code := s.run("query", "SHOW MEASUREMENTS")
	if code != 1 || !strings.Contains(errOut, "not running") || !strings.Contains(errOut, "vedette run") {
		t.Errorf("a query when the daemon has stopped: exit code %d, %s", code, errOut)
	}
}
