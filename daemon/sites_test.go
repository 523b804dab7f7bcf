package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// The phases of a hop in their order; each is reached only after those before it.
var (
	plainPhases = []string{"dns", "tcp", "request", "wait", "transfer"}
	tlsPhases   = []string{"dns", "tcp", "tls", "request", "wait", "transfer"}
	allPhases   = tlsPhases
	// cumulative are curl's times, and never decrease in this order.
	cumulative = []string{"namelookup_time", "connect_time", "appconnect_time", "pretransfer_time", "starttransfer_time", "total_time"}
)

// What the daemon, the plugin and InfluxDB make of a web server is read back as a user reads it. The columns of
// SELECT * are the fields and tags that exist, so a field that a probe did not reach is absent.
func TestPointsOfAWebServerAreStoredAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	web := startNginx(t)
	refused := reservePort(t).Address()
	s := newSite(t, withEmbedded(quickPlugin+fmt.Sprintf(`
  tags     = { team = "shop" }
  target "plain" {
    app    = "网上商城"
    url    = "http://%[1]s/"
    labels = { line = "ct-1", isp = "cnc" }
    expect {
      body_contains = "welcome"
    }
  }
  target "tls" {
    url     = "https://%[2]s/"
    ca_file = "%[4]s"
  }
  target "named" {
    url         = "https://%[2]s/"
    ca_file     = "%[4]s"
    server_name = "shop.test"
    method      = "HEAD"
    family      = "ipv4"
  }
  target "untrusted" {
    url = "https://%[2]s/"
  }
  target "expired" {
    url     = "https://%[3]s/"
    ca_file = "%[4]s"
  }
  target "redirect" {
    url = "http://%[1]s/old"
  }
  target "round" {
    url           = "http://%[1]s/round"
    max_redirects = 3
  }
  target "missing" {
    url = "http://%[1]s/nothing-here?token=secret-in-query&page=1"
  }
  target "refused" {
    url = "http://%[5]s/"
  }
  target "name" {
    url = "http://nowhere.invalid/"
  }
  target "silent" {
    url     = "http://%[6]s/"
    timeout = "500ms"
  }
  target "text" {
    url = "http://%[1]s/"
    expect {
      body_contains = "closed for today"
    }
  }
  target "private" {
    url = "http://someone:secret-in-url@%[1]s/private"
  }
}
`, web.plain, web.tls, web.expired, web.ca, refused, silent(t))))
	s.secrets = []string{"secret-in-url", "secret-in-query", "c29tZW9uZTpzZWNyZXQtaW4tdXJs"} // the last as it is sent
	d := s.startReady()

	for _, c := range []struct {
		target  string
		outcome string
		code    int64
		phases  []string          // those that were begun, the one that failed included; the others must be absent
		texts   map[string]string // other columns
		ints    map[string]int64
		absent  []string
	}{
		{"plain", "ok", 200, plainPhases,
			map[string]string{
				"app": "网上商城", "url": "http://" + web.plain + "/", "method": "GET", "host": "spot", "isp": "cnc", "idc": "gz1",
				"line": "ct-1", "team": "shop", "remote_ip": "127.0.0.1", "local_ip": "127.0.0.1", "http_version": "1.1", "body_matched": "true",
			},
			map[string]int64{
				"size_download": int64(len(page)), "content_length_download": int64(len(page)), "num_redirects": 0, "num_connects": 1, "attempt": 1,
			},
			[]string{"error", "failed_expectations", "cert_days", "tls_version", "ocsp_stapled", "appconnect_time", "redirect_time", "family"}},
		{"tls", "ok", 200, tlsPhases, map[string]string{"tls_version": "TLS 1.3", "ocsp_stapled": "false", "isp": "ct"},
			map[string]int64{"size_download": int64(len(page))}, []string{"error", "body_matched", "line"}},
		{"named", "ok", 200, tlsPhases, map[string]string{"method": "HEAD", "family": "4"},
			map[string]int64{"size_download": 0, "content_length_download": int64(len(page))}, []string{"error"}},
		{"untrusted", "certificate", 0, []string{"dns", "tcp", "tls"}, nil, nil, []string{"appconnect_time", "starttransfer_time"}},
		{"expired", "certificate", 0, []string{"dns", "tcp", "tls"}, nil, nil, []string{"appconnect_time", "starttransfer_time"}},
		{"redirect", "ok", 200, plainPhases, map[string]string{"url": "http://" + web.plain + "/old"},
			map[string]int64{"num_redirects": 1, "size_download": int64(len(page))}, []string{"error"}},
		{"round", "redirect", 302, nil, nil, map[string]int64{"num_redirects": 3}, nil},
		{"missing", "status", 404, plainPhases,
			map[string]string{"url": "http://" + web.plain + "/nothing-here?token=xxx&page=1", "failed_expectations": "status"}, nil, nil},
		{"refused", "connect", 0, []string{"dns", "tcp"}, nil, map[string]int64{"size_download": 0, "header_size": 0, "request_size": 0},
			[]string{"connect_time", "pretransfer_time", "starttransfer_time", "local_ip", "http_version", "content_length_download"}},
		{"name", "dns", 0, []string{"dns"}, nil, nil, []string{"namelookup_time", "connect_time", "starttransfer_time", "remote_ip"}},
		{"silent", "timeout", 0, []string{"dns", "tcp", "request", "wait"}, nil, nil, []string{"starttransfer_time"}},
		{"text", "body", 200, plainPhases, map[string]string{"body_matched": "false", "failed_expectations": "body"}, nil, nil},
		{"private", "ok", 200, plainPhases, map[string]string{"url": "http://" + web.plain + "/private"}, nil, []string{"error"}},
	} {
		t.Run(c.target, func(t *testing.T) {
			p := d.point(t, c.target)
			if got := p["outcome"].String(); got != c.outcome {
				t.Errorf("outcome %s, want %s (%s)", got, c.outcome, p["error"])
			}
			up, available := int64(0), "false"
			if c.outcome == "ok" {
				up, available = 1, "true"
			}
			p.wantInt(t, "up", up)
			p.wantInt(t, "http_code", c.code)
			if got := p["available"].String(); got != available {
				t.Errorf("available is %q, want %s", got, available)
			}
			if _, said := p["error"]; said == (c.outcome == "ok") {
				t.Errorf("error %q with outcome %s", p["error"], c.outcome)
			}
			for name, want := range c.texts {
				if got := p[name].String(); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			for name, want := range c.ints {
				p.wantInt(t, name, want)
			}
			for _, name := range c.absent {
				p.wantAbsent(t, name)
			}
			if c.phases != nil {
				for _, phase := range allPhases {
					if _, reached := p[phase]; reached != slices.Contains(c.phases, phase) {
						t.Errorf("phase %s: reached is %t: %v", phase, reached, p)
					}
				}
			}
			p.wantTimesInOrder(t)
			_, redirected := p["redirect_time"]
			if redirects, _ := p["num_redirects"].Int(); redirected != (redirects > 0) {
				t.Errorf("redirect_time is %q after %d redirects", p["redirect_time"], redirects)
			}
			if !redirected {
				p.wantPhasesToAddUp(t)
			}
		})
	}

	t.Run("certificates", func(t *testing.T) {
		for target, want := range map[string]float64{"tls": 90, "untrusted": 90, "expired": -10} {
			if days, ok := d.point(t, target)["cert_days"].Float(); !ok || math.Abs(days-want) > 1 {
				t.Errorf("%s: cert_days is %f (there: %t), want %f", target, days, ok, want)
			}
		}
	})
	t.Run("aggregates", func(t *testing.T) {
		rows, err := s.query("SELECT mean(up) FROM http_quality WHERE target = 'plain' OR target = 'refused' GROUP BY target")
		if err != nil || len(rows) != 2 {
			t.Fatalf("%v, %v", rows, err)
		}
		for i, want := range []float64{1, 0} {
			if mean, _ := rows[i]["mean"].Float(); mean != want {
				t.Errorf("the mean of up is %f, want %f", mean, want)
			}
		}
	})
	t.Run("sizes", func(t *testing.T) {
		// The exact bytes of what curl would send and get are the business of the probe's own tests.
		p := d.point(t, "plain")
		for _, name := range []string{"header_size", "request_size", "speed_download"} {
			if v, _ := p[name].Float(); v <= 0 {
				t.Errorf("%s is %v", name, p[name])
			}
		}
	})
	t.Run("secrets", func(t *testing.T) {
		// The log, and what was printed, is looked through at the end of every test.
		for _, q := range []string{"SHOW SERIES", "SELECT * FROM http_quality"} {
			out, _, code := s.run("query", q)
			if code != 0 || !strings.Contains(out, "/private") {
				t.Errorf("%s: exit code %d", q, code)
			}
		}
	})
}

