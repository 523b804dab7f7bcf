package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/tally"
)

// resident is a line of the status of a process that says kB: VmRSS, or VmHWM for the most that it ever was.
func resident(t *testing.T, pid int, line string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), line+":")
	kB, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10
}

// named says whether a reason with the text is among those that are counted.
func named(reasons []tally.Entry, text string) bool {
	for _, r := range reasons {
		if strings.Contains(r.Reason, text) && r.Count > 0 {
			return true
		}
	}
	return false
}

func TestAHostilePluginNeitherHarmsTheDaemonNorOthersAndIsNamed(t *testing.T) {
	t.Parallel()
	const most = 64 << 20
	refused := func(text string) func(console.Plugin) bool {
		return func(p console.Plugin) bool { return named(p.Reasons, text) }
	}
	ended := func(text string) func(console.Plugin) bool {
		return func(p console.Plugin) bool { return named(p.Ends, text) }
	}
	all := func(seen ...func(console.Plugin) bool) func(console.Plugin) bool {
		return func(p console.Plugin) bool {
			for _, s := range seen {
				if !s(p) {
					return false
				}
			}
			return true
		}
	}
	modes := []struct {
		mode string
		seen func(console.Plugin) bool
	}{
		{"huge", func(p console.Plugin) bool { return p.Points >= 48*2 }},
		{"oversize", ended("received message larger than max")},
		{"crowd", ended("it has more than N points")},
		{"wrong", all(refused(`the manifest does not declare the field "…" of "…"`), func(p console.Plugin) bool { return p.Refused > 200_000 })},
		{"mixture", all(refused("does not declare the measurement"), refused("time is not set"), refused("no field has a finite value"),
			refused("left out a field: the manifest does not declare the field"), refused("is string, and declared as float"),
			refused(`field "…" is not valid UTF-N`), refused("malformed protobuf"), func(p console.Plugin) bool { return p.DroppedFields > 0 })},
		{"series", all(refused("has made more than N series"), func(p console.Plugin) bool { return p.Refused > 200_000 })},
		{"deaf", ended("more than N batches without acknowledgement")},
		{"flood", ended("more than N batches without acknowledgement")},
		{"empties", func(p console.Plugin) bool { return p.State == "ready" }},
		{"garbage", ended("the plugin broke the protocol: reading a batch")},
		{"numbers", ended("batch N came where N was due")},
		{"numberless", ended("a batch without a number has N points")},
		{"beats", ended("more than N beats came within Ns")},
		{"excuses", ended("the session broke: rpc error: code = Internal")},
		{"problems", func(p console.Plugin) bool {
			return p.State == "failed" && len(p.Cause) > 1000 && len(p.Cause) < 20_000
		}},
		{"longline", func(p console.Plugin) bool { return p.LostLines > 2 }},
		{"stdout", func(p console.Plugin) bool { return p.LostLines > 100_000 }},
		{"stderr", func(p console.Plugin) bool { return p.LostLines > 100_000 }},
		{"children", ended("exit status N")},
	}
	hostile := filepath.Join(programs, "tests", "hostile")
	s := newSite(t, "")
	s.vedette = filepath.Join(programs, "plain", "vedette")
	base := withEmbedded(quickPlugin + "  target \"a\" {\n    url = \"http://127.0.0.1:1/\"\n  }\n}\n")
	s.configure(base)
	d := s.startReady()
	calm := resident(t, d.cmd.Process.Pid, "VmRSS")
	for _, m := range modes {
		began := time.Now()
		// Each has a label of its own, so that its counts are its own.
		s.configure(base + fmt.Sprintf("plugin %q {\n  source     = %q\n  mode       = %q\n  max_series = 10000\n}\n", "hostile-"+m.mode, hostile, m.mode))
		if _, errOut, code := s.run("reload"); code != 0 {
			t.Fatalf("%s: reload: %s", m.mode, errOut)
		}
		st := d.waitStatus(m.mode+" is seen for what it is", func(st console.Status) bool {
			return len(st.Plugins) == 2 && st.Plugins[1].Name == "hostile-"+m.mode && m.seen(st.Plugins[1])
		})
		points := st.Plugins[0].Points
		st = d.waitStatus("the other plugin goes on beside "+m.mode, func(st console.Status) bool { return st.Plugins[0].Points > points+10 })
		if other := st.Plugins[0]; other.Restarts > 0 || other.State != "ready" {
			t.Errorf("%s: the other plugin is %+v", m.mode, other)
		}
		grown := resident(t, d.cmd.Process.Pid, "VmHWM") - calm
		t.Logf("%s: the daemon has grown by at most %d MB, %d ticks of the other plugin were skipped until then; it took %s",
			m.mode, grown>>20, st.Plugins[0].SkippedTicks, time.Since(began).Round(time.Second/10))
		if grown > most {
			t.Errorf("%s: the daemon has grown by %d MB", m.mode, grown>>20)
		}
		if n := len(st.Plugins[1].Reasons) + len(st.Plugins[1].Ends); n > 20 {
			t.Errorf("%s: there are %d reasons", m.mode, n)
		}
		// What is left for the next one is no more than this one made.
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.cmd.Process.Pid), []byte("5"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if out, _, code := s.run("status"); code != 0 || strings.ContainsRune(out, 0x1b) || !utf8.ValidString(out) {
		t.Errorf("status, exit code %d:\n%s", code, out)
	}
	s.configure(base)
	if _, errOut, code := s.run("reload"); code != 0 {
		t.Fatalf("reload: %s", errOut)
	}
	waitUntil(t, "nothing of it is left", patience, func() bool {
		for _, p := range s.processes() {
			if strings.Contains(p.line, "sleep") || strings.Contains(p.line, "hostile") {
				return false
			}
		}
		return true
	})
}
