package main

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

// sample is a target with what its point must be.
type sample struct {
	target  targetConfig
	outcome string
	// phases are those that the last hop reached, and times those of curl's, total_time left out.
	phases, times string
	// fields are some that must be there with this value, and absent some that must not be there.
	fields map[string]any
	absent string
}

const (
	plainPhases  = "dns tcp request wait transfer"
	securePhases = "dns tcp tls request wait transfer"
	plainTimes   = "namelookup connect pretransfer starttransfer"
	secureTimes  = "namelookup connect appconnect pretransfer starttransfer"
	ofAnswer     = "content_length_download http_version"
	ofTLS        = "tls_version ocsp_stapled cert_days"
)

// samples have every way in which a probe can end that can be had on loopback.
func samples(t *testing.T) map[string]sample {
	with := func(name, url string, change func(*targetConfig)) targetConfig {
		c := targetAt(name, url)
		if change != nil {
			change(&c)
		}
		return c
	}
	hello := site(t, says(200, "hello"))
	secure, ca := secureSite(t, says(200, "hello"))
	var redirecting string
	redirecting = site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to-tls" {
			http.Redirect(w, r, secure, http.StatusFound)
			return
		}
		http.Redirect(w, r, redirecting+r.URL.Path+"x", http.StatusFound)
	})
	unasked := site(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush() // so that no length is announced
		_, _ = io.WriteString(w, "hello")
	})
	silent := rawSite(t, func(conn net.Conn) {
		// The request is read, so that closing does not reset the connection.
		_, _ = conn.Read(make([]byte, 4096))
	})
	return map[string]sample{
		"ok": {
			target: with("ok", hello, func(c *targetConfig) {
				c.App, c.Labels = "网上商城", map[string]string{"line": "ct-1"}
				c.Expect = &expectConfig{BodyContains: "ell"}
			}),
			outcome: "ok", phases: plainPhases, times: plainTimes,
			fields: map[string]any{
				"http_code": int64(200), "body_matched": true, "size_download": int64(5), "content_length_download": int64(5),
				"num_redirects": int64(0), "num_connects": int64(1), "remote_ip": "127.0.0.1", "local_ip": "127.0.0.1",
				"http_version": "1.1", "attempt": int64(1),
			},
			absent: "error failed_expectations redirect_time appconnect_time " + ofTLS,
		},
		"ok without a length": {
			target: with("unasked", unasked, nil), outcome: "ok", phases: plainPhases, times: plainTimes,
			fields: map[string]any{"size_download": int64(5)}, absent: "content_length_download body_matched",
		},
		"ok over TLS": {
			target: with("secure", secure, func(c *targetConfig) { c.CAFile = sdk.Path(ca) }), outcome: "ok", phases: securePhases, times: secureTimes,
			fields: map[string]any{"tls_version": "TLS 1.3", "ocsp_stapled": false},
		},
		"ok after a redirect": {
			target:  with("redirected", redirecting+"/to-tls", func(c *targetConfig) { c.CAFile = sdk.Path(ca) }),
			outcome: "ok", phases: securePhases, times: secureTimes + " redirect",
			fields: map[string]any{"num_redirects": int64(1), "num_connects": int64(2), "http_code": int64(200)},
		},
		"no address of the family": {
			target: with("dns", hello, func(c *targetConfig) { c.Family = "ipv6" }), outcome: "dns", phases: "dns",
			fields: map[string]any{"http_code": int64(0), "num_connects": int64(0), "size_download": int64(0)},
			absent: "remote_ip local_ip " + ofAnswer + " " + ofTLS,
		},
		"connection refused": {
			target:  with("refused", "http://"+closedPort(t), func(c *targetConfig) { c.Family = "ipv4" }),
			outcome: "connect", phases: "dns tcp", times: "namelookup",
			fields: map[string]any{"http_code": int64(0), "num_connects": int64(0)}, absent: ofAnswer + " " + ofTLS,
		},
		"no TLS": {
			target: with("tls", strings.Replace(hello, "http:", "https:", 1), nil), outcome: "tls", phases: "dns tcp tls",
			times: "namelookup connect", fields: map[string]any{"num_connects": int64(1)}, absent: ofAnswer,
		},
		"certificate of nobody": {
			target: with("certificate", secure, nil), outcome: "certificate", phases: "dns tcp tls", times: "namelookup connect",
			fields: map[string]any{"http_code": int64(0)}, absent: ofAnswer,
		},
		"closed without an answer": {
			target: with("receive", "http://"+silent, nil), outcome: "receive", phases: "dns tcp request wait",
			times: "namelookup connect pretransfer", fields: map[string]any{"http_code": int64(0)}, absent: ofAnswer,
		},
		"no answer": {
			target:  with("timeout", "http://"+mute(t), func(c *targetConfig) { c.Timeout = 100 * time.Millisecond }),
			outcome: "timeout", phases: "dns tcp request wait", times: "namelookup connect pretransfer", absent: ofAnswer,
		},
		"redirects without end": {
			target:  with("redirect", redirecting, func(c *targetConfig) { c.MaxRedirects = 3 }),
			outcome: "redirect", phases: plainPhases, times: plainTimes + " redirect",
			fields: map[string]any{"num_redirects": int64(3), "http_code": int64(302)},
		},
		"status": {
			target: with("status", site(t, says(500, "")), nil), outcome: "status", phases: plainPhases, times: plainTimes,
			fields: map[string]any{"http_code": int64(500), "failed_expectations": "status"},
		},
		"header": {
			target: with("header", hello, func(c *targetConfig) {
				c.Expect = &expectConfig{Headers: map[string]string{"X-None": ""}}
			}),
			outcome: "header", phases: plainPhases, times: plainTimes, fields: map[string]any{"failed_expectations": "header"},
		},
		"body": {
			target: with("body", hello, func(c *targetConfig) {
				c.Expect = &expectConfig{BodyContains: "goodbye", Status: []string{"404"}}
			}),
			outcome: "status", phases: plainPhases, times: plainTimes,
			fields: map[string]any{"body_matched": false, "failed_expectations": "status,body"},
		},
		"body too long": {
			target:  with("long", site(t, says(200, strings.Repeat("x", 5000))), func(c *targetConfig) { c.MaxBody = 100 }),
			outcome: "body", phases: plainPhases, times: plainTimes, fields: map[string]any{"http_code": int64(200)},
		},
		"slow": {
			target:  with("slow", hello, func(c *targetConfig) { c.Expect = &expectConfig{Within: 1} }),
			outcome: "slow", phases: plainPhases, times: plainTimes, fields: map[string]any{"failed_expectations": "slow"},
		},
	}
}

