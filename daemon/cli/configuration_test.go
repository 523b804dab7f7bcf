package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/config"
)

const examples = "../../examples/config"

func TestEveryExampleOfThePageIsValid(t *testing.T) {
	var page bytes.Buffer
	if err := configurationPage(&page); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllStringSubmatch(page.String(), -1)
	if len(blocks) < 5 {
		t.Fatalf("the page has %d examples", len(blocks))
	}
	for _, block := range blocks {
		dir := withPlugins(t, map[string]string{
			"example.hcl":    block[1],
			"sites.csv":      read(t, filepath.Join(examples, "sites.csv")),
			"influxdb.token": read(t, filepath.Join(examples, "influxdb.token")),
		})
		if code, _, errOut := vedette(t, "validate", dir); code != 0 || errOut != "" {
			t.Errorf("the example\n%s\nis wrong:\n%s", block[1], errOut)
		}
		if code, out, _ := vedette(t, "fmt", "-check", dir); code != 0 {
			t.Errorf("the example\n%s\nis not in the usual form: %s", block[1], out)
		}
	}
}

func TestEveryExampleOfThePageAboutAlertsIsValid(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllStringSubmatch(read(t, "../../docs/alerts.md"), -1)
	if len(blocks) < 2 {
		t.Fatalf("the page has %d examples", len(blocks))
	}
	for _, block := range blocks {
		dir := withPlugins(t, map[string]string{
			"example.hcl": block[1], "http-quality.hcl": "plugin \"http-quality\" {}\n", "notifiers.hcl": read(t, filepath.Join(examples, "alerts", "notifiers.hcl")),
		})
		if code, _, errOut := vedette(t, "validate", dir); code != 0 || errOut != "" {
			t.Errorf("the example\n%s\nis wrong:\n%s", block[1], errOut)
		}
		if code, out, _ := vedette(t, "fmt", "-check", dir); code != 0 {
			t.Errorf("the example\n%s\nis not in the usual form: %s", block[1], out)
		}
	}
}

func TestEveryExampleConfigurationIsValid(t *testing.T) {
	entries, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"../../config.hcl"}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) == ".hcl" {
			names = append(names, filepath.Join(examples, e.Name()))
		}
	}
	if len(names) < 4 {
		t.Fatalf("there are only %v", names)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := t.TempDir()
			source := name
			if info, err := os.Stat(name); err != nil {
				t.Fatal(err)
			} else if !info.IsDir() {
				source = filepath.Dir(name)
			}
			entries, err := os.ReadDir(source)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if ext := filepath.Ext(e.Name()); source == name || filepath.Join(source, e.Name()) == name || ext == ".csv" || ext == ".token" {
					write(t, dir, e.Name(), inPluginDir(read(t, filepath.Join(source, e.Name()))))
				}
			}
			if !strings.Contains(read(t, firstWith(t, dir, "plugin_dir")), pluginDir) {
				t.Fatal("the plugins would not be found")
			}
			if code, _, errOut := vedette(t, "validate", dir); code != 0 || errOut != "" {
				t.Errorf("it is wrong:\n%s", errOut)
			}
			if code, out, _ := vedette(t, "fmt", "-check", name); code != 0 {
				t.Errorf("not in the usual form: %s", out)
			}
		})
	}
}

// inPluginDir makes a daemon block name the plugins' directory.
func inPluginDir(text string) string {
	return strings.Replace(text, "\ndaemon {\n", "\ndaemon {\n  plugin_dir = \""+pluginDir+"\"\n", 1)
}

// firstWith finds the file that has the text, or adds one.
func firstWith(t *testing.T, dir, text string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(read(t, name), text) {
			return name
		}
	}
	return write(t, dir, "zz-plugins.hcl", "daemon {\n  plugin_dir = \""+pluginDir+"\"\n}\n")
}

const wrongTarget = `plugin "http-quality" {
  target "shop" {
    url = "https://shop.example.com/"
    expect {
      status = ["2xx", "banana"]
    }
  }
}
`

func TestValidateShowsWhatThePluginFindsAtItsPlace(t *testing.T) {
	dir := withPlugins(t, map[string]string{"config.hcl": wrongTarget})
	path := filepath.Join(dir, "config.hcl")
	code, out, errOut := vedette(t, "validate", dir)
	want := `Error: Invalid value

  ` + path + `:5,24
  5 │       status = ["2xx", "banana"]
    │                        ^^^^^^^^
  status "banana" is none of a code (200), a class (2xx) and a range (200-299).
`
	if code != 1 || out != "" || errOut != want {
		t.Errorf("exit status %d, out %q, got\n%s\nwant\n%s", code, out, errOut, want)
	}

	code, out, errOut = vedette(t, "validate", "-o", "json", dir)
	var list []config.Diagnostic
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		t.Fatalf("printed %s, %v", out, err)
	}
	got := list[0]
	if code != 1 || errOut != "" || got.File != path || got.Line != 5 || got.Column != 24 || *got.End != (config.Position{Line: 5, Column: 32}) || got.Severity != "error" {
		t.Errorf("exit status %d, got %+v", code, got)
	}
}

