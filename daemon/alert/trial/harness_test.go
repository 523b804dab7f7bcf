package trial

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/daemon/vitals"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var update = flag.Bool("update", false, "write the golden files")

// catalog stands for a directory of installed plugins.
type catalog struct{}

var installed = map[string]*wire.Manifest{
	"http-quality": {Name: "http-quality", Version: "1.0.0", Roles: []wire.Role{wire.RoleCollector}, Measurements: []wire.Measurement{{
		Name: "http_quality", Tags: []wire.TagSchema{{Name: "target"}, {Name: "isp"}},
		Fields: []wire.FieldSchema{
			{Name: "available", Type: "bool"}, {Name: "http_code", Type: "int"}, {Name: "total_time", Type: "float", Unit: "s"}, {Name: "error", Type: "string"},
		},
	}}},
	"shell-audit": {Name: "shell-audit", Version: "1.0.0", Roles: []wire.Role{wire.RoleStreamer}, Measurements: []wire.Measurement{{
		Name: "shell_command", Record: true, Tags: []wire.TagSchema{{Name: "user"}},
		Fields: []wire.FieldSchema{{Name: "command", Type: "string"}, {Name: "exit_code", Type: "int"}},
	}}},
	"alert-notifier": {Name: "alert-notifier", Version: "1.0.0", Roles: []wire.Role{wire.RoleNotifier},
		Channels: []wire.ChannelType{{Name: "email"}, {Name: "sms", Pages: true}}},
}

func (catalog) Inspect(source string, _ *process.Account, _ func(string) error) (*wire.Manifest, string, error) {
	if m := installed[source]; m != nil {
		return m, source, nil
	}
	return nil, "", fmt.Errorf("there is no plugin %q: %w", source, fs.ErrNotExist)
}

func (catalog) Names() []string { return nil }

func (catalog) Validate(string, []byte, *process.Account) ([]*wire.Problem, error) { return nil, nil }

// configured is the configuration of these tests.
func configured(t testing.TB) (*policy.Policy, []config.Notifier) {
	t.Helper()
	var p *policy.Policy
	cfg, diags := config.Read(filepath.Join("testdata", "config.hcl"), func(string) config.Catalog { return catalog{} }, func(cfg *config.Config, bodies *config.Bodies) {
		p = policy.Load(cfg, bodies, slices.Concat(vitals.Measurements(), policy.Measurements()))
	})
	if diags.HasErrors() {
		t.Fatal(diags.Errors())
	}
	return p, cfg.Notifiers
}

// read reads the tests of a text.
func read(t testing.TB, text string) ([]*Test, config.Diagnostics) {
	t.Helper()
	p, notifiers := configured(t)
	path := filepath.Join(t.TempDir(), "x.test.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read([]string{path}, p, notifiers)
}

// golden holds an output against a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s\nwant:\n%s", name, got, want)
	}
}
