package config

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Config is a valid configuration.
type Config struct {
	// Tags are those of the vantage block, sorted by key: they go onto every point that does not have them itself.
	Tags     []Tag
	Daemon   Daemon
	InfluxDB InfluxDB
	// Plugins are in the order of the configuration.
	Plugins []Plugin
}

// Tag is a tag of the vantage point or of a plugin block.
type Tag struct{ Key, Value string }

// Daemon is the daemon block.
type Daemon struct {
	// DataDir holds all that the daemon keeps; PluginDir the plugins' programs. Both are absolute.
	DataDir   string
	PluginDir string
	// Listen is the loopback address of /healthz.
	Listen    string
	LogLevel  string
	LogFormat string
}

// InfluxDB is the influxdb block: the private server if Embedded, and otherwise the one at URL.
type InfluxDB struct {
	Embedded  bool
	Port      int
	Retention time.Duration
	URL       string
	Token     string
	Org       string
	Bucket    string
}

// Plugin is a plugin block.
type Plugin struct {
	// Name is the block's label: the name of the instance. Source says which program serves it.
	Name     string
	Source   string
	Enabled  bool
	Tags     []Tag
	Interval time.Duration
	Timeout  time.Duration
	Env      map[string]string
	Manifest *wire.Manifest
	// Config is the rest of the block as JSON: see ConfigureRequest in plugin.proto.
	Config []byte
}

// Catalog knows the plugins that are installed.
type Catalog interface {
	// Manifest returns the description of the plugin that source names: a name in the plugin directory, or an
	// absolute path. If there is none, the error wraps fs.ErrNotExist.
	Manifest(source string) (*wire.Manifest, error)
	// Names lists the plugins of the directory.
	Names() []string
}

// Load reads the configuration at path: a file, or a directory whose files *.hcl count as one. catalog returns the
// plugins of a directory. The configuration is nil if the diagnostics have errors.
func Load(path string, catalog func(pluginDir string) Catalog) (*Config, Diagnostics) {
	parser := hclparse.NewParser()
	files, diags := parse(parser, path)
	if diags.HasErrors() {
		// What a broken text seems to mean is not worth complaints of its own.
		return nil, newDiagnostics(diags, parser.Files(), nil)
	}
	d := &decoder{eval: evaluator(path)}
	cfg := d.config(hcl.MergeFiles(files), baseDir(path), catalog)
	result := newDiagnostics(d.diags, parser.Files(), d.sensitive)
	if result.HasErrors() {
		return nil, result
	}
	return cfg, result
}

// Locate reads what a client needs to find a daemon and its InfluxDB: only the blocks of these types. Other blocks may
// be wrong, or need an environment that the client does not have.
func Locate(path string, blocks ...string) (*Config, Diagnostics) {
	parser := hclparse.NewParser()
	files, diags := parse(parser, path)
	if diags.HasErrors() {
		return nil, newDiagnostics(diags, parser.Files(), nil)
	}
	d := &decoder{eval: evaluator(path)}
	cfg := &Config{}
	found := d.single(hcl.MergeFiles(files), blocks)
	cfg.Daemon = d.daemon(found["daemon"], baseDir(path))
	cfg.InfluxDB = d.influxdb(found["influxdb"])
	result := newDiagnostics(d.diags, parser.Files(), d.sensitive)
	if result.HasErrors() {
		return nil, result
	}
	return cfg, result
}

func parse(parser *hclparse.Parser, path string) ([]*hcl.File, hcl.Diagnostics) {
	names := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		names, _ = filepath.Glob(filepath.Join(path, "*.hcl"))
		if len(names) == 0 {
			return nil, hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "No configuration files",
				Detail:   "The directory " + path + " has no file whose name ends in .hcl.",
			}}
		}
	}
	var files []*hcl.File
	var diags hcl.Diagnostics
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Configuration can not be read",
				Detail:   strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + ".",
				Subject:  &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos},
			})
			continue
		}
		file, fileDiags := parser.ParseHCL(source, name)
		diags = append(diags, fileDiags...)
		if file != nil {
			files = append(files, file)
		}
	}
	return files, diags
}

// baseDir is the directory of the configuration at path: defaults lie relative to it.
func baseDir(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// topLevel are the blocks of a configuration.
var topLevel = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "vantage"}, {Type: "daemon"}, {Type: "influxdb"}, {Type: "plugin", LabelNames: []string{"name"}},
}}

// single returns the blocks of these types, which may stand once.
func (d *decoder) single(body hcl.Body, types []string) map[string]*hcl.Block {
	top, _ := body.Content(topLevel)
	found := map[string]*hcl.Block{}
	for _, block := range top.Blocks {
		if !slices.Contains(types, block.Type) {
			continue
		}
		if first, ok := found[block.Type]; ok {
			d.fail(block.DefRange, "Duplicate "+block.Type+" block", "There is one %s block already, at %s.",
				block.Type, position(first.DefRange))
			continue
		}
		found[block.Type] = block
	}
	return found
}

func (d *decoder) config(body hcl.Body, base string, catalog func(string) Catalog) *Config {
	cfg := &Config{}
	top, diags := body.Content(topLevel)
	d.diags = append(d.diags, diags...)
	single := d.single(body, []string{"vantage", "daemon", "influxdb"})
	cfg.Tags = d.vantage(single["vantage"])
	cfg.Daemon = d.daemon(single["daemon"], base)
	cfg.InfluxDB = d.influxdb(single["influxdb"])

	plugins := catalog(cfg.Daemon.PluginDir)
	seen := map[string]hcl.Range{}
	for _, block := range top.Blocks.OfType("plugin") {
		name := block.Labels[0]
		if first, ok := seen[name]; ok {
			d.fail(block.LabelRanges[0], "Duplicate plugin", "A plugin %q is configured already, at %s. "+
				"Give one of them another label, and name the program with source = %q.", name, position(first), name)
			continue
		}
		seen[name] = block.DefRange
		if p, ok := d.plugin(block, plugins); ok {
			cfg.Plugins = append(cfg.Plugins, p)
		}
	}
	return cfg
}

// tags sorts a map of tags by key.
func tags(from map[string]string) []Tag {
	var list []Tag
	for k, v := range from {
		list = append(list, Tag{k, v})
	}
	slices.SortFunc(list, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// object is the value of a block's body, ready to be JSON.
type object map[string]any

// into fills a struct whose fields have json tags.
func (o object) into(target any) {
	// What decodeBody makes is JSON, and the structs of this package fit its schemas: a test loads each of them.
	data, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(data, target)
	}
	if err != nil {
		panic("config: a struct does not fit its schema: " + err.Error())
	}
}

// seconds is a duration in the JSON of an object.
type seconds float64

func (s seconds) duration() time.Duration {
	return time.Duration(math.Round(float64(s) * float64(time.Second)))
}
