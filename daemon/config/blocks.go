package config

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

var tagName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// sensitiveTag is why no tag comes from a secret.
const sensitiveTag = "A tag is on every point, for all to read, so it can not come from a sensitive value."

func (d *decoder) vantage(block *hcl.Block) []Tag {
	tagged := map[string]string{}
	if block != nil {
		attributes, diags := block.Body.JustAttributes()
		d.diags = append(d.diags, diags...)
		for name, a := range attributes {
			d.checkTagName(name, a.NameRange)
			switch v, state := d.value(a, &wire.Attribute{Name: name, Type: wire.TypeString}); state {
			case found:
				tagged[name] = v.(string)
				d.checkTagValue(name, v.(string), a.Expr.Range())
			case secret:
				d.fail(a.Expr.Range(), "Sensitive tag", "%s", sensitiveTag)
			}
		}
	}
	if tagged["host"] == "" {
		if name, err := os.Hostname(); err == nil {
			tagged["host"] = name
		}
	}
	return tags(tagged)
}

func (d *decoder) checkTagName(name string, at hcl.Range) {
	if name == "time" || !tagName.MatchString(name) {
		d.fail(at, "Invalid tag name", "%q can not be the name of a tag: use letters, digits and underscores, and not \"time\".", name)
	}
}

func (d *decoder) checkTagValue(name, value string, at hcl.Range) {
	if err := wire.CheckTag(value); err != nil {
		d.fail(at, "Invalid tag", "The value of the tag %q %s, which InfluxDB can not store.", name, err)
	}
}

// body decodes the body of a block that may be absent.
func (d *decoder) body(block *hcl.Block, schema wire.Schema) *decoded {
	if block == nil {
		return d.decode(hcl.EmptyBody(), schema, hcl.Range{})
	}
	return d.decode(block.Body, schema, block.DefRange)
}

func (d *decoder) daemon(block *hcl.Block, base string) Daemon {
	b := d.body(block, daemonSchema)
	var v struct {
		DataDir     string `json:"data_dir"`
		PluginDir   string `json:"plugin_dir"`
		Listen      string `json:"listen"`
		LogLevel    string `json:"log_level"`
		LogFormat   string `json:"log_format"`
		RequireLock bool   `json:"require_lock"`
	}
	b.value.into(&v)
	cfg := Daemon(v)
	if cfg.DataDir == "" {
		dir, err := filepath.Abs(filepath.Join(base, "data"))
		if err != nil {
			d.reject(b, "data_dir", "No data directory", "The directory of the configuration can not be found: %s. Set data_dir.", err)
		}
		cfg.DataDir = dir
	}
	if cfg.PluginDir == "" {
		cfg.PluginDir = ProgramDir()
	}
	host, port, err := net.SplitHostPort(v.Listen)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		d.reject(b, "listen", "Invalid address", "%q is no address with a port, such as \"127.0.0.1:8420\".", v.Listen)
	} else if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		d.reject(b, "listen", "Address is not loopback", "%q could be reached from other machines, and /healthz asks for no password. Use 127.0.0.1 or ::1.", host)
	}
	return cfg
}

func (d *decoder) spool(block *hcl.Block) Spool {
	var v struct {
		MaxSize  int64  `json:"max_size"`
		MinFree  int64  `json:"min_free"`
		WhenFull string `json:"when_full"`
	}
	d.body(block, spoolSchema).value.into(&v)
	return Spool{MaxSize: v.MaxSize, MinFree: v.MinFree, DropOldest: v.WhenFull == whenFullDropOldest}
}

func (d *decoder) influxdb(block *hcl.Block) InfluxDB {
	before, unknown := d.errors(), d.unknown
	b := d.body(block, influxdbSchema)
	sound := d.errors() == before && d.unknown == unknown
	var v struct {
		Embedded  bool    `json:"embedded"`
		Port      int     `json:"port"`
		Retention Seconds `json:"retention"`
		Records   Seconds `json:"records_retention"`
		Memory    int64   `json:"memory"`
		URL       string  `json:"url"`
		Token     string  `json:"token"`
		Org       string  `json:"org"`
		Bucket    string  `json:"bucket"`
	}
	b.value.into(&v)
	cfg := InfluxDB{v.Embedded, v.Port, v.Retention.Duration(), v.Records.Duration(), v.Memory, v.URL, v.Token, v.Org, v.Bucket}
	if block == nil {
		// Whoever says nothing gets the server that needs nothing.
		cfg.Embedded = true
		return cfg
	}
	switch {
	case v.Embedded && v.URL != "":
		d.reject(b, "url", "Two servers", "embedded = true runs a private InfluxDB, and url names another one. Remove one of them.")
	case !v.Embedded && v.URL == "" && sound:
		d.fail(block.DefRange, "No InfluxDB", "Say embedded = true for a private InfluxDB, or give the url of one of your own.")
	case v.URL != "":
		if u, err := url.Parse(v.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
			d.reject(b, "url", "Invalid URL", "url must be an http or https address, such as \"https://influxdb.example.com:8086\", without a user or a query: token is an argument of its own.")
		}
	}
	for name, r := range map[string]time.Duration{"retention": cfg.Retention, "records_retention": cfg.RecordsRetention} {
		if r != 0 && r < time.Hour {
			d.reject(b, name, "Retention is too short", "%s is %s; InfluxDB takes no less than an hour, and 0 for ever.", name, r)
		}
	}
	return cfg
}
