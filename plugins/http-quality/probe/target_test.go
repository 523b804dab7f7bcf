package probe

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRequestIsWrittenAsCurlWritesIt(t *testing.T) {
	for _, c := range []struct {
		url  string
		line string // the request line's target
		host string
		ends string // the last fields
	}{
		{"http://shop.example", "/", "shop.example", ""},
		{"HTTP://Shop.Example:80/a?b=c#d", "/a?b=c", "shop.example", ""},
		{"https://shop.example:443", "/", "shop.example", ""},
		{"https://shop.example:80/?", "/?", "shop.example:80", ""},
		{"http://shop.example.:8080/%2f%20 x", "/%2f%20%20x", "shop.example.:8080", ""},
		{"http://[::1]:8080/", "/", "[::1]:8080", ""},
		{"http://[fe80::1%25lo]/", "/", "[fe80::1]", ""},
		{"http://127.0.0.1:81", "/", "127.0.0.1:81", ""},
		{"http://购物车.example/车?q=车 a", "/%E8%BD%A6?q=%E8%BD%A6%20a", "xn--g2xx48c2rb.example", ""},
	} {
		p := newProber(t, Target{URL: parseURL(t, c.url), UserAgent: "vedette/1.0", Header: []Field{{"X-a", "b"}}})
		want := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: vedette/1.0\r\nAccept: */*\r\nX-a: b\r\n\r\n", c.line, c.host)
		q, err := p.request(p.url(), p.target.Method, nil, &secrets{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(q.wire); got != want {
			t.Errorf("%s asks\n%q, want\n%q", c.url, got, want)
		}
	}
}

func TestTargetsThatCanNotBeProbedAreRefused(t *testing.T) {
	good := parseURL(t, "http://user:hunter2@x/?key=hunter2")
	for _, c := range []struct {
		target Target
		text   string
	}{
		{Target{}, "no url"},
		{Target{URL: parseURL(t, "ftp://user:hunter2@x/")}, `scheme "ftp" is neither`},
		{Target{URL: parseURL(t, "http:hunter2")}, "no host"},
		{Target{URL: parseURL(t, "http:///x")}, "no host"},
		{Target{URL: parseURL(t, "http://x:70000")}, "port"},
		{Target{URL: parseURL(t, "http://x:0")}, "port"},
		{Target{URL: parseURL(t, `http://a"b/`)}, "character"},
		{Target{URL: good, Timeout: -1}, "timeout"},
		{Target{URL: good, MaxBody: -1}, "limit"},
		{Target{URL: good, MaxRedirects: -1}, "redirects"},
		{Target{URL: good, Family: 5}, "family 5"},
		{Target{URL: good, Method: "GET /x"}, "method"},
		{Target{URL: good, Method: "HEAD", Expect: Expectation{BodyContains: "x"}}, "has no body"},
		{Target{URL: good, UserAgent: "a\nb"}, "user agent"},
		{Target{URL: good, Header: []Field{{"", "b"}}}, "header name"},
		{Target{URL: good, Header: []Field{{"a:b", "c"}}}, "header name"},
		{Target{URL: good, Header: []Field{{"a", "hunter2\r\nX: y"}}}, "value of header a"},
		{Target{URL: good, Header: []Field{{"content-length", "7"}}}, "by the probe"},
		{Target{URL: good, Expect: Expectation{Status: []StatusRange{{0, 0}}}}, "status 0"},
		{Target{URL: good, Expect: Expectation{Header: []Field{{" ", ""}}}}, "header name"},
		{Target{URL: good, Expect: Expectation{Within: -1}}, "time -1ns"},
	} {
		if _, err := New(c.target); err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want an error with %q", c.target, err, c.text)
		}
	}
}

func TestStatusIsACodeAClassOrARange(t *testing.T) {
	for in, want := range map[string]StatusRange{
		"200": {200, 200}, "2xx": {200, 299}, "5XX": {500, 599}, "200-299": {200, 299}, "200-204": {200, 204}, "404-404": {404, 404},
	} {
		got, err := ParseStatus(in)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v", in, got, err)
		}
		if again, err := ParseStatus(got.String()); err != nil || again != got {
			t.Errorf("%q is written %q, which is %v, %v", in, got, again, err)
		}
	}
	for _, bad := range []string{"", "2", "20", "2000", "0xx", "xxx", "2x", "2xx-3xx", "299-200", "200-", "-200", "+20", " 200", "099", "200-2x9"} {
		if got, err := ParseStatus(bad); err == nil || !strings.Contains(err.Error(), "200-299") {
			t.Errorf("%q is %v, %v", bad, got, err)
		}
	}
}

func TestTextIsFoundHoweverTheBodyIsCut(t *testing.T) {
	const body = "aabaabaaabaac"
	for _, text := range []string{"a", "aab", "aaab", "baac", "aabaabaaabaac", "aac", "aabaabaaabaacx", "aaaa", "ca"} {
		want := strings.Contains(body, text)
		for step := 1; step <= len(body); step++ {
			var s search
			s.reset(text)
			for i := 0; i < len(body); i += step {
				s.write([]byte(body[i:min(i+step, len(body))]))
			}
			if s.found != want || len(s.tail) > 2*len(text) {
				t.Errorf("%q in pieces of %d: found %t, tail of %d bytes", text, step, s.found, len(s.tail))
			}
		}
	}
}

func TestProberServesManyAtOnceAndOwnsItsTarget(t *testing.T) {
	leavesNothing(t)
	at := says(t, okAnswer)
	target := Target{URL: parseURL(t, "http://"+at.String()), Timeout: patience, Header: []Field{{"a", "b"}},
		Expect: Expectation{Status: []StatusRange{{200, 200}}, BodyContains: "hi"}}
	p := newProber(t, target)
	target.URL.Host, target.Header[0], target.Expect.Status[0] = "127.0.0.1:1", Field{"c", "d"}, StatusRange{500, 500}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if res := p.Run(t.Context()); res.Outcome != OutcomeOK || res.Start.Before(time.Now().Add(-2*patience)) {
				t.Errorf("%v", res.Err)
			}
		})
	}
	all.Wait()
	if p.URL() != "http://"+at.String() {
		t.Errorf("url is %s", p.URL())
	}
}
