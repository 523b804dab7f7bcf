package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

// probeOnce probes what a block says once, and returns its targets and their results.
func probeOnce(t *testing.T, c targetConfig) ([]target, []probe.Result) {
	t.Helper()
	if err := errors.Join(c.mistakes(newShared(0))...); err != nil {
		t.Fatal(err)
	}
	targets, err := c.targets(c.Name, c.URL, newShared(0))
	if err != nil {
		t.Fatal(err)
	}
	var results []probe.Result
	for i := range targets {
		results = append(results, targets[i].prober.Run(t.Context()))
	}
	return targets, results
}

func TestEachHopMakesAPointThatIsAsItIsDeclared(t *testing.T) {
	types := map[string]string{}
	for _, f := range hopMeasurement.Fields {
		types[f.Name] = string(f.Type)
	}
	last := site(t, says(200, "hello"))
	first := site(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, last+"/?token=s3cr3t", http.StatusFound)
	})
	c := targetAt("hops", first)
	c.Hops, c.Labels = true, map[string]string{"line": "ct-1"}
	targets, results := probeOnce(t, c)
	var out sdktest.Recorder
	for _, p := range targets[0].hopPoints(&results[0]) {
		out.Emit(p)
	}
	if len(out.Points()) != 2 {
		t.Fatalf("%d points", len(out.Points()))
	}
	seen := map[string]bool{}
	for i, p := range out.Points() {
		fields, tags := values(t, p), tagsOf(t, p)
		for name, value := range fields {
			seen[name] = true
			if typeOf(value) != types[name] {
				t.Errorf("field %s is a %s, declared is %q", name, typeOf(value), types[name])
			}
		}
		want := map[string]string{"target": "hops", "url": first, "method": "GET", "line": "ct-1", "hop": fmt.Sprint(i + 1)}
		if fmt.Sprint(tags) != fmt.Sprint(want) || p.Measurement != "http_hop" || p.Time != results[0].Start.UnixNano() {
			t.Errorf("%s at %d with the tags %v, want %v", p.Measurement, p.Time, tags, want)
		}
	}
	fields := values(t, out.Points()[0])
	if fields["http_code"] != int64(302) || fields["location"] != last+"/?token=xxx" || values(t, out.Points()[1])["location"] != nil {
		t.Errorf("fields are %v and %v", fields, values(t, out.Points()[1]))
	}
	for name := range types {
		if !seen[name] && name != "tls" {
			t.Errorf("no hop has made the field %s", name)
		}
	}
	c.Hops = false
	targets, results = probeOnce(t, c)
	if points := targets[0].hopPoints(&results[0]); len(points) != 0 {
		t.Errorf("%d points that nobody asked for", len(points))
	}
}

func TestBothFamiliesAreProbedByThemselves(t *testing.T) {
	c := targetAt("both", site(t, says(200, "")))
	c.Family = "both"
	targets, results := probeOnce(t, c)
	if len(targets) != 2 || results[0].Outcome != probe.OutcomeOK || results[1].Outcome != probe.OutcomeDNS {
		t.Fatalf("%d targets: %+v", len(targets), results)
	}
	for i, want := range []string{"4", "6"} {
		if tags := fmt.Sprint(maps.Collect(targets[i].tags)); !strings.Contains(tags, "family:"+want) {
			t.Errorf("tags are %s", tags)
		}
	}
}

