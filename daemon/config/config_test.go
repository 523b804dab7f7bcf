package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testCatalog stands for a directory of installed plugins.
type testCatalog struct{}

func (testCatalog) Names() []string { return []string{"alert-notifier", "http-quality"} }

func (testCatalog) Manifest(source string) (*wire.Manifest, error) {
	required := wire.Schema{Attributes: []wire.Attribute{{Name: "url", Type: "string", Required: true, Doc: "x"}}}
	switch source {
	case "http-quality":
		return &wire.Manifest{Name: source, Version: "1.0.0", Config: wire.Schema{
			Attributes: []wire.Attribute{{Name: "workers", Type: "int", Default: "64", Doc: "x"}},
			Blocks: []wire.Block{{Name: "target", Labels: []string{"name"}, Doc: "x", Schema: wire.Schema{
				Attributes: []wire.Attribute{
					{Name: "url", Type: "string", Required: true, Doc: "x"},
					{Name: "timeout", Type: "duration", Default: "10s", Doc: "x"},
					{Name: "labels", Type: "map(string)", Doc: "x"},
					{Name: "ca_file", Type: "path", Doc: "x"},
				},
				Blocks: []wire.Block{{Name: "expect", Single: true, Doc: "x", Schema: wire.Schema{Attributes: []wire.Attribute{
					{Name: "status", Type: "list(string)", Default: `["2xx", "3xx"]`, Doc: "x"},
				}}}},
			}}},
		}}, nil
	case "needs-block":
		return &wire.Manifest{Name: source, Config: wire.Schema{Blocks: []wire.Block{{Name: "server", Required: true, Schema: required}}}}, nil
	case "reserved":
		return &wire.Manifest{Name: source, Version: "1.0.0", Config: wire.Schema{Attributes: []wire.Attribute{{Name: "memory_limit", Type: "int", Doc: "x"}}}}, nil
	case "broken":
		return nil, errors.New("the plugin broken did not describe itself: exit status 2")
	}
	return nil, fmt.Errorf("there is no plugin %q: %w", filepath.Base(source), fs.ErrNotExist)
}

func load(t *testing.T, path string) (*Config, string) {
	t.Helper()
	cfg, diags := Load(path, func(string) Catalog { return testCatalog{} })
	if (cfg == nil) != diags.HasErrors() {
		t.Errorf("configuration %v, errors %v", cfg, diags.HasErrors())
	}
	var out bytes.Buffer
	if err := diags.Write(&out); err != nil {
		t.Fatal(err)
	}
	return cfg, out.String()
}

