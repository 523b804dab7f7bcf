package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/dashboard"
	"github.com/vedette-monitor/vedette/daemon/vitals"
)

func TestTheDaemonStoresItsOwnVitals(t *testing.T) {
	t.Parallel()
	s := newSite(t, withEmbedded(quickPlugin+`
  target "self" {
    url = "http://127.0.0.1:1/"
  }
}
`))
	d := s.startReady()
	for _, m := range vitals.Measurements() {
		waitUntil(t, m.Name+" is stored", patience, func() bool {
			d.wantAlive(m.Name + " is stored")
			rows, err := s.query(`SELECT * FROM "` + m.Name + `" ORDER BY time DESC LIMIT 1`)
			if err != nil || len(rows) == 0 {
				return false
			}
			tags := []string{"host", "isp", "idc"}
			for _, tag := range m.Tags {
				tags = append(tags, tag.Name)
			}
			for _, tag := range tags {
				if rows[0][tag].String() == "" {
					t.Errorf("%s has no tag %s: %v", m.Name, tag, rows[0])
				}
			}
			for _, f := range m.Fields {
				if _, ok := rows[0][f.Name]; !ok {
					t.Errorf("%s has no field %s: %v", m.Name, f.Name, rows[0])
				}
			}
			return true
		})
	}
	// The first points may be of before the plugin's process.
	waitUntil(t, "the plugin's process has its memory", patience, func() bool {
		rows, err := s.query(`SELECT last(up) AS up, last(memory) AS memory FROM vedette_plugin WHERE plugin = 'http-quality'`)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v %v", rows, err)
		}
		memory, _ := rows[0]["memory"].Int()
		return rows[0]["up"].String() == "1" && memory > 1<<20
	})
}

// Every query of the shipped dashboard has an answer, as a browser would ask it.
func TestEveryQueryOfTheStarterDashboardHasAnAnswer(t *testing.T) {
	t.Parallel()
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") }))
	defer up.Close()
	s := newSite(t, withEmbedded(quickPlugin+fmt.Sprintf(`
  target "shop" {
    url = %q
  }
  target "closed" {
    url = "http://127.0.0.1:1/"
  }
}
`, up.URL)))
	s.startReady()
	start := time.Now().Add(-time.Minute)
	chosen := strings.NewReplacer(
		":hosts:", ".*", ":target:", "'shop'", ":interval:", "1000ms", ":upperDashboardTime:", "now() + 1m",
		":dashboardTime:", "'"+start.UTC().Format(time.RFC3339)+"'",
	)
	left := regexp.MustCompile(`:[A-Za-z]+:`)
	for _, p := range dashboard.Starter().Panels {
		for _, q := range p.Queries {
			q = chosen.Replace(q)
			if v := left.FindString(q); v != "" {
				t.Fatalf("%s still has %s", p.Title, v)
			}
			waitUntil(t, "there is an answer to "+q, patience, func() bool {
				rows, err := s.query(q)
				if err != nil {
					t.Fatalf("%s: %v", p.Title, err)
				}
				return len(rows) > 0
			})
		}
	}
}
