package config

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Config is a valid configuration.
type Config struct {
	// Tags are those of the vantage block, sorted by key: they go onto every point that does not have them itself.
	Tags     []Tag
	Daemon   Daemon
	Spool    Spool
	InfluxDB InfluxDB
	// Plugins are in the order of the configuration, and so are Notifiers.
	Plugins   []Plugin
	Notifiers []Notifier
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
	// RequireLock refuses plugins that the lock file does not pin.
	RequireLock bool
}

// Spool is the spool block: the bounds of what waits on disk for InfluxDB.
type Spool struct {
	// MaxSize bounds all of it; MinFree bytes of the disk are left to others.
	MaxSize int64
	MinFree int64
	// DropOldest gives up the oldest points when there is no room, instead of holding plugins back.
	DropOldest bool
}

// InfluxDB is the influxdb block: the private server if Embedded, and otherwise the one at URL.
type InfluxDB struct {
	Embedded bool
	Port     int
	// Retention is how long points are kept, and RecordsRetention how long records are; 0 is for ever.
	Retention        time.Duration
	RecordsRetention time.Duration
	// Memory is how much the private server aims to stay within, in bytes.
	Memory int64
	URL    string
	Token  string
	Org    string
	Bucket string
}

// Catalog knows the plugins that are installed.
type Catalog interface {
	// Inspect returns the description of the plugin that source names, a name in the plugin directory or an absolute path,
	// and the SHA256 of its program in hexadecimal; that is empty if the lock file does not matter. If there is no such
	// plugin, the error wraps fs.ErrNotExist. Where the catalog has to run the plugin, it does so as the account, and not before it has
	// asked whether a program with this SHA256 may run: an error of that is returned.
	Inspect(source string, as *process.Account, may func(sum string) error) (m *wire.Manifest, sum string, err error)
	// Names lists the plugins of the directory.
	Names() []string
	// Validate asks the plugin what is wrong with the configuration of an instance, where its manifest says that it
	// validates. The error says why the plugin did not answer.
	Validate(source string, config []byte, as *process.Account) ([]*wire.Problem, error)
}

// Load reads the configuration at path: a file, or a directory whose files *.hcl count as one. catalog returns the
// plugins of a directory; settings give values to variables. The configuration is nil if the diagnostics have errors.
//
// What the blocks about alerts say is for a Reader to know: see Read.
func Load(path string, catalog func(pluginDir string) Catalog, settings ...Setting) (*Config, Diagnostics) {
	return Read(path, catalog, func(*Config, *Bodies) {}, settings...)
}

// Read is Load with a reader for the blocks that are not config's own. What it finds wrong is among the diagnostics.
func Read(path string, catalog func(pluginDir string) Catalog, reader Reader, settings ...Setting) (*Config, Diagnostics) {
	src := read(path)
	if src.diags.HasErrors() {
		// What a broken text seems to mean is not worth complaints of its own.
		return nil, newDiagnostics(src.diags, src.parser.Files(), nil, true)
	}
	d := &decoder{scope: newScope(), path: path}
	top, diags := hcl.MergeFiles(src.files).Content(topLevel)
	d.diags = append(d.diags, diags...)
	var users hcl.Blocks
	for _, block := range top.Blocks {
		if block.Type != "variable" && block.Type != "locals" {
			users = append(users, block)
		}
	}
	d.scope.refer(top.Blocks)
	d.resolve(src, top, users, settings, true)
	var err error
	if d.lock, err = ReadLock(LockPath(path)); err != nil {
		d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Lock file can not be used", Detail: capital(err.Error()) + "."})
	}
	cfg := d.config(top, baseDir(path), catalog)
	reader(cfg, &Bodies{d, src, top.Blocks})
	return d.result(src, cfg)
}

// Locate reads what a client needs to find a daemon and its InfluxDB: only the blocks of these types, and the variables
// and local values that they use. Other blocks may be wrong, or need an environment that the client does not have.
func Locate(path string, settings []Setting, blocks ...string) (*Config, Diagnostics) {
	src := read(path)
	if src.diags.HasErrors() {
		return nil, newDiagnostics(src.diags, src.parser.Files(), nil, true)
	}
	d := &decoder{scope: newScope()}
	top, _ := hcl.MergeFiles(src.files).Content(topLevel)
	found := d.single(top, blocks)
	var users hcl.Blocks
	for _, block := range top.Blocks {
		if slices.Contains(blocks, block.Type) {
			users = append(users, block)
		}
	}
	d.scope.refer(top.Blocks)
	d.resolve(src, top, users, settings, false)
	cfg := &Config{}
	cfg.Daemon = d.daemon(found["daemon"], baseDir(path))
	cfg.InfluxDB = d.influxdb(found["influxdb"])
	return d.result(src, cfg)
}

// result is the configuration, unless something is wrong with it.
func (d *decoder) result(src *source, cfg *Config) (*Config, Diagnostics) {
	if d.unknown > 0 && d.errors() == 0 && !src.diags.HasErrors() {
		d.fail(d.firstUnknown, "Value can not be told", "The value of this expression can not be worked out.")
	}
	// Files of values are read once the variables are known.
	diags := newDiagnostics(append(src.diags, d.diags...), src.parser.Files(), d.sensitive, src.diags.HasErrors())
	if diags.HasErrors() {
		return nil, diags
	}
	return cfg, diags
}

// topLevel are the blocks of a configuration.
var topLevel = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}}, {Type: "locals"},
	{Type: "vantage"}, {Type: "daemon"}, {Type: "spool"}, {Type: "influxdb"}, {Type: "plugin", LabelNames: []string{"name"}},
	{Type: "notifier", LabelNames: []string{"type", "name"}}, {Type: "alerting"}, {Type: "alert", LabelNames: []string{"name"}},
	{Type: "route"}, {Type: "receiver", LabelNames: []string{"name"}}, {Type: "hours", LabelNames: []string{"name"}},
	{Type: "maintenance", LabelNames: []string{"name"}}, {Type: "inhibit", LabelNames: []string{"name"}}, {Type: "heartbeat", LabelNames: []string{"name"}},
}}

// single returns the blocks of these types, which may stand once.
func (d *decoder) single(top *hcl.BodyContent, types []string) map[string]*hcl.Block {
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

func (d *decoder) config(top *hcl.BodyContent, base string, catalog func(string) Catalog) *Config {
	cfg := &Config{}
	single := d.single(top, []string{"vantage", "daemon", "spool", "influxdb"})
	cfg.Tags = d.vantage(single["vantage"])
	cfg.Daemon = d.daemon(single["daemon"], base)
	cfg.Spool = d.spool(single["spool"])
	cfg.InfluxDB = d.influxdb(single["influxdb"])
	d.requireLock = cfg.Daemon.RequireLock

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
		} else {
			d.incomplete = true
		}
	}
	cfg.Notifiers = d.notifiers(top.Blocks.OfType("notifier"), cfg.Plugins)
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
