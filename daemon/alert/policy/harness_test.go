package policy

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	_ "time/tzdata"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/daemon/vitals"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// catalog stands for a directory of installed plugins.
type catalog struct{}

var installed = map[string]*wire.Manifest{
	"http-quality": {Name: "http-quality", Version: "1.0.0", Roles: []wire.Role{wire.RoleCollector},
		Config: wire.Schema{Blocks: []wire.Block{
			{Name: "target", Labels: []string{"name"}, Doc: "x", Schema: wire.Schema{Attributes: []wire.Attribute{{Name: "labels", Type: "map(string)", Tags: true, Doc: "x"}}}},
			{Name: "file_sd", Tags: true, Doc: "x"},
		}},
		Measurements: []wire.Measurement{{
			Name: "http_quality", Tags: []wire.TagSchema{{Name: "target"}, {Name: "app"}},
			Fields: []wire.FieldSchema{
				{Name: "available", Type: "bool"}, {Name: "http_code", Type: "int"}, {Name: "total_time", Type: "float", Unit: "s"},
				{Name: "cert_days", Type: "float", Unit: "d"}, {Name: "error", Type: "string"}, {Name: "vantage_ok", Type: "bool"},
			},
		}},
	},
	"shell-audit": {Name: "shell-audit", Version: "1.0.0", Roles: []wire.Role{wire.RoleStreamer}, Measurements: []wire.Measurement{{
		Name: "shell_command", Record: true, Tags: []wire.TagSchema{{Name: "host"}, {Name: "user"}},
		Fields: []wire.FieldSchema{{Name: "command", Type: "string"}, {Name: "uid", Type: "int"}},
	}}},
	"load": {Name: "load", Version: "1.0.0", Roles: []wire.Role{wire.RoleCollector}, Measurements: []wire.Measurement{{Name: "load", Open: true}}},
	"anything": {Name: "anything", Version: "1.0.0", Roles: []wire.Role{wire.RoleCollector},
		Measurements: []wire.Measurement{{Name: wire.AnyMeasurement, Open: true}}},
	"alert-notifier": {Name: "alert-notifier", Version: "1.0.0", Roles: []wire.Role{wire.RoleNotifier},
		Channels: []wire.ChannelType{{Name: "email"}, {Name: "sms", Pages: true}}},
}

func (catalog) Inspect(source string, _ *process.Account, _ func(string) error) (*wire.Manifest, string, error) {
	if m := installed[source]; m != nil {
		return m, source, nil
	}
	return nil, "", fmt.Errorf("there is no plugin %q: %w", source, fs.ErrNotExist)
}

func (catalog) Names() []string { return sortedKeys(installed) }

func (catalog) Validate(string, []byte, *process.Account) ([]*wire.Problem, error) { return nil, nil }

// read reads the configuration at path, and returns what is said of it. The policy is nil if something is wrong.
func read(t testing.TB, path string) (*Policy, string) {
	t.Helper()
	var p *Policy
	cfg, diags := config.Read(path, func(string) config.Catalog { return catalog{} }, func(cfg *config.Config, bodies *config.Bodies) {
		p = Load(cfg, bodies, append(vitals.Measurements(), Measurements()...))
	})
	var out bytes.Buffer
	if err := diags.Write(&out); err != nil {
		t.Fatal(err)
	}
	if cfg == nil {
		p = nil
	}
	return p, out.String()
}

// surroundings are what the alerts of a test refer to.
const surroundings = `
vantage {
  host = "h"
  isp  = "ct"
}
plugin "http-quality" {
  tags = { area = "north" }
  target "shop" {
    labels = { line = "1" }
  }
}
plugin "shell-audit" {}
plugin "load" {}
plugin "alert-notifier" {}
notifier "email" "ops" {}
notifier "sms" "duty" {}
receiver "web" {
  step {
    to = notifier.email.ops
  }
}
hours "work" {
  timezone = "Asia/Shanghai"
  weekdays = ["mon", "fri"]
  start    = "09:30"
  duration = "10h"
}
`

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a configuration that is right, and has nothing said of it.
func load(t testing.TB, text string) *Policy {
	t.Helper()
	p, said := read(t, write(t, surroundings+text))
	if said != "" {
		t.Fatalf("of\n%s\nis said\n%s", text, said)
	}
	return p
}

// alert is an alert of a policy by its name, or nil.
func (p *Policy) alert(name string) *Alert {
	for _, a := range p.Alerts {
		if a.Name == name {
			return a
		}
	}
	return nil
}

const routed = "route {\n  to = receiver.web\n}\n"
