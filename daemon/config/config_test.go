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
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samplerManifest has one of everything.
var samplerManifest = &wire.Manifest{Name: "sampler", Version: "1.0.0", Validates: true, Config: wire.Schema{
	Attributes: []wire.Attribute{
		{Name: "limit", Type: "size", Default: "10MiB", Min: "1KiB", Max: "1GiB", Doc: "x"},
		{Name: "every", Type: "duration", Min: "1s", Max: "1h", Doc: "x"},
		{Name: "ratio", Type: "float", Min: "0", Max: "1", Doc: "x"},
		{Name: "level", Type: "string", Default: "medium", OneOf: []string{"low", "medium", "high"}, Doc: "x"},
		{Name: "colours", Type: "list(string)", OneOf: []string{"red", "green"}, Min: "1", Max: "3", Doc: "x"},
		{Name: "weights", Type: "map(int)", Max: "2", Doc: "x"},
		{Name: "waits", Type: "list(duration)", Doc: "x"},
		{Name: "files", Type: "list(path)", Doc: "x"},
		{Name: "token", Type: "string", Sensitive: true, Doc: "x"},
		{Name: "pin", Type: "int", Sensitive: true, Min: "1000", Doc: "x"},
		{Name: "speed", Type: "string", Deprecated: "use level instead", Doc: "x"},
		{Name: "fail", Type: "string", Doc: "What the plugin complains of."},
	},
	Blocks: []wire.Block{
		{Name: "step", Min: 1, Max: 2, Doc: "x", Schema: wire.Schema{
			Attributes: []wire.Attribute{{Name: "names", Type: "list(string)", Doc: "x"}, {Name: "pairs", Type: "map(string)", Doc: "x"}},
		}},
		{Name: "auth", Single: true, Deprecated: "use token", Doc: "x", Schema: wire.Schema{
			Attributes: []wire.Attribute{{Name: "password", Type: "string", Sensitive: true, Doc: "x"}},
		}},
	},
}}

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
					{Name: "labels", Type: "map(string)", Tags: true, Doc: "x"},
					{Name: "ca_file", Type: "path", Doc: "x"},
				},
				Blocks: []wire.Block{{Name: "expect", Single: true, Doc: "x", Schema: wire.Schema{Attributes: []wire.Attribute{
					{Name: "status", Type: "list(string)", Default: `["2xx", "3xx"]`, Doc: "x"},
				}}}},
			}}, {Name: "file_sd", Single: true, Tags: true, Doc: "x"}},
		}}, nil
	case "needs-block":
		return &wire.Manifest{Name: source, Config: wire.Schema{Blocks: []wire.Block{{Name: "server", Required: true, Schema: required}}}}, nil
	case "reserved":
		return &wire.Manifest{Name: source, Version: "1.0.0", Config: wire.Schema{Attributes: []wire.Attribute{{Name: "memory_limit", Type: "int", Doc: "x"}}}}, nil
	case "broken":
		return nil, errors.New("the plugin broken did not describe itself: exit status 2")
	case "king":
		return &wire.Manifest{Name: source, Version: "1.0.0", Roles: []wire.Role{"king"}}, nil
	case "badly-described":
		return &wire.Manifest{Name: source, Version: "1.0.0", Config: wire.Schema{Attributes: []wire.Attribute{{Name: "x", Type: "int", Default: "y", Doc: "x"}}}}, nil
	case "sampler":
		return samplerManifest, nil
	case "alert-notifier":
		return notifierManifest, nil
	case "odd-notifier":
		return oddNotifierManifest, nil
	}
	return nil, fmt.Errorf("there is no plugin %q: %w", filepath.Base(source), fs.ErrNotExist)
}

// Inspect says that the SHA256 of a program is the plugin's name.
func (c testCatalog) Inspect(source string, _ *process.Account, may func(string) error) (*wire.Manifest, string, error) {
	if err := may(source); err != nil {
		return nil, "", err
	}
	m, err := c.Manifest(source)
	return m, source, err
}