// point waits for a point of the target and returns the newest.
func (d *daemon) point(t *testing.T, target string) row {
	t.Helper()
	var p row
	waitUntil(t, "there is a point of the target "+target, patience, func() bool {
		rows, err := d.query("SELECT * FROM http_quality WHERE target = '" + target + "' ORDER BY time DESC LIMIT 1")
		// While InfluxDB takes the first points of all, a query may see the fields of which it knows by then.
		if err == nil && len(rows) == 1 && rows[0]["attempt"].String() != "" {
			p = rows[0]
		}
		return p != nil
	})
	return p
}

func (p row) wantInt(t *testing.T, name string, want int64) {
	t.Helper()
	if got, ok := p[name].Int(); !ok || got != want {
		t.Errorf("%s is %q, want %d", name, p[name], want)
	}
}

func (p row) wantAbsent(t *testing.T, name string) {
	t.Helper()
	if v, there := p[name]; there {
		t.Errorf("%s is %q, but should be absent", name, v)
	}
}

func (p row) wantTimesInOrder(t *testing.T) {
	t.Helper()
	last := 0.0
	for _, name := range cumulative {
		if v, there := p[name].Float(); there {
			if v < last {
				t.Errorf("%s is %f, less than the time before it, %f", name, v, last)
			}
			last = v
		}
	}
	if total, there := p["total_time"].Float(); !there || total <= 0 {
		t.Errorf("total_time is %q", p["total_time"])
	}
}

// wantPhasesToAddUp checks the phases of a probe of one hop, also of one that failed. They are exact in nanoseconds,
// and here but for the rounding of seconds in floats.
func (p row) wantPhasesToAddUp(t *testing.T) {
	t.Helper()
	sum := 0.0
	for _, name := range allPhases {
		v, _ := p[name].Float()
		if v < 0 {
			t.Errorf("phase %s is %f", name, v)
		}
		sum += v
	}
	if total, _ := p["total_time"].Float(); math.Abs(sum-total) > 1e-6 {
		t.Errorf("the phases add up to %f, and total_time is %f", sum, total)
	}
}
