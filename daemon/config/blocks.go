package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Block documents a block of the configuration.
type Block struct {
	Name, Doc string
	Schema    wire.Schema
}

// Blocks documents the daemon's own blocks.
func Blocks() []Block {
	return []Block{
		{"vantage", "Where this daemon looks from. Every argument is a tag on every point; without `host` it is the name of the machine. " +
			"Tags that people group by are `isp` and `idc`. At most once.", wire.Schema{}},
		{"daemon", "The daemon itself. At most once.", daemonSchema},
		{"influxdb", "Where points go. Without this block it is the private InfluxDB. At most once.", influxdbSchema},
		{"plugin", "`plugin \"NAME\" { … }` runs a plugin; any number of times. The label names the instance, and the program unless " +
			"`source` does. These arguments are the daemon's; the others are the plugin's own.", pluginSchema},
	}
}

// ProgramDir is the directory of this program, where its plugins are unless the configuration says otherwise.
func ProgramDir() string {
	program, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(program)
}

var daemonSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "data_dir", Type: wire.TypePath, Doc: "Directory of all that the daemon keeps; by default `data` beside the configuration."},
	{Name: "plugin_dir", Type: wire.TypePath, Doc: "Directory of the plugins; by default that of the vedette program."},
	{Name: "listen", Type: wire.TypeString, Default: "127.0.0.1:8420", Doc: "Loopback address of /healthz."},
	{Name: "log_level", Type: wire.TypeString, Default: "info", Doc: "trace, debug, info, warn or error."},
	{Name: "log_format", Type: wire.TypeString, Default: "text", Doc: "text or json."},
}}

var influxdbSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "embedded", Type: wire.TypeBool, Default: "false", Doc: "Run a private InfluxDB 1.8 on loopback."},
	{Name: "port", Type: wire.TypeInt, Default: "8086", Doc: "Port of the private InfluxDB; 0 takes a free one."},
	{Name: "retention", Type: wire.TypeDuration, Default: "32d", Doc: "How long the private InfluxDB keeps raw points."},
	{Name: "url", Type: wire.TypeString, Doc: "Address of an InfluxDB of your own."},
	{Name: "token", Type: wire.TypeString, Sensitive: true, Doc: "Its token; user:password for InfluxDB 1.x."},
	{Name: "org", Type: wire.TypeString, Doc: "Its organization; nothing for InfluxDB 1.x."},
	{Name: "bucket", Type: wire.TypeString, Default: "vedette", Doc: "Bucket of the points; database or database/retention-policy for InfluxDB 1.x."},
}}

// pluginSchema has the attributes that the daemon takes from every plugin block for itself.
var pluginSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "source", Type: wire.TypeString, Doc: "The plugin's program: a name in plugin_dir, or a path; by default the block's label."},
	{Name: "enabled", Type: wire.TypeBool, Default: "true", Doc: "false leaves the plugin out."},
	{Name: "tags", Type: wire.MapOf(wire.TypeString), Doc: "Tags for every point of the plugin; they win over the vantage point's."},
	{Name: "interval", Type: wire.TypeDuration, Default: "60s", Doc: "How often a collector collects."},
	{Name: "timeout", Type: wire.TypeDuration, Doc: "How long one collection may take; by default the interval."},
	{Name: "env", Type: wire.MapOf(wire.TypeString), Doc: "Environment variables of the plugin's process."},
}}

// reserved are the names that a plugin's own schema must not have, those of later versions included.
var reserved = []string{"source", "enabled", "tags", "interval", "timeout", "env", "user", "nice", "memory_limit"}

// shortestInterval keeps a typing mistake from becoming a busy loop.
const shortestInterval = 100 * time.Millisecond

var tagName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func (d *decoder) vantage(block *hcl.Block) []Tag {
	found := map[string]string{}
	if block != nil {
		attributes, diags := block.Body.JustAttributes()
		d.diags = append(d.diags, diags...)
		for name, a := range attributes {
			d.checkTagName(name, a.NameRange)
			if v, ok := d.value(a, wire.TypeString); ok {
				found[name] = v.(string)
			}
		}
	}
	if found["host"] == "" {
		if name, err := os.Hostname(); err == nil {
			found["host"] = name
		}
	}
	return tags(found)
}

func (d *decoder) checkTagName(name string, at hcl.Range) {
	if name == "time" || !tagName.MatchString(name) {
		d.fail(at, "Invalid tag name", "%q can not be the name of a tag: use letters, digits and underscores, and not \"time\".", name)
	}
}

// body decodes the body of a block that may be absent.
func (d *decoder) body(block *hcl.Block, schema wire.Schema) *decoded {
	if block == nil {
		return d.decode(hcl.EmptyBody(), schema)
	}
	return d.decode(block.Body, schema)
}

func (d *decoder) daemon(block *hcl.Block, base string) Daemon {
	b := d.body(block, daemonSchema)
	var v struct {
		DataDir   string `json:"data_dir"`
		PluginDir string `json:"plugin_dir"`
		Listen    string `json:"listen"`
		LogLevel  string `json:"log_level"`
		LogFormat string `json:"log_format"`
	}
	b.value.into(&v)
	cfg := Daemon(v)
	if cfg.DataDir == "" {
		dir, err := filepath.Abs(filepath.Join(base, "data"))
		if err != nil {
			d.fail(b.at("data_dir"), "No data directory", "The directory of the configuration can not be found: %s. Set data_dir.", err)
		}
		cfg.DataDir = dir
	}
	if cfg.PluginDir == "" {
		cfg.PluginDir = ProgramDir()
	}
	host, port, err := net.SplitHostPort(v.Listen)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		d.fail(b.at("listen"), "Invalid address", "%q is no address with a port, such as \"127.0.0.1:8420\".", v.Listen)
	} else if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		d.fail(b.at("listen"), "Address is not loopback", "%q could be reached from other machines, and /healthz asks for no password. Use 127.0.0.1 or ::1.", host)
	}
	d.oneOf(b, "log_level", v.LogLevel, "trace", "debug", "info", "warn", "error")
	d.oneOf(b, "log_format", v.LogFormat, "text", "json")
	return cfg
}

