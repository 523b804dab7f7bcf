package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// stored is how many points of a target InfluxDB has; newest is the time of the last.
func (d *daemon) stored(t *testing.T, target string) (n int64, newest time.Time) {
	t.Helper()
	rows, err := d.query(fmt.Sprintf("SELECT up FROM http_quality WHERE target = '%s' ORDER BY time DESC", target))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return 0, time.Time{}
	}
	newest, err = time.Parse(time.RFC3339Nano, rows[0]["time"].String())
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(rows)), newest
}

// put replaces a file as a whole.
func (s *site) put(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name+".new"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path(name+".new"), s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

func TestTargetsHaveTheirOwnIntervalAndOneThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	t.Cleanup(server.Close)
	s := newSite(t, withEmbedded(quickPlugin+fmt.Sprintf(`
  target "often" {
    url = %[1]q
  }
  target "seldom" {
    url      = %[1]q
    interval = "1s"
  }
  target "hangs" {
    url     = "http://%[2]s/"
    timeout = "2s"
  }
}
`, server.URL, silent(t))))
	d := s.startReady()
	waitUntil(t, "points of all, and that of the one that hangs twice", patience, func() bool {
		seldom, _ := d.stored(t, "seldom")
		hangs, _ := d.stored(t, "hangs")
		return seldom >= 3 && hangs >= 2
	})
	// What has hung for its whole timeout, 20 intervals long, has cost itself starts, which are counted, and the others none.
	rows, err := d.query("SELECT outcome, total_time FROM http_quality WHERE target = 'hangs' LIMIT 1")
	if err != nil || len(rows) != 1 || rows[0]["outcome"].String() != "timeout" {
		t.Errorf("the one that hangs has %v, %v", rows, err)
	}
	d.waitStatus("its skipped starts are counted", func(st console.Status) bool { return st.Plugins[0].SkippedTicks > 0 })
	often, _ := d.stored(t, "often")
	hangs, _ := d.stored(t, "hangs")
	if often < 5*hangs {
		t.Errorf("%d points of the one that is well, and %d of the one that hangs", often, hangs)
	}
}

func TestAListOfTargetsIsFollowedWithoutAReloadAndABadAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	t.Cleanup(server.Close)
	var answer atomic.Value
	answer.Store(fmt.Sprintf(`[{"targets": [%q], "labels": {"target": "served", "region": "north"}}]`, server.URL))
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hush-hush" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprint(w, answer.Load())
	}))
	t.Cleanup(service.Close)
	s := newSite(t, withEmbedded(quickPlugin+fmt.Sprintf(`
  file_sd "branches" {
    files   = ["lists/*.yml"]
    refresh = "100ms"
    target {
      labels = { line = "ct" }
    }
  }
  http_sd "cmdb" {
    url               = %q
    refresh           = "100ms"
    bearer_token_file = "token"
  }
}
`, service.URL)))
	s.secrets = append(s.secrets, "hush-hush")
	s.put("token", "hush-hush\n")
	if err := os.Mkdir(s.path("lists"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.put("lists/a.yml", fmt.Sprintf("- targets: [%q]\n  labels: {target: filed}\n", server.URL+"/filed"))
	d := s.startReady()
	pid := d.waitReady().Plugins[0].Pid
	grows := func(target string) {
		t.Helper()
		_, since := d.stored(t, target)
		waitUntil(t, "new points of "+target, patience, func() bool {
			_, newest := d.stored(t, target)
			return newest.After(since)
		})
	}
	grows("filed")
	grows("served")
	rows, err := d.query("SELECT up, line, region FROM http_quality WHERE target = 'filed' OR target = 'served' GROUP BY target LIMIT 1")
	if err != nil || len(rows) != 2 || !strings.Contains(fmt.Sprint(rows), "line:ct") || !strings.Contains(fmt.Sprint(rows), "region:north") {
		t.Errorf("tags of labels: %v, %v", rows, err)
	}

	s.put("lists/b.yml", fmt.Sprintf("- targets: [%q]\n  labels: {target: added}\n", server.URL+"/added"))
	grows("added")
	answer.Store("<html>maintenance</html>")
	waitUntil(t, "a point that tells of the bad answer", patience, func() bool {
		rows, err := d.query("SELECT last(ok), targets FROM http_discovery WHERE list = 'cmdb'")
		return err == nil && len(rows) == 1 && rows[0]["last"].String() == "false"
	})
	grows("served")
	s.put("lists/b.yml", "- targets: [")
	waitUntil(t, "a point that tells of the broken file", patience, func() bool {
		rows, err := d.query("SELECT last(error) FROM http_discovery WHERE list = 'branches'")
		return err == nil && len(rows) == 1 && strings.Contains(fmt.Sprint(rows[0]["last"]), "b.yml")
	})
	grows("added")
	st, err := d.status()
	if err != nil || st.Plugins[0].Pid != pid {
		t.Errorf("the plugin was started anew: %+v, %v", st.Plugins[0], err)
	}
}
