package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

// tried is what became of a call of the command test.
type tried struct {
	out    string
	status int
	err    string // as it is printed
}

// try calls the command with a configuration, or none, as the daemon's program does.
func try(t *testing.T, config any, args ...string) tried {
	t.Helper()
	call := sdk.Call{Args: args, Stdin: strings.NewReader("")}
	if config != nil {
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		call.Config = raw
	}
	var out, errOut bytes.Buffer
	call.Stdout, call.Stderr = &out, &errOut
	err := testTarget(t.Context(), call)
	result := tried{out: out.String()}
	var exit *sdk.ExitError
	switch {
	case errors.As(err, &exit):
		if result.status = exit.Status; exit.Err != nil {
			result.err = err.Error()
		}
	case err != nil:
		result.status, result.err = 1, err.Error()
	}
	if errOut.Len() > 0 {
		t.Errorf("it wrote %q to standard error", errOut.String())
	}
	return result
}

type object = map[string]any

// configured is the configuration of a plugin block with these targets.
func configured(targets ...object) object { return object{"concurrency": 10, "target": targets} }

func TestAConfiguredTargetIsProbedAsConfigured(t *testing.T) {
	url := site(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s a=%q b=%q c=%q", r.Method, r.Header.Get("X-A"), r.Header.Get("X-B"), r.Header.Get("X-C"))
	})
	shop := object{"name": "shop", "url": url, "method": "PUT", "labels": object{"line": "ct"}, "headers": object{"X-A": "1", "X-B": "2"},
		"expect": object{"body_contains": `PUT a="1" b="2" c=""`, "status": []string{"200"}}}
	config := configured(object{"name": "other", "url": "http://192.0.2.1/"}, shop)
	for name, tc := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"as it is":              {nil, 0, "body       as expected"},
		"another method":        {[]string{"--method", "GET"}, 1, `outcome    body: "PUT`},
		"method and text":       {[]string{"--method=GET", "--body-contains", `GET a="1" b="2"`}, 0, "outcome    ok"},
		"a header more":         {[]string{"--header", "X-C: 3", "--body-contains", `a="1" b="2" c="3"`}, 0, "outcome    ok"},
		"a header instead":      {[]string{"--header", "x-a:4:5", "--body-contains", `a="4:5" b="2" c=""`}, 0, "outcome    ok"},
		"another status":        {[]string{"--status", "404,5xx"}, 1, "outcome    status: status 200, expected 404, 5xx"},
		"status twice":          {[]string{"--status", "404", "--status", "200"}, 0, "outcome    ok"},
		"not within":            {[]string{"--within", "1ns"}, 1, "outcome    slow: took"},
		"its name and label":    {nil, 0, "shop (line ct)\nPUT " + url},
		"two that fail":         {[]string{"--status", "404", "--within", "1ns"}, 1, "failed     status, slow"},
		"several":               {[]string{"--count", "3"}, 0, "3 of 3 available"},
		"several that fail":     {[]string{"-n", "2", "--status", "404"}, 1, "0 of 2 available"},
		"flags before the name": {[]string{"--insecure-skip-verify", "--timeout", "9s"}, 0, "outcome    ok"},
	} {
		t.Run(name, func(t *testing.T) {
			got := try(t, config, append(slices.Clone(tc.args), "shop")...)
			if got.status != tc.status || !strings.Contains(got.out, tc.want) || got.err != "" {
				t.Errorf("status %d, want %d, and %q in\n%s%s", got.status, tc.status, tc.want, got.out, got.err)
			}
		})
	}
}

func TestAllTargetsOfANameAreProbed(t *testing.T) {
	good, bad := site(t, says(200, "")), site(t, says(500, ""))
	got := try(t, configured(
		object{"name": "shop", "url": good, "labels": object{"line": "ct"}},
		object{"name": "shop", "url": bad, "labels": object{"line": "cu"}}), "shop")
	if got.status != 1 || !strings.Contains(got.out, "shop (line ct)") || !strings.Contains(got.out, "\n\nshop (line cu)") {
		t.Errorf("%+v", got)
	}
	both := try(t, nil, good, "--family", "both")
	if both.status != 1 || !strings.Contains(both.out, "127.0.0.1 (family 4)") || !strings.Contains(both.out, "127.0.0.1 (family 6)") {
		t.Errorf("%+v", both)
	}
}