func (d *decoder) oneOf(b *decoded, name, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		d.fail(b.at(name), "Invalid value", "%s is %q, but must be one of %s.%s",
			name, value, strings.Join(choices, ", "), didYouMean(value, choices))
	}
}

func (d *decoder) influxdb(block *hcl.Block) InfluxDB {
	before := len(d.diags)
	b := d.body(block, influxdbSchema)
	sound := len(d.diags) == before
	var v struct {
		Embedded  bool    `json:"embedded"`
		Port      int     `json:"port"`
		Retention seconds `json:"retention"`
		URL       string  `json:"url"`
		Token     string  `json:"token"`
		Org       string  `json:"org"`
		Bucket    string  `json:"bucket"`
	}
	b.value.into(&v)
	cfg := InfluxDB{v.Embedded, v.Port, v.Retention.duration(), v.URL, v.Token, v.Org, v.Bucket}
	if block == nil {
		// Whoever says nothing gets the server that needs nothing.
		cfg.Embedded = true
		return cfg
	}
	switch {
	case v.Embedded && v.URL != "":
		d.fail(b.at("url"), "Two servers", "embedded = true runs a private InfluxDB, and url names another one. Remove one of them.")
	case !v.Embedded && v.URL == "" && sound:
		d.fail(block.DefRange, "No InfluxDB", "Say embedded = true for a private InfluxDB, or give the url of one of your own.")
	case v.URL != "":
		if u, err := url.Parse(v.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			d.fail(b.at("url"), "Invalid URL", "url must be an http or https address, such as \"https://influxdb.example.com:8086\".")
		}
	}
	if v.Port < 0 || v.Port > 65535 {
		d.fail(b.at("port"), "Invalid port", "port is %d, but must be between 0 and 65535.", v.Port)
	}
	if r := cfg.Retention; r != 0 && r < time.Hour && !b.failed["retention"] {
		d.fail(b.at("retention"), "Retention is too short", "retention is %s; InfluxDB takes no less than an hour, and 0 for ever.", r)
	}
	return cfg
}

func (d *decoder) plugin(block *hcl.Block, catalog Catalog) (Plugin, bool) {
	own, rest := d.partial(block.Body, pluginSchema)
	v := struct {
		Source   *string           `json:"source"`
		Enabled  bool              `json:"enabled"`
		Tags     map[string]string `json:"tags"`
		Interval seconds           `json:"interval"`
		Timeout  *seconds          `json:"timeout"`
		Env      map[string]string `json:"env"`
	}{}
	own.value.into(&v)
	name := block.Labels[0]
	p := Plugin{Name: name, Source: name, Enabled: v.Enabled, Tags: tags(v.Tags), Interval: v.Interval.duration(), Env: v.Env}
	p.Timeout = p.Interval
	if v.Timeout != nil {
		p.Timeout = v.Timeout.duration()
	}
	sourceRange := block.LabelRanges[0]
	if v.Source != nil {
		p.Source, sourceRange = *v.Source, own.at("source")
		if strings.ContainsRune(p.Source, filepath.Separator) && !filepath.IsAbs(p.Source) {
			p.Source = filepath.Join(filepath.Dir(sourceRange.Filename), p.Source)
			if absolute, err := filepath.Abs(p.Source); err == nil {
				p.Source = absolute
			}
		}
	}
	if !tagName.MatchString(name) {
		d.fail(block.LabelRanges[0], "Invalid plugin name", "%q can not be the label of a plugin: use letters, digits, dots, dashes and underscores.", name)
		return p, false
	}
	for _, key := range slices.Sorted(maps.Keys(v.Tags)) {
		d.checkTagName(key, own.at("tags"))
	}
	if p.Interval < shortestInterval && !own.failed["interval"] {
		d.fail(own.at("interval"), "Interval is too short", "interval is %s, but must be at least %s.", p.Interval, shortestInterval)
	}
	if p.Timeout <= 0 && !own.failed["timeout"] && !own.failed["interval"] {
		d.fail(own.at("timeout"), "Invalid timeout", "timeout is %s, but must be above 0.", p.Timeout)
	}
	manifest, err := catalog.Manifest(p.Source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		names := catalog.Names()
		d.fail(sourceRange, "Unknown plugin", "%s.%s Installed are: %s.",
			capital(err.Error()), didYouMean(p.Source, names), strings.Join(names, ", "))
		return p, false
	case err != nil:
		d.fail(sourceRange, "Plugin can not be used", "%s.", capital(err.Error()))
		return p, false
	}
	for _, a := range manifest.Config.Attributes {
		if slices.Contains(reserved, a.Name) {
			d.fail(sourceRange, "Plugin can not be used", "The plugin %s %s has an argument %q, a name that the daemon keeps for itself.",
				manifest.Name, manifest.Version, a.Name)
			return p, false
		}
	}
	p.Manifest = manifest
	p.Config = d.decode(rest, manifest.Config).value.json()
	return p, true
}

// didYouMean suggests the choice that is a typing mistake away.
func didYouMean(given string, choices []string) string {
	for _, c := range choices {
		if levenshtein.Distance(given, c, nil) < 3 {
			return fmt.Sprintf(" Did you mean %q?", c)
		}
	}
	return ""
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
