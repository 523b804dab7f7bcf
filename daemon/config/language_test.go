package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vantageOf loads a configuration and returns the tags of its vantage block.
func vantageOf(t *testing.T, path string, settings ...Setting) map[string]string {
	t.Helper()
	cfg, diags := load(t, path, settings...)
	if cfg == nil {
		t.Fatal(diags)
	}
	if diags != "" {
		t.Error(diags)
	}
	found := map[string]string{}
	for _, tag := range cfg.Tags {
		found[tag.Key] = tag.Value
	}
	return found
}

func TestTheLastValueOfAVariableWins(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "config.hcl", `
variable "a" {
  default = "default"
}
vantage {
  a = var.a
}
`)
	expect := func(want string, settings ...Setting) {
		t.Helper()
		for _, p := range []string{path, dir} {
			if got := vantageOf(t, p, settings...)["a"]; got != want {
				t.Errorf("%s: the value is from %s, want %s", p, got, want)
			}
		}
	}
	expect("default")
	t.Setenv("VEDETTE_VAR_a", "environment")
	expect("environment")
	write(t, dir, "1.vars.hcl", `a = "first file"`)
	expect("first file")
	write(t, dir, "2.vars.hcl", `a = "second file"`)
	expect("second file")
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	named := Setting{File: write(t, other, "named", `a = "named file"`)}
	expect("named file", named)
	expect("flag", named, Setting{Name: "a", Value: "flag"})
	expect("named file", Setting{Name: "a", Value: "flag"}, named)
}

func TestAVariableHasItsType(t *testing.T) {
	path := write(t, t.TempDir(), "config.hcl", `
variable "number" {
  type = number
}
variable "sites" {
  type = map(object({ url = string, weight = optional(number, 7) }))
}
variable "text" {}
variable "absent" {
  default = "there"
}
vantage {
  number = var.number + 1
  weight = var.sites["a"].weight
  text   = var.text
  absent = var.absent
}
`)
	got := vantageOf(t, path, Setting{Name: "number", Value: "41"}, Setting{Name: "sites", Value: `{ a = { url = "x" } }`},
		Setting{Name: "text", Value: `{ "not": read }`}, Setting{File: write(t, t.TempDir(), "f", "absent = null")})
	if got["number"] != "42" || got["weight"] != "7" || got["text"] != `{ "not": read }` || got["absent"] != "there" {
		t.Errorf("got %v", got)
	}
}

func TestLocalsReferToEachOtherInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.hcl", `
locals {
  all = [for s in local.some : upper(s) if s != "x"]
}
vantage {
  all = join(",", local.all)
}
`)
	write(t, dir, "b.hcl", `
locals {
  some = concat(local.few, ["c"])
}
locals {
  few = ["a", "x", var.more]
}
variable "more" {
  default = "b"
}
`)
	if got := vantageOf(t, dir)["all"]; got != "A,B,C" {
		t.Errorf("got %q", got)
	}
}

func TestFilesAreFoundBesideTheFileThatNamesThem(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, dir, "here", "in the configuration's directory")
	write(t, elsewhere, "here", "in the directory of the values\n")
	path := write(t, dir, "config.hcl", `
