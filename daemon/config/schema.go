package config

import (
	"os"
	"path/filepath"

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
		{"variable", "`variable \"NAME\" { … }` is a value that is given from outside, and read as `var.NAME`. A variable without a default must be " +
			"given a value. Its blocks `validation { … }`, any number of them, have a `condition` on `var.NAME` and the `error_message` for when it " +
			"is false.", variableSchema},
		{"locals", "Every argument is a value that is read as `local.NAME`. Any number of times; they may refer to variables and to each other.",
			wire.Schema{}},
		{"vantage", "Where this daemon looks from. Every argument is a tag on every point; without `host` it is the name of the machine. " +
			"Tags that people group by are `isp` and `idc`. At most once.", wire.Schema{}},
		{"daemon", "The daemon itself. At most once.", daemonSchema},
		{"spool", "What waits on disk until InfluxDB has it, in `spool/` below the data directory. At most once.", spoolSchema},
		{"influxdb", "Where points go. Without this block it is the private InfluxDB. At most once.", influxdbSchema},
		{"plugin", "`plugin \"NAME\" { … }` runs a plugin; any number of times. The label names the instance, and the program unless " +
			"`source` does. These arguments are the daemon's; the others are the plugin's own.", pluginSchema},
		{"notifier", "`notifier \"TYPE\" \"NAME\" { … }` is a channel through which people are told; any number of times. Others refer to it as " +
			"`notifier.TYPE.NAME`. These arguments are the daemon's; the others are those of the channel's type, in the README of its plugin.", notifierSchema},
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

// variableSchema is for the documentation: the block is read by declare, because a type is no value.
var variableSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "type", Type: "type", Doc: "string, number, bool, any, list(…), set(…), map(…), tuple([…]) or object({…}); an attribute of an object " +
		"may be optional(TYPE, DEFAULT). Without a type the value of -var is a string."},
	{Name: "default", Type: "any", Doc: "Value where none is given. It may call functions."},
	{Name: "description", Type: wire.TypeString, Doc: "What the variable is for; it is shown where a value is missing."},
	{Name: "sensitive", Type: wire.TypeBool, Default: "false", Doc: "The value is a secret, and so is what is made from it: it is never shown."},
}}

var daemonSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "data_dir", Type: wire.TypePath, Doc: "Directory of all that the daemon keeps; by default `data` beside the configuration."},
	{Name: "plugin_dir", Type: wire.TypePath, Doc: "Directory of the plugins; by default that of the vedette program."},
	{Name: "listen", Type: wire.TypeString, Default: "127.0.0.1:8420", Doc: "Loopback address of /healthz."},
	{Name: "log_level", Type: wire.TypeString, Default: "info", OneOf: []string{"trace", "debug", "info", "warn", "error"}, Doc: "What is logged: this and what is worse."},
	{Name: "log_format", Type: wire.TypeString, Default: "text", OneOf: []string{"text", "json"}, Doc: "Form of the log."},
	{Name: "require_lock", Type: wire.TypeBool, Default: "false", Doc: "Refuse plugins that the lock file beside the configuration does not pin; see `vedette plugin lock`."},
}}

// What happens when there is no room in the spool.
const (
	whenFullWait       = "wait"
	whenFullDropOldest = "drop_oldest"
)

var spoolSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "max_size", Type: wire.TypeSize, Default: "2GiB", Min: "64MiB", Doc: "The most that may wait, packed: a gigabyte holds some 50 million small points. " +
		"An eighth of it is for records alone."},
	{Name: "min_free", Type: wire.TypeSize, Default: "64MiB", Min: "1MiB", Doc: "What is left of the disk to others; samples leave a quarter more, to records."},
	{Name: "when_full", Type: wire.TypeString, Default: whenFullWait, OneOf: []string{whenFullWait, whenFullDropOldest}, Doc: "`wait` holds plugins back " +
		"until there is room: collectors skip ticks. `drop_oldest` gives up the oldest points, and counts them: samples first, and records only when " +
		"no samples are left."},
}}

var influxdbSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "embedded", Type: wire.TypeBool, Default: "false", Doc: "Run a private InfluxDB 1.8 on loopback."},
	{Name: "port", Type: wire.TypeInt, Default: "8086", Min: "0", Max: "65535", Doc: "Port of the private InfluxDB; 0 takes a free one."},
	{Name: "retention", Type: wire.TypeDuration, Default: "32d", Doc: "How long raw points are kept; 0 is for ever. The private InfluxDB always takes it; on one of your own it is for what the daemon makes there."},
	{Name: "records_retention", Type: wire.TypeDuration, Default: "400d", Doc: "The same for records of what people and rules did: shell_*, alert_* and notify_*. " +
		"They are in the retention policy `records`, on InfluxDB 2.x in the bucket whose name ends so."},
	{Name: "memory", Type: wire.TypeSize, Default: "512MiB", Min: "64MiB", Doc: "How much memory the private InfluxDB aims to stay within."},
	{Name: "url", Type: wire.TypeString, Doc: "Address of an InfluxDB of your own."},
	{Name: "token", Type: wire.TypeString, Sensitive: true, Doc: "Its token; user:password for InfluxDB 1.x."},
	{Name: "org", Type: wire.TypeString, Doc: "Its organization; InfluxDB 2.x needs it, and 1.x has none."},
	{Name: "bucket", Type: wire.TypeString, Default: "vedette", Doc: "Bucket of the points; database or database/retention-policy for InfluxDB 1.x."},
}}

// pluginSchema has the attributes that the daemon takes from every plugin block for itself.
var pluginSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "source", Type: wire.TypeString, Doc: "The plugin's program: a name in plugin_dir, or a path; by default the block's label."},
	{Name: "enabled", Type: wire.TypeBool, Default: "true", Doc: "false leaves the plugin out."},
	{Name: "tags", Type: wire.MapOf(wire.TypeString), Doc: "Tags for every point of the plugin; they win over the vantage point's."},
	{Name: "interval", Type: wire.TypeDuration, Default: "60s", Min: "100ms", Doc: "How often a collector collects."},
	{Name: "timeout", Type: wire.TypeDuration, Min: "1ms", Doc: "How long one collection may take; by default the interval."},
	{Name: "env", Type: wire.MapOf(wire.TypeString), Sensitive: true, Doc: "Environment variables of the plugin's process."},
	{Name: "user", Type: wire.TypeString, Doc: "User that the plugin runs as, by name or number; by default the daemon's. Only root can set another."},
	{Name: "nice", Type: wire.TypeInt, Min: "-20", Max: "19", Doc: "How far the plugin stands back where processors are short; by default as the daemon. Only root can set less than that."},
	{Name: "memory_limit", Type: wire.TypeSize, Min: "16MiB", Doc: "How much memory the plugin may take, with all that it starts; one that takes more is ended, and started again."},
	{Name: "max_series", Type: wire.TypeInt, Default: "100000", Min: "1", Doc: "How many series, combinations of a measurement and tags, the plugin may make while the daemon runs; points of further ones are refused."},
}}