func TestEveryPointIsAsItIsDeclared(t *testing.T) {
	types := map[string]string{}
	for _, f := range measurement.Fields {
		types[f.Name] = string(f.Type)
	}
	seenFields, seenTags := map[string]bool{}, map[string]bool{}
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			p := collect(t, s.target)[0]
			fields, tags := values(t, p), tagsOf(t, p)
			if p.Measurement != measurement.Name || p.Update || time.Since(time.Unix(0, p.Time)).Abs() > time.Minute {
				t.Errorf("the point is of %s at %d", p.Measurement, p.Time)
			}
			for field, value := range fields {
				seenFields[field] = true
				if got := typeOf(value); got != types[field] {
					t.Errorf("field %s is a %s, declared is %q", field, got, types[field])
				}
				if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0) || f < 0 && field != "cert_days") {
					t.Errorf("field %s is %v", field, f)
				}
			}
			for tag := range tags {
				seenTags[tag] = true
			}
			checkTags(t, s.target, tags)
			checkVerdict(t, s.outcome, fields)
			checkPhases(t, s, fields)
			for field, want := range s.fields {
				if fields[field] != want {
					t.Errorf("field %s is %v, want %v", field, fields[field], want)
				}
			}
			for _, field := range strings.Fields(s.absent) {
				if value, ok := fields[field]; ok {
					t.Errorf("field %s is %v, and should not be there", field, value)
				}
			}
		})
	}
	seenFields["vantage_ok"] = true // which TestPointsSayWhetherTheVantagePointIsWell holds
	for _, f := range measurement.Fields {
		if !seenFields[f.Name] {
			t.Errorf("no probe has made the field %s", f.Name)
		}
	}
	for _, tag := range measurement.Tags {
		if !seenTags[tag.Name] {
			t.Errorf("no probe has made the tag %s", tag.Name)
		}
	}
}

func typeOf(value any) string {
	return map[string]string{"float64": "float", "int64": "int", "bool": "bool", "string": "string"}[fmt.Sprintf("%T", value)]
}

// checkTags checks that the tags are those that are declared, and the target's labels.
func checkTags(t *testing.T, c targetConfig, tags map[string]string) {
	t.Helper()
	want := map[string]string{"target": c.Name, "url": c.URL, "method": c.Method}
	if c.App != "" {
		want["app"] = c.App
	}
	if c.Family != "any" {
		want["family"] = strings.TrimPrefix(c.Family, "ipv")
	}
	for label, value := range c.Labels {
		want[label] = value
	}
	if fmt.Sprint(tags) != fmt.Sprint(want) {
		t.Errorf("tags are %v, want %v", tags, want)
	}
}

