package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// twoPlugins is a configuration whose second plugin ticks at the interval; without one there is only the first.
func twoPlugins(interval string) string {
	text := "\nplugin \"first\" {\n  source   = \"http-quality\"\n  interval = \"1s\"\n  target \"a\" {\n    url = \"http://127.0.0.1:1/\"\n  }\n}\n"
	if interval != "" {
		text += fmt.Sprintf("plugin \"second\" {\n  source   = \"http-quality\"\n  interval = %q\n}\n", interval)
	}
	return text
}

func TestAReloadTouchesOnlyWhatChangedAndRefusesErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	base := withEmbedded(twoPlugins("1s"))
	s.configure(base)
	change := func(interval string) {
		s.configure(strings.Replace(base, twoPlugins("1s"), twoPlugins(interval), 1))
	}
	d := s.startReady()
	before := d.waitStatus("both plugins run", func(st console.Status) bool {
		return st.Plugins[0].State == "ready" && st.Plugins[1].State == "ready" && st.Plugins[0].Points > 0
	})
	first, second := before.Plugins[0].Pid, before.Plugins[1].Pid
	kept := func(st console.Status) bool { return st.Plugins[0].Pid == first && st.Plugins[0].Restarts == 0 }

	change("2s")
	out, errOut, code := s.run("reload")
	if code != 0 || !strings.Contains(out, "restarted: second") || !strings.Contains(out, "not touched: first") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errOut)
	}
	changed := d.waitStatus("the second plugin was started anew", func(st console.Status) bool {
		return st.Plugins[1].State == "ready" && st.Plugins[1].Pid != second
	})
	if !kept(changed) || !exited(second) {
		t.Errorf("first is %+v, and the old second %d", changed.Plugins[0], second)
	}

	change("2 parsecs")
	if out, errOut, code := s.run("reload"); code != 1 || !strings.Contains(errOut, "config.hcl:") || !strings.Contains(errOut, "Nothing has changed") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errOut)
	}
	if st, err := d.status(); err != nil || !kept(st) || st.Plugins[1].Pid != changed.Plugins[1].Pid {
		t.Errorf("after errors the plugins are %+v, %v", st.Plugins, err)
	}

	change("")
	d.signal(syscall.SIGHUP)
	last := d.waitStatus("only the first plugin is left", func(st console.Status) bool { return len(st.Plugins) == 1 })
	if !kept(last) {
		t.Errorf("first is %+v", last.Plugins[0])
	}
	waitUntil(t, "the second plugin is gone", patience, func() bool { return exited(changed.Plugins[1].Pid) })
	points := last.Plugins[0].Points
	d.waitStatus("the first plugin goes on", func(st console.Status) bool { return st.Plugins[0].Points > points+1 })
}

// exited says whether no process has the number, or only what waits to be reaped.
func exited(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestAHangupNeverEndsTheDaemon(t *testing.T) {
	t.Parallel()
	t.Run("while it starts", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, withEmbedded("\nplugin \"slow\" {\n  source = \"./slow\"\n}\n"))
		script := fmt.Sprintf("#!/bin/sh\n: >'%[1]s'\nwhile [ ! -e '%[2]s' ]; do sleep 0.05; done\nexit 3\n", s.path("asked"), s.path("go"))
		if err := os.WriteFile(s.path("slow"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		d := s.start()
		waitUntil(t, "the plugin is asked what it is", patience, func() bool { _, err := os.Stat(s.path("asked")); return err == nil })
		d.signal(syscall.SIGHUP)
		if err := os.WriteFile(s.path("go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if code := d.exit(patience); code != 1 || !strings.Contains(d.out.String(), "did not describe itself") {
			t.Errorf("exit code %d\n%s", code, d.out.String())
		}
	})
	t.Run("while it stops", func(t *testing.T) {
		t.Parallel()
		d := newSite(t, withEmbedded(twoPlugins("1s"))).startReady()
		d.signal(syscall.SIGTERM)
		waitUntil(t, "it stops", patience, func() bool { return strings.Contains(d.out.String(), "stopping") })
		d.signal(syscall.SIGHUP)
		if code := d.exit(drainDeadline); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}