func TestWrongUseIsToldApartFromATargetThatFails(t *testing.T) {
	url := site(t, says(200, "hello"))
	config := configured(object{"name": "shop", "url": url}, object{"name": "bank\x1b[2J", "url": url})
	for name, tc := range map[string]struct {
		args   []string
		status int
		err    string
	}{
		"available":       {[]string{url}, 0, ""},
		"fails":           {[]string{"http://" + closedPort(t) + "/"}, 1, ""},
		"nothing":         {nil, 2, "one address or name of a target is needed, and there are 0"},
		"two":             {[]string{url, url}, 2, "and there are 2"},
		"unknown name":    {[]string{"shpo"}, 2, `no target is called "shpo"; an address begins with http:// or https://, and the targets are bank` + "\uFFFD[2J, shop"},
		"no scheme":       {[]string{"user:hush@shop.example.com/"}, 2, "this is no address, and no target is called so"},
		"no http":         {[]string{"ftp://user:hush@shop.example.com/"}, 2, "scheme"},
		"no address":      {[]string{"http://user:hush@[::/"}, 2, "this is no address"},
		"no host":         {[]string{"http:///"}, 2, "the address has no host"},
		"unknown flag":    {[]string{url, "--bogus"}, 2, "unknown flag: --bogus"},
		"count":           {[]string{url, "--count", "0"}, 2, "--count must be at least 1"},
		"output":          {[]string{url, "-o", "xml"}, 2, `--output "xml" is neither text nor json`},
		"family":          {[]string{url, "--family", "ipv5"}, 2, "--family: must be one of any, ipv4, ipv6, both"},
		"timeout":         {[]string{url, "--timeout", "5"}, 2, `--timeout: "5" is no duration`},
		"least":           {[]string{url, "--timeout", "0s"}, 2, "--timeout: must be at least 1ms"},
		"header":          {[]string{url, "--header", "hush"}, 2, "--header: it must be NAME:VALUE"},
		"header's name":   {[]string{url, "--header", "a b: hush"}, 2, "header name"},
		"proxy":           {[]string{url, "--proxy", "http://u:hush@[::"}, 2, "proxy is no address"},
		"status":          {[]string{url, "--status", "banana"}, 2, `status "banana" is none of`},
		"two of them":     {[]string{url, "--family", "x", "--mark", "-1"}, 2, "--mark: must be at least 0"},
		"what can not be": {[]string{url, "--http-version", "3"}, 2, "version 3"},
	} {
		t.Run(name, func(t *testing.T) {
			got := try(t, config, tc.args...)
			if got.status != tc.status || !strings.Contains(got.err, tc.err) || tc.err == "" && got.err != "" {
				t.Errorf("status %d, want %d; said %q, want %q", got.status, tc.status, got.err, tc.err)
			}
			if tc.status == 2 && got.out != "" {
				t.Errorf("it was probed: %s", got.out)
			}
			if strings.Contains(got.err+got.out, "hush") {
				t.Errorf("a secret is shown: %s%s", got.err, got.out)
			}
		})
	}
}

func TestNoReportShowsASecret(t *testing.T) {
	var home string
	home = site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, strings.Replace(home, "//", "//user:hush@", 1)+"/next?token=hush", http.StatusFound)
		}
	})
	url := strings.Replace(home, "//", "//user:hush@", 1) + "/?password=hush"
	for _, args := range [][]string{{}, {"-o", "json", "--hops"}, {"-n", "2"}, {"--status", "404"}, {"--redirects", "none"}} {
		got := try(t, nil, append(args, url, "--header", "Cookie: hush")...)
		if got.err != "" || !strings.Contains(got.out, "password=xxx") || strings.Contains(got.out, "hush") {
			t.Errorf("%v: %s%s", args, got.out, got.err)
		}
	}
}

// jsonPoint is a line of JSON.
type jsonPoint struct {
	Measurement string
	Tags        map[string]string
	Fields      map[string]json.RawMessage
	Time        time.Time
}