func TestAValidConfigurationIsAnEmptyListInJSON(t *testing.T) {
	code, out, errOut := vedette(t, "validate", "-o", "json", withPlugins(t, nil))
	if code != 0 || out != "[]\n" || errOut != "" {
		t.Errorf("exit status %d, printed %q and %q", code, out, errOut)
	}
	if code, _, errOut := vedette(t, "validate", "-o", "xml", "x"); code != 1 || !strings.Contains(errOut, "must be text or json") {
		t.Errorf("exit status %d, printed %q", code, errOut)
	}
}

func TestVariablesComeFromTheCommandLineInItsOrder(t *testing.T) {
	dir := withPlugins(t, map[string]string{"config.hcl": `
variable "retention" {}
variable "sites" {
  type    = list(string)
  default = []
}
influxdb {
  embedded  = true
  retention = var.retention
}
`})
	values := write(t, t.TempDir(), "values", `retention = "1h"`)
	for _, args := range [][]string{
		{"-var", "retention=1d"}, {"--var", "retention=1d"}, {"-var=retention=1d"}, {"-var-file", values}, {"-var-file=" + values},
		{"-var", "retention=x", "-var-file", values}, {"-var-file", values, "-var", "retention=7d", "-var", `sites=["a=b"]`},
	} {
		if code, _, errOut := vedette(t, append([]string{"validate", dir}, args...)...); code != 0 {
			t.Errorf("with %v it says\n%s", args, errOut)
		}
	}
	for want, args := range map[string][]string{
		"VEDETTE_VAR_retention":        nil,
		"Did you mean \"retention\"?":  {"-var", "retntion=1d", "-var", "retention=1d"},
		"it must be NAME=VALUE":        {"-var", "retention"},
		"from -var sites":              {"-var-file", values, "-var", "sites=["},
		"\"x\" is no duration":         {"-var-file", values, "-var", "retention=x"},
		"no such file or directory":    {"-var-file", values + "x"},
		"it must be the name of a fil": {"-var-file", ""},
	} {
		if code, _, errOut := vedette(t, append([]string{"validate", dir}, args...)...); code != 1 || !strings.Contains(strings.Join(strings.Fields(errOut), " "), want) {
			t.Errorf("with %v it says\n%s\nwant %s", args, errOut, want)
		}
	}
}

func TestFmtWritesTheUsualFormAndNamesWhatChanges(t *testing.T) {
	const plain, usual = "vantage {\nisp=\"ct\"\n}\n", "vantage {\n  isp = \"ct\"\n}\n"
	dir := t.TempDir()
	changed, same := write(t, dir, "a.hcl", plain), write(t, dir, "b.hcl", usual)
	broken := write(t, dir, "c.vars.hcl", "isp =\n")
	if err := os.Symlink(changed, filepath.Join(dir, "d.hcl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(changed, 0o640); err != nil {
		t.Fatal(err)
	}

	code, out, errOut := vedette(t, "fmt", "-check", dir)
	if code != 1 || out != changed+"\n"+filepath.Join(dir, "d.hcl")+"\n" || !strings.Contains(errOut, "c.vars.hcl:1,6") || read(t, changed) != plain {
		t.Errorf("-check: exit status %d, printed %s\n%s", code, out, errOut)
	}
	code, out, _ = vedette(t, "fmt", dir)
	if code != 1 || out != changed+"\n" || read(t, changed) != usual || read(t, same) != usual || read(t, broken) != "isp =\n" {
		t.Errorf("exit status %d, printed %s", code, out)
	}
	if info, err := os.Lstat(filepath.Join(dir, "d.hcl")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if info, err := os.Stat(changed); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info, err)
	}
	if code, out, errOut := vedette(t, "fmt", "-check", changed, same); code != 0 || out != "" || errOut != "" {
		t.Errorf("exit status %d, printed %s\n%s", code, out, errOut)
	}
	if code, _, errOut := vedette(t, "fmt", filepath.Join(dir, "none")); code != 1 || !strings.Contains(errOut, "no such file") {
		t.Errorf("exit status %d, printed %s", code, errOut)
	}
}
