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
		"body of HEAD": {func(c *targetConfig) { c.Method, c.Expect.BodyContains = "HEAD", "x" }, "expect: answer to HEAD"},
	} {
		t.Run(name, func(t *testing.T) {
			c := targetConfig{Name: "shop", URL: "https://shop.example.com/", Method: "GET", Timeout: time.Second, MaxBody: 1,
				Family: "any", Expect: &expectConfig{}}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			tc.mistake(&c)
			err := c.Validate()
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
	c := targetConfig{Name: "shop", URL: "http://[", CAFile: "/no/such/file", Labels: map[string]string{"app": "x"},
		Expect: &expectConfig{Status: []string{"a", "2xx", "b"}}}
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("got %v", c.Validate())
	}
	if n := len(strings.Split(c.Validate().Error(), "\n")); n != 5 {
		t.Errorf("%d mistakes were found, want 5: %v", n, c.Validate())
	}
}

func TestAValidTargetHasItsTags(t *testing.T) {
	c := targetConfig{Name: "shop", App: "web", URL: "https://u:p@shop.example.com/", Method: "GET", Family: "ipv6",
		Labels: map[string]string{"line": "ct", "area": "north"}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	targets, err := c.targets()
	if err != nil || len(targets) != 1 {
		t.Fatal(targets, err)
	}
	want := [][2]string{{"target", "shop"}, {"app", "web"}, {"url", "https://shop.example.com/"}, {"method", "GET"}, {"family", "6"},
		{"area", "north"}, {"line", "ct"}}
	if !slices.Equal(targets[0].tags, want) {
		t.Errorf("tags are %v, want %v", targets[0].tags, want)
	}
}