// Each argument changes what the server sees, or what becomes of its answer.
func TestArgumentsReachTheProbe(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) sdk.Path {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return sdk.Path(path)
	}
	echo := func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		w.Header().Set("X-Asked", fmt.Sprint(r.Proto, " ", r.Header.Get("Authorization"), " ", r.Header.Get("Accept-Encoding"), " ",
			r.RemoteAddr, " ", r.Host, " ", string(body[:n])))
		fmt.Fprint(w, "first\n{}")
	}
	plain := site(t, echo)
	server := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	server.EnableHTTP2, server.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Asked", "proxy "+r.Header.Get("Proxy-Authorization"))
	})
	for name, tc := range map[string]struct {
		url    string
		change func(c *targetConfig)
		want   string
	}{
		"http_version 2":    {server.URL, func(c *targetConfig) { c.HTTPVersion, c.InsecureSkipVerify = "2", true }, "HTTP/2.0"},
		"http_version auto": {server.URL, func(c *targetConfig) { c.HTTPVersion, c.InsecureSkipVerify = "auto", true }, "HTTP/2.0"},
		"http_version 1.1":  {server.URL, func(c *targetConfig) { c.InsecureSkipVerify = true }, "HTTP/1.1"},
		"user":              {plain, func(c *targetConfig) { c.User, c.PasswordFile = "alice", file("password", "x\n") }, "Basic YWxpY2U6eA=="},
		"bearer_token_file": {plain, func(c *targetConfig) { c.BearerTokenFile = file("token", "abc") }, "Bearer abc"},
		"compression":       {plain, func(c *targetConfig) { c.Compression = true }, " gzip "},
		"body_file":         {plain, func(c *targetConfig) { c.Method, c.BodyFile = "POST", file("body", "a=b") }, " a=b"},
		"resolve":           {strings.Replace(plain, "127.0.0.1", "shop.example", 1), func(c *targetConfig) { c.Resolve = "127.0.0.1" }, " shop.example:"},
		"source_address":    {plain, func(c *targetConfig) { c.SourceAddress = "127.0.0.9" }, " 127.0.0.9:"},
		"proxy": {plain, func(c *targetConfig) {
			c.Proxy, c.ProxyPasswordFile = strings.Replace(proxy, "://", "://alice@", 1), file("proxy", "x")
		}, "proxy Basic YWxpY2U6eA=="},
	} {
		t.Run(name, func(t *testing.T) {
			c := targetAt("options", tc.url)
			tc.change(&c)
			c.Expect = &expectConfig{Headers: map[string]string{"X-Asked": tc.want}, BodyLimit: 1 << 20}
			if _, results := probeOnce(t, c); results[0].Outcome != probe.OutcomeOK {
				t.Error(results[0].Err)
			}
		})
	}
	for name, tc := range map[string]struct {
		expect expectConfig
		failed string
	}{
		"header_regex": {expectConfig{HeaderRegex: map[string]string{"X-Asked": "^SPDY"}}, "header_regex"},
		"body_regex":   {expectConfig{BodyRegex: "^second"}, "body_regex"},
		"first_line":   {expectConfig{FirstLine: "second"}, "first_line"},
		"json":         {expectConfig{JSON: map[string]string{"$.a": "b"}}, "json"},
		"cert_days":    {expectConfig{CertDays: 100000}, "cert_days"},
		"all good":     {expectConfig{HeaderRegex: map[string]string{"X-Asked": "^HTTP/1"}, BodyRegex: "(?m)^{", FirstLine: "first", CertDays: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := targetAt("options", server.URL)
			c.InsecureSkipVerify, c.Expect = true, &tc.expect
			if _, results := probeOnce(t, c); strings.Join(results[0].Failed, ",") != tc.failed {
				t.Errorf("failed %v: %v", results[0].Failed, results[0].Err)
			}
		})
	}
	aged := httptest.NewUnstartedServer(says(200, ""))
	aged.TLS, aged.Config.ErrorLog = &tls.Config{MaxVersion: tls.VersionTLS12}, log.New(io.Discard, "", 0)
	aged.StartTLS()
	t.Cleanup(aged.Close)
	old := targetAt("old", aged.URL)
	old.InsecureSkipVerify, old.MinTLSVersion = true, "1.3"
	if _, results := probeOnce(t, old); results[0].Outcome != probe.OutcomeTLS {
		t.Errorf("min_tls_version: %v", results[0].Err)
	}
}