variable "v" {}
variable "d" {
  default = file("here")
}
vantage {
  v = var.v
  d = var.d
  n = join(",", fileset(".", "h*"))
}
`)
	got := vantageOf(t, path, Setting{File: write(t, elsewhere, "site.vars.hcl", `v = trimspace(file("here"))`)})
	if got["v"] != "in the directory of the values" || got["d"] != "in the configuration's directory" || got["n"] != "here" {
		t.Errorf("got %v", got)
	}
}

func TestFunctionsDoWhatTheirNamesSay(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("VEDETTE_TEST_SET", "set")
	write(t, dir, "sites.csv", "name,url\na,http://a/\nb,http://b/\n")
	write(t, dir, "token", "  opaque\n")
	write(t, dir, "excel.csv", "\ufeffname\na\ufeff\n")
	write(t, dir, "marked", "\ufeffopaque\n")
	for expression, want := range map[string]string{
		`env("VEDETTE_TEST_SET")`:                                                "set",
		`env("VEDETTE_TEST_NOT_SET", "x")`:                                       "x",
		`csvdecode(file("sites.csv"))[1].url`:                                    "http://b/",
		`jsondecode("{\"a\":[1,2]}").a[1]`:                                       "2",
		`jsonencode({ a = [true] })`:                                             `{"a":[true]}`,
		`yamldecode("a:\n  - b: 3").a[0].b`:                                      "3",
		`base64decode(base64encode("电"))`:                                        "电",
		`sha256("")`:                                                             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		`urlencode("a b&c")`:                                                     "a+b%26c",
		`replace("aXbX", "X", "-")`:                                              "a-b-",
		`replace("a1b22", "/[0-9]+/", "-")`:                                      "a-b-",
		`coalesce("", null, "c")`:                                                "c",
		`coalesce(null, 3)`:                                                      "3",
		`index(["a", "b"], "b")`:                                                 "1",
		`length("电话") + length([1]) + length({ a = 1 })`:                         "4",
		`try(jsondecode("{").a, "fallback")`:                                     "fallback",
		`can(parseint("x", 10))`:                                                 "false",
		`lookup({ a = "b" }, "c", "d")`:                                          "d",
		`join(",", reverse(sort(distinct(["b", "a", "b"]))))`:                    "b,a",
		`join(",", [for p in setproduct(["a"], ["b", "c"]) : "${p[0]}${p[1]}"])`: "ab,ac",
		`jsonencode(distinct([[1], [2], [1]]))`:                                  "[[1],[2]]",
		`zipmap(["a"], ["b"]).a`:                                                 "b",
		`element(["a", "b"], 3)`:                                                 "b",
		`format("%d%%20000", 100)`:                                               "100%20000",
		`format("%03d", max(1, 2, abs(-7)))`:                                     "007",
		`startswith("abc", "ab") && !endswith("abc", "ab")`:                      "true",
		`csvdecode(file("excel.csv"))[0].name`:                                   "a\ufeff",
		`nonsensitive(secret("marked"))`:                                         "opaque",
		`nonsensitive(secret("token"))`:                                          "opaque",
		`join(",", [for s in csvdecode(file("sites.csv"))[*].name : s])`:         "a,b",
		`true ? "yes" : "no"`:                                                    "yes",
		`join("/", range(3))`:                                                    "0/1/2",
		`tostring(tonumber("5") + 1)`:                                            "6",
	} {
		path := write(t, dir, "config.hcl", "vantage {\n  v = "+expression+"\n}\n")
		if got := vantageOf(t, path)["v"]; got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
	if _, ok := functions(dir)["timestamp"]; ok {
		t.Error("a configuration could depend on the time")
	}
}

// What these would make is more than any machine has: without a bound the test would not end.
func TestAFunctionThatWouldMakeTooMuchIsRefused(t *testing.T) {
	for expression, want := range map[string]string{
		`tonumber("1e100000000")`:                                    outOfRange,
		`jsondecode("[1, {\"a\": 1e100000000}]")`:                    outOfRange,
		`yamldecode("a: 1e100000000")`:                               outOfRange,
		`setproduct(range(1000), range(1000), range(1000))`:          "1000000000 combinations, and may make 100000",
		`format("%1000000000000d", 1)`:                               "wider than 10000",
		`format("%.1000000000000f", 1)`:                              "wider than 10000",
		`formatlist("%1000000000000d", range(1000))`:                 "wider than 10000",
		`indent(1000000000000, "a")`:                                 "more than 16MiB",
		`indent(-1, "a")`:                                            "less than 0",
		`join(format("%10000d", 1), range(1000), range(1000))`:       "more than 16MiB",
		`replace(format("%10000d", 1), " ", format("%10000d", 1))`:   "more than 16MiB",
		`replace(format("%10000d", 1), "/ /", format("%10000d", 1))`: "more than 16MiB",
	} {
		cfg, diags := load(t, write(t, t.TempDir(), "config.hcl", "locals {\n  v = "+expression+"\n}\nvantage {\n  v = jsonencode(local.v)\n}\n"))
		if said := strings.Join(strings.Fields(diags), " "); cfg != nil || !strings.Contains(said, want) || !strings.Contains(said, "config.hcl:2,") {
			t.Errorf("of %s is said:\n%s", expression, diags)
		}
	}
}

const dynamicSites = `
variable "token" {
  default   = "opaque"
  sensitive = true
}
locals {
  sites = csvdecode(<<-EOT
    name,url,status
    a,http://a/,2xx
    b,http://b/,204
  EOT
  )
}
plugin "http-quality" {
  dynamic "target" {
    for_each = local.sites
    iterator = site
    labels   = [site.value.name]
    content {
      url    = site.value.url
      labels = { token = "x-${var.token}" }
      dynamic "expect" {
        for_each = site.value.status == "2xx" ? [] : [site.value.status]
        content {
          status = [expect.value]
        }
      }
    }
  }
}
plugin "sampler" {
  token = "opaque"
  step {
    pairs = { a = "b" }
  }
  step {
    names = [var.token]
  }
  auth {
    password = "opaque"
  }
}
`

func TestDynamicBlocksBecomeBlocksAtEveryLevel(t *testing.T) {
	cfg, diags := load(t, write(t, t.TempDir(), "config.hcl", dynamicSites))
	if cfg == nil {
		t.Fatal(diags)
	}
	want := `{"target":[{"labels":{"token":"x-opaque"},"name":"a","timeout":10,"url":"http://a/"},` +
		`{"expect":{"status":["204"]},"labels":{"token":"x-opaque"},"name":"b","timeout":10,"url":"http://b/"}],"workers":64}`
	if got := string(cfg.Plugins[0].Config); got != want {
		t.Errorf("the plugin gets %s\nwant %s", got, want)
	}
}

func TestSecretsAreLeftOutOfWhatIsShown(t *testing.T) {
	cfg, diags := load(t, write(t, t.TempDir(), "config.hcl", dynamicSites))
	if cfg == nil {
		t.Fatal(diags)
	}
	var paths []string
	for _, p := range cfg.Plugins {
		if strings.Contains(string(p.Shown()), "opaque") || !json.Valid(p.Shown()) {
			t.Errorf("shown is %s", p.Shown())
		}
		for _, path := range p.Secrets {
			paths = append(paths, strings.Join(path, "."))
		}
	}
	if want := []string{"target.0.labels", "target.1.labels", "auth.password", "step.1.names", "token"}; !slices.Equal(paths, want) {
		t.Errorf("secrets are %v, want %v", paths, want)
	}
	if !strings.Contains(string(cfg.Plugins[1].Shown()), `{"pairs":{"a":"b"}}`) {
		t.Errorf("what is no secret is not shown: %s", cfg.Plugins[1].Shown())
	}
	if !strings.Contains(string(cfg.Plugins[1].Config), "opaque") {
		t.Errorf("the plugin does not get its secret: %s", cfg.Plugins[1].Config)
	}
}

func TestClientsNeedNoMoreThanTheirBlocksUse(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "config.hcl", `
variable "isp" {}
variable "broken" {
  type = strng
}
variable "dir" {
  type = string
}
locals {
  isp  = var.isp
  bad  = jsondecode("{")
  data = "${var.dir}/data"
}
variable "two words" {}
locals {
  bad = 1
}
daemon {
  data_dir = local.data
}
influxdb {
  url    = "http://influxdb.example.com"
  bucket = var.undeclared
}
vantage {
  isp = local.bad
}
plugin "http-quality" {
  interval = env("VEDETTE_TEST_NOT_SET")
}
`)
	write(t, dir, "other.vars.hcl", `unknown = "x"`)
	cfg, diags := Locate(path, []Setting{{Name: "dir", Value: "/var/lib"}, {Name: "isp_of_the_daemon", Value: "x"}}, "daemon")
	if cfg == nil || len(diags.List()) > 0 {
		t.Fatal(diags.List())
	}
	if cfg.Daemon.DataDir != "/var/lib/data" {
		t.Errorf("data_dir is %s", cfg.Daemon.DataDir)
	}
	cfg, diags = Locate(path, []Setting{{Name: "dir", Value: "/var/lib"}}, "daemon", "influxdb")
	if list := diags.List(); cfg != nil || len(list) != 1 || list[0].Summary != "Unknown variable" {
		t.Errorf("diagnostics are %v", list)
	}
	cfg, diags = Locate(path, nil, "daemon")
	if list := diags.List(); cfg != nil || len(list) != 1 || list[0].Summary != "No value for variable" || list[0].Line != 6 {
		t.Errorf("diagnostics are %v", list)
	}
}

func TestBesideASingleFileValuesOfOthersAreNoMistake(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "config.hcl", `vantage {}`)
	write(t, dir, "other.vars.hcl", `isp = "ct"`)
	cfg, diags := load(t, path)
	if cfg == nil || !strings.Contains(diags, "Warning: Value for an unknown variable") {
		t.Errorf("diagnostics are %s", diags)
	}
	cfg, diags = load(t, dir)
	if cfg != nil || !strings.Contains(diags, "Error: Value for an unknown variable") {
		t.Errorf("diagnostics of the directory are %s", diags)
	}
}

func TestDiagnosticsAreForProgramsToo(t *testing.T) {
	t.Chdir("testdata/wrong")
	_, diags := Load("listen.hcl", func(string) Catalog { return testCatalog{} })
	got, err := json.Marshal(diags.List())
	want := `[{"file":"listen.hcl","line":2,"column":12,"end":{"line":2,"column":18},"severity":"error","summary":"Invalid address",` +
		`"detail":"\"8420\" is no address with a port, such as \"127.0.0.1:8420\"."}]`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestFormatTouchesNothingThatDoesNotParse(t *testing.T) {
	got, diags := Format("a.hcl", []byte("vantage {\nisp=\"ct\"\n  region = \"x\"\n}\n"))
	if want := "vantage {\n  isp    = \"ct\"\n  region = \"x\"\n}\n"; string(got) != want || diags.HasErrors() {
		t.Errorf("got %s, %v", got, diags.List())
	}
	got, diags = Format("a.hcl", []byte("vantage {\n  isp =\n}\n"))
	if got != nil || !diags.HasErrors() {
		t.Errorf("got %s", got)
	}
}