func readPoints(t *testing.T, text string) []jsonPoint {
	t.Helper()
	var points []jsonPoint
	for line := range strings.Lines(text) {
		var p jsonPoint
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		points = append(points, p)
	}
	return points
}

func TestJSONEqualsThePointThatThePluginMakes(t *testing.T) {
	target := aTarget([2]string{"line", "ct\u202e"})
	target.hops = true
	r := failed(redirected(), probe.OutcomeBody, "\"a\" is not in the body \u009b", "body")
	var out sdktest.Recorder
	out.Emit(target.point(&r).Int("attempt", 1))
	for _, p := range target.hopPoints(&r) {
		out.Emit(p)
	}
	text, err := target.asJSON(&r)
	if err != nil {
		t.Fatal(err)
	}
	isPlain(t, string(text))
	got := readPoints(t, string(text))
	if len(got) != 3 || len(out.Points()) != 3 {
		t.Fatalf("%d points: %s", len(got), text)
	}
	for i, p := range out.Points() {
		want := map[string]json.RawMessage{}
		for name, value := range values(t, p) {
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			want[name] = raw
		}
		sameJSON := func(a, b json.RawMessage) bool {
			var x, y any
			return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
		}
		if !maps.EqualFunc(got[i].Fields, want, sameJSON) || !maps.Equal(got[i].Tags, tagsOf(t, p)) ||
			got[i].Measurement != p.Measurement || got[i].Time.UnixNano() != p.Time {
			t.Errorf("%+v\nwant %v", got[i], p)
		}
	}
}

// The same target, probed by the command and by the plugin.
func TestTheCommandFindsWhatThePluginFinds(t *testing.T) {
	url := site(t, says(200, "hello"))
	c := targetAt("shop", url+"/?token=hush")
	c.App, c.Labels, c.Expect = "web", map[string]string{"line": "ct"}, &expectConfig{BodyContains: "bye", BodyLimit: 1 << 20}
	emitted := collect(t, c)[0]
	got := try(t, configured(object{"name": "shop", "url": c.URL, "app": "web", "labels": object{"line": "ct"}, "expect": object{"body_contains": "bye"}}),
		"shop", "-o", "json")
	points := readPoints(t, got.out)
	if got.status != 1 || len(points) != 1 || !maps.Equal(points[0].Tags, tagsOf(t, emitted)) || time.Since(points[0].Time) > time.Hour {
		t.Fatalf("%+v, and the plugin emits %v", got, emitted)
	}
	times := []string{"speed_download", "retrans"} // and what else may differ
	for _, f := range measurement.Fields {
		if f.Unit == "s" {
			times = append(times, f.Name)
		}
	}
	want := values(t, emitted)
	for name, value := range want {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if found, ok := points[0].Fields[name]; !slices.Contains(times, name) && (!ok || string(found) != string(text)) {
			t.Errorf("%s is %s, and the plugin's %s", name, found, text)
		}
	}
	for name := range points[0].Fields {
		if _, ok := want[name]; !ok && !slices.Contains(times, name) {
			t.Errorf("%s is not in the plugin's point", name)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	got := try(t, nil, "--help")
	if got.status != 0 || got.err != "" {
		t.Fatalf("%+v", got)
	}
	for _, flag := range []string{"method", "header", "http-version", "family", "resolve", "dns-server", "source-address", "interface", "proxy",
		"timeout", "insecure-skip-verify", "body-contains", "status", "count", "output"} {
		if !strings.Contains(got.out, " --"+flag+" ") {
			t.Errorf("no --%s in\n%s", flag, got.out)
		}
	}
}

func TestAnInterruptedProbeSaysNothingOfItsTarget(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := "http://" + rawSite(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	var out bytes.Buffer
	err := testTarget(ctx, sdk.Call{Args: []string{url}, Stdout: &out})
	var exit *sdk.ExitError
	if err == nil || err.Error() != "interrupted" || errors.As(err, &exit) || out.Len() > 0 {
		t.Errorf("error %v, printed %q", err, out.String())
	}
}