func TestWrongConfigurationsAreExplained(t *testing.T) {
	t.Chdir("testdata/wrong")
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			cfg, got := load(t, file)
			if cfg != nil {
				t.Fatal("the configuration was accepted")
			}
			golden := strings.TrimSuffix(file, ".hcl") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAConfigurationIsReadWithItsDefaults(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("VEDETTE_TEST_ISP", "ct")
	write(t, dir, "idc", "gz1")
	path := write(t, dir, "config.hcl", `
vantage {
  host   = "bj-1"
  isp    = env("VEDETTE_TEST_ISP")
  idc    = file("idc")
  region = "north"
}
plugin "http-quality" {
  interval = "90s"
  tags     = { line = "backup" }
  target "shop" {
    url = "https://shop.example.com/"
    labels = { app = "网上商城" }
    ca_file = "certs/ca.pem"
    expect {}
  }
}
plugin "second" {
  source  = "http-quality"
  enabled = false
  timeout = "1m30s"
}
`)
	cfg, diags := load(t, path)
	if cfg == nil {
		t.Fatal(diags)
	}
	if want := []Tag{{"host", "bj-1"}, {"idc", "gz1"}, {"isp", "ct"}, {"region", "north"}}; !slices.Equal(cfg.Tags, want) {
		t.Errorf("tags are %v, want %v", cfg.Tags, want)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wantDaemon := Daemon{DataDir: filepath.Join(dir, "data"), PluginDir: filepath.Dir(program), Listen: "127.0.0.1:8420", LogLevel: "info", LogFormat: "text"}
	if cfg.Daemon != wantDaemon {
		t.Errorf("daemon is %+v, want %+v", cfg.Daemon, wantDaemon)
	}
	if want := (InfluxDB{Embedded: true, Port: 8086, Retention: 32 * 24 * time.Hour, Bucket: "vedette"}); cfg.InfluxDB != want {
		t.Errorf("influxdb is %+v, want %+v", cfg.InfluxDB, want)
	}
	first, second := cfg.Plugins[0], cfg.Plugins[1]
	if first.Source != "http-quality" || !first.Enabled || first.Interval != 90*time.Second || first.Timeout != 90*time.Second || first.Tags[0] != (Tag{"line", "backup"}) {
		t.Errorf("first plugin is %+v", first)
	}
	if second.Source != "http-quality" || second.Enabled || second.Interval != time.Minute || second.Timeout != 90*time.Second {
		t.Errorf("second plugin is %+v", second)
	}
	want := `{"target":[{"ca_file":"` + dir + `/certs/ca.pem","expect":{"status":["2xx","3xx"]},"labels":{"app":"网上商城"},"name":"shop","timeout":10,"url":"https://shop.example.com/"}],"workers":64}`
	if string(first.Config) != want {
		t.Errorf("the plugin gets %s\nwant %s", first.Config, want)
	}
}

func TestPathsAreRelativeToTheFileThatNamesThem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.hcl", `vantage { host = "a" }`)
	write(t, dir, "b.hcl", `daemon { data_dir = "../state" }`)
	write(t, dir, "ignored.txt", `nonsense`)
	cfg, diags := load(t, dir)
	if cfg == nil {
		t.Fatal(diags)
	}
	if want := filepath.Join(filepath.Dir(dir), "state"); cfg.Daemon.DataDir != want || cfg.Tags[0].Value != "a" {
		t.Errorf("data_dir is %s, want %s", cfg.Daemon.DataDir, want)
	}
}

func TestFilesThatCanNotBeReadAreNamed(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.hcl"): "no such file or directory",
		dir:                            "has no file whose name ends in .hcl",
	} {
		cfg, diags := load(t, path)
		diags = strings.Join(strings.Fields(diags), " ")
		if cfg != nil || !strings.Contains(diags, want) || !strings.Contains(diags, path) {
			t.Errorf("for %s the diagnostics are %s", path, diags)
		}
	}
}

func TestSecretsAreNotShownInSnippets(t *testing.T) {
	t.Chdir("testdata/wrong")
	_, got := load(t, "influxdb_url.hcl")
	if strings.Contains(got, "not-to-be-shown") || !strings.Contains(got, "influxdb_url.hcl:3,") {
		t.Errorf("the diagnostics are\n%s", got)
	}
}

func TestSecretsAreNotShownOfTextThatCanNotBeParsed(t *testing.T) {
	for _, text := range []string{
		"influxdb {\n  token = \"hunter2\n}\n",
		"influxdb {\n  token = \"hunter2\" org = \"o\"\n}\n",
		"plugin \"http-quality\" {\n  target \"a\" {\n    url = \"http://u:hunter2@127.0.0.1/${nothing}\"\n  }\n}\n",
	} {
		path := filepath.Join(t.TempDir(), "config.hcl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got := load(t, path); strings.Contains(got, "hunter2") || !strings.Contains(got, "config.hcl:") {
			t.Errorf("of %q was shown:\n%s", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "32d": 768 * time.Hour, "1w2d12h": 228 * time.Hour, "0s": 0, "0": 0, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is read as %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "5", "-5s", "1.5d", "d", "-1d", "1d-5s", "99999999999w", "106752d", "106751d23h59m59s", "1d1w"} {
		if got, err := ParseDuration(text); err == nil && got >= 0 && text != "106751d23h59m59s" {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// FuzzLoad holds that no text crashes the reader, and that what is refused is refused with a reason.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/wrong/*.hcl")
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "config.hcl")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, diags := load(t, path)
		if cfg == nil && diags == "" {
			t.Error("refused without a word")
		}
		if cfg != nil {
			for _, p := range cfg.Plugins {
				if !json.Valid(p.Config) {
					t.Errorf("the plugin would get %s", p.Config)
				}
			}
		}
	})
}