// checkVerdict checks that what a point says of the outcome agrees.
func checkVerdict(t *testing.T, outcome string, fields map[string]any) {
	t.Helper()
	up := int64(0)
	if outcome == "ok" {
		up = 1
	}
	if fields["outcome"] != outcome || fields["available"] != (up == 1) || fields["up"] != up {
		t.Errorf("outcome is %v (%v), available %v, up %v; want %s", fields["outcome"], fields["error"], fields["available"], fields["up"], outcome)
	}
	if text, failed := fields["error"]; failed == (up == 1) || text == "" {
		t.Errorf("outcome %s comes with the error %v", outcome, text)
	}
}

// checkPhases checks which phases and times are there, and that they add up.
func checkPhases(t *testing.T, s sample, fields map[string]any) {
	t.Helper()
	sum := 0.0
	for _, phase := range strings.Fields(securePhases) {
		value, reached := fields[phase].(float64)
		if reached != slices.Contains(strings.Fields(s.phases), phase) {
			t.Errorf("phase %s is %v, reached are %s", phase, fields[phase], s.phases)
		}
		sum += value
	}
	before := 0.0
	for _, name := range strings.Fields(secureTimes + " redirect") {
		value, reached := fields[name+"_time"].(float64)
		if reached != slices.Contains(strings.Fields(s.times), name) {
			t.Errorf("%s_time is %v, reached are %s", name, fields[name+"_time"], s.times)
		}
		// With redirects the times are sums over the hops, as curl has them, and differences mean nothing.
		if reached && fields["num_redirects"] == int64(0) {
			if value < before {
				t.Errorf("%s_time is %v, less than the time before it", name, value)
			}
			before = value
		}
	}
	total, ok := fields["total_time"].(float64)
	if start, _ := fields["redirect_time"].(float64); !ok || math.Abs(start+sum-total) > 1e-6 || before > total {
		t.Errorf("phases add up to %v after redirects of %v, the total is %v", sum, start, total)
	}
}

func TestNoSecretGetsIntoAPoint(t *testing.T) {
	const secret = "s3cr3t"
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}
	}
	echo := site(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "alice" || password != secret {
			t.Errorf("the request came from %q with %q", user, password)
		}
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, r.URL.String())
	})
	secure, _ := secureSite(t, says(200, ""))
	var targets []targetConfig
	for i, base := range []string{
		echo,
		secure,
		"http://" + closedPort(t),
		"http://" + mute(t),
		site(t, says(500, secret)),
		site(t, redirect("http://bob:"+secret+"@"+closedPort(t)+"/?access_token="+secret)),
		site(t, redirect("ftp://bob:"+secret+"@example.invalid/?api_key="+secret)),
		site(t, redirect("http://bob:"+secret+"@[::bad/%zz")),
		site(t, redirect("?session="+secret)),
	} {
		c := targetAt(fmt.Sprint("target ", i), strings.Replace(base, "://", "://alice:"+secret+"@", 1)+"/p?token="+secret+"&page=visible#"+secret)
		c.Timeout = time.Second
		c.Method, c.Body = "POST", "password="+secret
		c.Headers = map[string]string{"X-Api-Key": secret}
		c.Expect = &expectConfig{Headers: map[string]string{"X-Echo": "nothing"}, BodyContains: "nothing"}
		targets = append(targets, c)
	}
	outcomes := map[string]bool{}
	for i, p := range collect(t, targets...) {
		all := texts(p)
		// Of "alice:s3cr3t" there is also the form in which it is sent.
		for _, word := range []string{secret, "alice", "bob", "YWxpY2U6"} {
			if strings.Contains(all, word) {
				t.Errorf("point %d shows %q:\n%s", i, word, all)
			}
		}
		if url := tagsOf(t, p)["url"]; !strings.HasSuffix(url, "/p?token=xxx&page=visible") {
			t.Errorf("the url is %s", url)
		}
		outcomes[fmt.Sprint(values(t, p)["outcome"])] = true
	}
	for _, outcome := range []string{"header", "certificate", "connect", "timeout", "status", "redirect"} {
		if !outcomes[outcome] {
			t.Errorf("no probe ended with %s, but %v", outcome, outcomes)
		}
	}
}
