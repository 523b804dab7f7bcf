package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

func TestAWrongTargetIsExplainedWithItsPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		mistake func(*targetConfig)
		want    string
	}{
		"no scheme":      {func(c *targetConfig) { c.URL = "shop.example.com" }, "url: url "},
		"no address":     {func(c *targetConfig) { c.URL = "http://user:hush@[::" }, "url: url is no address"},
		"wrong port":     {func(c *targetConfig) { c.URL = "http://a:99999/" }, "url: url http://a:99999/: port is not"},
		"method":         {func(c *targetConfig) { c.Method = "G ET" }, `method: method "G ET" is not a token`},
		"header":         {func(c *targetConfig) { c.Headers = map[string]string{"a b": "c"} }, "headers: header name"},
		"header's value": {func(c *targetConfig) { c.Headers = map[string]string{"a": "\n"} }, "headers: value of header"},
		"no file":        {func(c *targetConfig) { c.CAFile = "/no/such/file" }, "ca_file: reading the certificates: "},
		"no certificate": {func(c *targetConfig) { c.CAFile = "config.go" }, "ca_file: config.go has no certificate"},
		"label":          {func(c *targetConfig) { c.Labels = map[string]string{"url": "x"} }, `labels/url: "url" can not be a label`},
		"status":         {func(c *targetConfig) { c.Expect.Status = []string{"2xx", "banana"} }, `expect/status/1: status "banana" is none of`},
		"expected header": {func(c *targetConfig) { c.Expect.Headers = map[string]string{"a b": ""} },
			"expect/headers: expected header name"},
		"proxy":              {func(c *targetConfig) { c.Proxy = "http://user:hush@[::" }, "proxy: proxy is no address"},
		"kind of proxy":      {func(c *targetConfig) { c.Proxy = "ftp://user:hush@x" }, "proxy: proxy: scheme \"ftp\""},
		"proxy without host": {func(c *targetConfig) { c.Proxy = "http://user:hush@" }, "proxy: proxy: url has no host"},
		"proxy password":     {func(c *targetConfig) { c.ProxyPasswordFile = "x" }, "proxy_password_file: proxy password"},
		"resolve":            {func(c *targetConfig) { c.Resolve = "shop" }, `resolve: resolve "shop" is no IP address`},
		"resolved family":    {func(c *targetConfig) { c.Resolve, c.Family = "192.0.2.1", "ipv6" }, "resolve: address to connect to"},
		"dns_server":         {func(c *targetConfig) { c.DNSServer = "dns:53" }, `dns_server: dns_server "dns:53" is no IP address`},
		"source_address":     {func(c *targetConfig) { c.SourceAddress = "eth0" }, "source_address: source_address"},
		"source of a family": {func(c *targetConfig) { c.SourceAddress, c.Family = "192.0.2.1", "ipv6" }, "source_address: source address"},
		"source of both":     {func(c *targetConfig) { c.SourceAddress, c.Family = "192.0.2.1", "both" }, "source_address: source address"},
		"interface":          {func(c *targetConfig) { c.Interface = "an-interface-name" }, "interface: interface name"},
		"http_version":       {func(c *targetConfig) { c.HTTPVersion, c.URL = "3", "http://x/" }, "http_version: version 3"},
		"user":               {func(c *targetConfig) { c.User = "alice" }, "user: user is given without"},
		"password file":      {func(c *targetConfig) { c.User, c.PasswordFile = "alice", "/no/such/file" }, "password_file: reading the password: "},
		"token file":         {func(c *targetConfig) { c.BearerTokenFile = "/no/such/file" }, "bearer_token_file: reading the bearer token: "},
		"two authorizations": {func(c *targetConfig) { c.URL, c.BearerTokenFile = "https://u:hush@x/", "config.go" }, "url: authorization is given"},
		"body file":          {func(c *targetConfig) { c.Method, c.BodyFile = "POST", "/no/such/file" }, "body_file: reading the body: "},
		"two bodies":         {func(c *targetConfig) { c.Body, c.BodyFile = "hush", "config.go" }, "body_file: body is given"},
		"connect_timeout":    {func(c *targetConfig) { c.ConnectTimeout = time.Minute }, "connect_timeout: connect timeout"},
		"cert_file":          {func(c *targetConfig) { c.CertFile = "config.go" }, "cert_file: client's certificate and key"},
		"no key":             {func(c *targetConfig) { c.CertFile, c.KeyFile = "config.go", "/no/such/file" }, "key_file: reading the client's key"},
		"compression":        {func(c *targetConfig) { c.Compression, c.Headers = true, map[string]string{"accept-encoding": "br"} }, "headers: header Accept"},
		"body_regex":         {func(c *targetConfig) { c.Expect.BodyRegex = "(" }, "expect/body_regex: regular expression: "},
		"header_regex":       {func(c *targetConfig) { c.Expect.HeaderRegex = map[string]string{"a": "("} }, "expect/header_regex/a: regular expression: "},
		"name to match":      {func(c *targetConfig) { c.Expect.HeaderRegex = map[string]string{"a b": "c"} }, "expect/header_regex: header to match"},
		"json":               {func(c *targetConfig) { c.Expect.JSON = map[string]string{"status": "ok"} }, "expect/json/status: JSON path"},
		"first_line":         {func(c *targetConfig) { c.Expect.FirstLine = "a\nb" }, "expect/first_line: expected first line"},
		"cert_days":          {func(c *targetConfig) { c.Expect.CertDays, c.URL = 3, "http://x/" }, "expect/cert_days: certificate is expected"},
		"label of a hop":     {func(c *targetConfig) { c.Labels = map[string]string{"hop": "x"} }, `labels/hop: "hop" can not be a label`},
		"body of HEAD":       {func(c *targetConfig) { c.Method, c.Expect.BodyContains = "HEAD", "x" }, "expect: answer to HEAD"},
	} {
		t.Run(name, func(t *testing.T) {
			c := targetConfig{"shop", "https://shop.example.com/", probeConfig{Method: "GET", Timeout: time.Second, MaxBody: 1,
				Family: "any", Expect: &expectConfig{}}}
			if err := errors.Join(c.mistakes(newShared(0))...); err != nil {
				t.Fatal(err)
			}
			tc.mistake(&c)
			err := errors.Join(c.mistakes(newShared(0))...)
			var problem *sdk.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("error %v has no place", err)
			}
			got := filepath.Join(problem.Path...) + ": " + problem.Error()
			if !strings.HasPrefix(got, tc.want) || strings.Contains(got, "hush") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEveryMistakeOfATargetIsFound(t *testing.T) {
	c := targetConfig{"shop", "http://[", probeConfig{CAFile: "/no/such/file", Labels: map[string]string{"app": "x"},
		Expect: &expectConfig{Status: []string{"a", "2xx", "b"}}}}
	joined, ok := errors.Join(c.mistakes(newShared(0))...).(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("got %v", errors.Join(c.mistakes(newShared(0))...))
	}
	if n := len(strings.Split(errors.Join(c.mistakes(newShared(0))...).Error(), "\n")); n != 5 {
		t.Errorf("%d mistakes were found, want 5: %v", n, errors.Join(c.mistakes(newShared(0))...))
	}
}

func TestAValidTargetHasItsTags(t *testing.T) {
	c := targetConfig{"shop", "https://u:p@shop.example.com/", probeConfig{App: "web", Method: "GET", Family: "ipv6",
		Labels: map[string]string{"line": "ct", "area": "north"}}}
	if err := errors.Join(c.mistakes(newShared(0))...); err != nil {
		t.Fatal(err)
	}
	targets, err := c.targets(c.Name, c.URL, newShared(0))
	if err != nil || len(targets) != 1 {
		t.Fatal(targets, err)
	}
	want := [][2]string{{"target", "shop"}, {"app", "web"}, {"url", "https://shop.example.com/"}, {"method", "GET"}, {"family", "6"},
		{"area", "north"}, {"line", "ct"}}
	var tags [][2]string
	for name, value := range targets[0].tags {
		tags = append(tags, [2]string{name, value})
	}
	if !slices.Equal(tags, want) {
		t.Errorf("tags are %v, want %v", tags, want)
	}
}
