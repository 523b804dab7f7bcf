package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk"
)

// problem is a place, with slashes, and words that the error there must have.
type problem struct{ place, words string }

func TestWhatIsWrongWithAConfigurationIsSaidWithItsPlace(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := func(change func(*targetConfig)) config {
		second := targetAt("shop", "http://127.0.0.1/")
		change(&second)
		return config{Concurrency: 1, Targets: []targetConfig{targetAt("good", "http://127.0.0.1/"), second}}
	}
	withURL := func(url string) config { return bad(func(c *targetConfig) { c.URL = url }) }
	withLabel := func(name string) config {
		return bad(func(c *targetConfig) { c.Labels = map[string]string{"line": "1", name: "x"} })
	}
	tests := map[string]struct {
		config config
		want   []problem
	}{
		"no concurrency": {config{Concurrency: 0}, []problem{{"concurrency", "at least 1"}}},
		"family":         {bad(func(c *targetConfig) { c.Family = "ipv5" }), []problem{{"target/1/family", `"ipv5"`}}},
		"status": {
			bad(func(c *targetConfig) { c.Expect = &expectConfig{Status: []string{"2xx", "abc"}} }),
			[]problem{{"target/1/expect/status", "abc"}},
		},
		"no file":        {bad(func(c *targetConfig) { c.CAFile = sdk.Path(notPEM + ".none") }), []problem{{"target/1/ca_file", "no such file"}}},
		"no certificate": {bad(func(c *targetConfig) { c.CAFile = sdk.Path(notPEM) }), []problem{{"target/1/ca_file", "no certificate"}}},
		"no scheme":      {withURL("shop.example.com/x"), []problem{{"target/1/url", "neither http nor https"}}},
		"other scheme":   {withURL("ftp://user:s3cr3t@example.com/"), []problem{{"target/1/url", "neither http nor https"}}},
		"no host":        {withURL("http:///x"), []problem{{"target/1/url", "no host"}}},
		"bad port":       {withURL("http://user:s3cr3t@example.com:0/"), []problem{{"target/1/url", "port"}}},
		"no URL":         {withURL("http://user:s3cr3t@exa mple.com/%zz"), []problem{{"target/1/url", "no URL"}}},
		"opaque":         {withURL("user:s3cr3t@example.com"), []problem{{"target/1/url", ""}}},
		"method":         {bad(func(c *targetConfig) { c.Method = "GE T" }), []problem{{"target/1", "method"}}},
		"timeout":        {bad(func(c *targetConfig) { c.Timeout = -1 }), []problem{{"target/1", "timeout"}}},
		"label target":   {withLabel("target"), []problem{{"target/1/labels", `"target"`}}},
		"label family":   {withLabel("family"), []problem{{"target/1/labels", `"family"`}}},
		"label up":       {withLabel("up"), []problem{{"target/1/labels", `"up"`}}},
		"label time":     {withLabel("time"), []problem{{"target/1/labels", `"time"`}}},
		"several": {
			config{Targets: []targetConfig{targetAt("a", "x"), targetAt("b", "http://127.0.0.1/"), targetAt("c", "http://")}},
			[]problem{{"concurrency", "at least 1"}, {"target/0/url", `target "a"`}, {"target/2/url", `target "c"`}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newCollector(tc.config, sdk.Env{})
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok {
				t.Fatalf("error is %v", err)
			}
			var places []string
			for i, e := range joined.Unwrap() {
				var p *sdk.Problem
				if !errors.As(e, &p) {
					t.Fatalf("%v has no place", e)
				}
				places = append(places, strings.Join(p.Path, "/"))
				if i < len(tc.want) && !strings.Contains(e.Error(), tc.want[i].words) {
					t.Errorf("problem is %q, want one with %q", e, tc.want[i].words)
				}
				if strings.Contains(e.Error(), "s3cr3t") {
					t.Errorf("problem shows a password: %v", e)
				}
			}
			var want []string
			for _, w := range tc.want {
				want = append(want, w.place)
			}
			if !slices.Equal(places, want) {
				t.Errorf("problems are at %q, want them at %q: %v", places, want, err)
			}
		})
	}
}

func TestTheManifestDescribesTheConfiguration(t *testing.T) {
	plugin := sdk.Plugin{Name: "http-quality", Measurements: []sdk.Measurement{measurement}, New: sdk.New(newCollector)}
	m, err := plugin.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Config.Blocks) != 1 || m.Config.Blocks[0].Name != "target" || !slices.Equal(m.Config.Blocks[0].Labels, []string{"name"}) {
		t.Errorf("blocks are %+v", m.Config.Blocks)
	}
	for _, f := range measurement.Fields {
		if f.Doc == "" {
			t.Errorf("field %s is not explained", f.Name)
		}
	}
	for _, tag := range measurement.Tags {
		if tag.Doc == "" {
			t.Errorf("tag %s is not explained", tag.Name)
		}
	}
}