// Validate complains of what the argument fail says: "PATH: SUMMARY" or "PATH: SUMMARY: DETAIL", one a line.
func (testCatalog) Validate(_ string, config []byte, _ *process.Account) ([]*wire.Problem, error) {
	var c struct {
		Fail, Token string
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	if c.Fail == "crash" {
		return nil, errors.New("the plugin sampler did not check its configuration: exit status 2: panic over " + c.Token)
	}
	var problems []*wire.Problem
	for line := range strings.Lines(c.Fail) {
		parts := append(strings.SplitN(strings.TrimSpace(line), ": ", 3), "", "")
		p := &wire.Problem{Summary: strings.ReplaceAll(parts[1], "TOKEN", c.Token), Detail: strings.ReplaceAll(parts[2], "TOKEN", c.Token)}
		if parts[0] != "" {
			p.Path = strings.Split(parts[0], ".")
		}
		problems = append(problems, p)
	}
	return problems, nil
}

func load(t *testing.T, path string, settings ...Setting) (*Config, string) {
	t.Helper()
	cfg, diags := Load(path, func(string) Catalog { return testCatalog{} }, settings...)
	if (cfg == nil) != diags.HasErrors() {
		t.Errorf("configuration %v, errors %v", cfg, diags.HasErrors())
	}
	var out bytes.Buffer
	if err := diags.Write(&out); err != nil {
		t.Fatal(err)
	}
	return cfg, out.String()
}

// settingsIn are the lines "# -var NAME=VALUE" and "# -var-file FILE" of a configuration.
func settingsIn(t *testing.T, path string) []Setting {
	t.Helper()
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "config.hcl")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var settings []Setting
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if file, ok := strings.CutPrefix(line, "# -var-file "); ok {
			settings = append(settings, Setting{File: file})
		} else if assigned, ok := strings.CutPrefix(line, "# -var "); ok {
			name, value, _ := strings.Cut(assigned, "=")
			settings = append(settings, Setting{Name: name, Value: value})
		}
	}
	return settings
}

// hush is in every secret of the test data.
const hush = "hush"

func TestWrongConfigurationsAreExplained(t *testing.T) {
	explained(t, "testdata/wrong", false)
}

func TestOddConfigurationsAreTakenWithAWarning(t *testing.T) {
	explained(t, "testdata/odd", true)
}

// explained compares what is said of every configuration in a directory, a file or a directory, with its golden file.
func explained(t *testing.T, dir string, valid bool) {
	t.Chdir(dir)
	t.Setenv("VEDETTE_VAR_port_of_environment", "many")
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, isFile := strings.CutSuffix(entry.Name(), ".hcl")
		if !isFile && !entry.IsDir() || entry.Name() == "files" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			cfg, got := load(t, entry.Name(), settingsIn(t, entry.Name())...)
			if (cfg != nil) != valid {
				t.Errorf("accepted: %v", cfg != nil)
			}
			if strings.Contains(got, hush) {
				t.Errorf("a secret is shown in\n%s", got)
			}
			golden := name + ".golden"
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
	if want := (InfluxDB{Embedded: true, Port: 8086, Retention: 32 * 24 * time.Hour,
		RecordsRetention: 400 * 24 * time.Hour, Memory: 512 << 20, Bucket: "vedette"}); cfg.InfluxDB != want {
		t.Errorf("influxdb is %+v, want %+v", cfg.InfluxDB, want)
	}
	if want := (Spool{MaxSize: 2 << 30, MinFree: 64 << 20}); cfg.Spool != want {
		t.Errorf("spool is %+v, want %+v", cfg.Spool, want)
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

func TestTheBoundsOfTheSpoolAreRead(t *testing.T) {
	path := write(t, t.TempDir(), "config.hcl", `
spool {
  max_size  = "10GiB"
  min_free  = "1GiB"
  when_full = "drop_oldest"
}
`)
	cfg, diags := load(t, path)
	if cfg == nil {
		t.Fatal(diags)
	}
	if want := (Spool{MaxSize: 10 << 30, MinFree: 1 << 30, DropOldest: true}); cfg.Spool != want {
		t.Errorf("spool is %+v, want %+v", cfg.Spool, want)
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

func TestATextThatIsNestedWithoutEndIsRefused(t *testing.T) {
	path := write(t, t.TempDir(), "config.hcl", "vantage {\n  host = "+strings.Repeat("[", 100_000)+"\n}\n")
	if cfg, diags := load(t, path); cfg != nil || !strings.Contains(diags, "config.hcl:2,") || !strings.Contains(diags, "Nested too deeply") {
		t.Errorf("the diagnostics are %.300s", diags)
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

// Nobody writes into the pipe: to wait for it would be for ever.
func TestAPipeIsRefusedWhereverAFileIsRead(t *testing.T) {
	for promise, c := range map[string]struct{ pipe, config, read string }{
		"by file":                   {"pipe", "vantage {\n  host = file(\"pipe\")\n}\n", "config.hcl"},
		"by secret":                 {"pipe", "influxdb {\n  token = secret(\"pipe\")\n}\n", "config.hcl"},
		"as the configuration":      {"pipe", "", "pipe"},
		"among configuration files": {"pipe.hcl", "", "."},
		"with values of variables":  {"pipe.vars.hcl", "", "config.hcl"},
	} {
		t.Run(promise, func(t *testing.T) {
			dir := t.TempDir()
			pipe := filepath.Join(dir, c.pipe)
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "config.hcl", c.config)
			cfg, diags := load(t, filepath.Join(dir, c.read))
			if said := strings.Join(strings.Fields(diags), " "); cfg != nil || !strings.Contains(said, pipe+" is no regular file but a pipe") {
				t.Errorf("the diagnostics are %s", diags)
			}
		})
	}
}

func TestSecretsAreNotShownOfTextThatCanNotBeParsed(t *testing.T) {
	for _, text := range []string{
		"influxdb {\n  token = \"hunter2\n}\n",
		"influxdb {\n  token = \"hunter2\" org = \"o\"\n}\n",
		"plugin \"http-quality\" {\n  target \"a\" {\n    url = \"http://u:hunter2@127.0.0.1/${nothing}\"\n  }\n}\n",
		"plugin \"http-quality\" {\n  target \"a\" {\n    url = \"http:/u:hunter2@127.0.0.1/${nothing}\"\n  }\n}\n",
		"plugin \"http-quality\" {\n  target \"a\" {\n    url = \"http:///u:hunter2@127.0.0.1/${nothing}\"\n  }\n}\n",
		"plugin \"http-quality\" {\n  target \"a\" {\n    url = \"/u:hunter2@127.0.0.1/${nothing}\"\n  }\n}\n",
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

func TestALongLineIsShownAroundItsMistake(t *testing.T) {
	long := strings.Repeat("电", 100_000)
	for promise, c := range map[string]struct{ line, marked, place string }{
		"in its middle":                 {`v = "` + long + `${nope}` + long + `"`, "nope", "config.hcl:2,100008"},
		"at its beginning":              {`v = "${nope}` + long + `"`, "nope", "config.hcl:2,8"},
		"at its end":                    {`v = "` + long + `${nope}"`, "nope", "config.hcl:2,100008"},
		"as far as the line is shown":   {long + ` = 1`, strings.Repeat("电", 200), "config.hcl:2,1"},
		"where the mistake fills a lot": {`v = 1 + "` + long + `"`, `"` + strings.Repeat("电", 99), "config.hcl:2,9"},
	} {
		t.Run(promise, func(t *testing.T) {
			_, diags := load(t, write(t, t.TempDir(), "config.hcl", "vantage {\n"+c.line+"\n}\n"))
			_, said, _ := strings.Cut(diags, "\n\n")
			lines := strings.SplitN(said, "\n", 4)
			if len(lines) < 4 || !strings.HasSuffix(lines[0], c.place) {
				t.Fatalf("the place of the mistake is not %s in\n%.2000s", c.place, diags)
			}
			shown, below := []rune(lines[1]), []rune(lines[2])
			from := slices.Index(below, '^')
			if from < 0 || len(shown) > 210 || len(below) > 210 || !strings.HasPrefix(string(shown[from:len(below)]), c.marked) {
				t.Errorf("%q is not marked in\n%s\n%s", c.marked, string(shown), string(below))
			}
		})
	}
}

func TestALongValueIsNotRepeatedAsAWhole(t *testing.T) {
	_, diags := load(t, write(t, t.TempDir(), "config.hcl", "daemon {\n  log_level = \""+strings.Repeat("x", 100_000)+"\"\n}\n"))
	if said := strings.Join(strings.Fields(diags), " "); len(diags) > 5000 || !strings.Contains(said, `log_level is "xxx`) || !strings.Contains(said, "must be one of trace") {
		t.Errorf("%d bytes are said, as %.500s", len(diags), diags)
	}
}

func TestOfManyComplaintsOfAPluginTheFirstAreShown(t *testing.T) {
	var complaints []string
	for i := range 10_000 {
		complaints = append(complaints, fmt.Sprintf("level: Wrong: Reason %d.", i))
	}
	text := fmt.Sprintf("plugin \"sampler\" {\n  step {}\n  level = \"low\"\n  fail = %q\n}\n", strings.Join(complaints, "\n"))
	_, diags := load(t, write(t, t.TempDir(), "config.hcl", text))
	if n := strings.Count(diags, "Reason "); n != 20 || !strings.Contains(diags, "9980 more mistakes") {
		t.Errorf("%d complaints are shown in\n%.1000s", n, diags)
	}
}

// FuzzLoad holds that no text crashes the reader, and that what is refused is refused with a reason.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.hcl")
	nested, _ := filepath.Glob("testdata/*/*/*.hcl")
	for _, file := range append(files, nested...) {
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
