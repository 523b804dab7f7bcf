package embedded

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"text/template"
)

// launchHeader comes with every answer of the InfluxDB that this launch has started. It tells it from another one that
// took the port meanwhile, before any password is sent.
const launchHeader = "X-Vedette-Launch"

var configTemplate = template.Must(template.New("influxdb.conf").Funcs(template.FuncMap{"quote": strconv.Quote}).
	Parse(`# Written by vedette at each start: what is changed here is lost.

reporting-disabled = true

# The service for backup and restore cannot be switched off. It has no password, so it keeps to loopback, on a port that
# was free: two daemons on one machine do not meet there.
bind-address = {{quote .Backup}}

[meta]
  dir = {{quote .Meta}}
  logging-enabled = false

[data]
  dir = {{quote .Data}}
  wal-dir = {{quote .WAL}}
  index-version = "tsi1"
  # Every acknowledged write is on disk: the daemon forgets it then.
  wal-fsync-delay = "0s"
  # Statements may hold passwords.
  query-log-enabled = false
  # 0 is no limit. A limit would refuse points that are as good as the others.
  max-series-per-database = 0
  max-values-per-tag = 0
  # A cache that is full makes InfluxDB answer 500, and the daemon waits: so a small one costs nothing but time.
  cache-max-memory-size = {{.Cache}}
  cache-snapshot-memory-size = {{.Snapshot}}
  max-concurrent-compactions = 1
  compact-throughput = "24m"
  compact-throughput-burst = "48m"

[coordinator]
  write-timeout = "20s"
  # What one question may ask for. A year by the quarter of a minute is well; by the second it would fill the memory.
  query-timeout = "2m"
  max-concurrent-queries = 40
  max-select-buckets = 2200000

[http]
  bind-address = {{quote .Address}}
  auth-enabled = true
  # Flux in 1.8 opens connections of its own and knows no bound of memory; all that is shipped is InfluxQL.
  flux-enabled = false
  # With an access log for answers that do not exist, its own failures are what it logs, and nothing else.
  log-enabled = true
  access-log-status-filters = ["1xx"]
  # Switched off, /debug/vars and /debug/requests would be open to all; so they want the administrator's password.
  pprof-enabled = true
  pprof-auth-enabled = true
  debug-pprof-enabled = false
  # /ping, /health and /metrics know one switch: whoever watches whether InfluxDB lives needs no password.
  ping-auth-enabled = false
{{- if .Socket}}
  unix-socket-enabled = true
  unix-socket-permissions = "0600"
  bind-socket = {{quote .Socket}}
{{- end}}

[http.headers]
  {{.Header}} = {{quote .Launch}}

[logging]
  format = "json"
  level = "info"
  suppress-logo = true

[monitor]
  store-enabled = false

[subscriber]
  enabled = false

[continuous_queries]
  log-enabled = false
`))

// settings are what differs from launch to launch.
type settings struct {
	Meta, Data, WAL, Address, Backup, Socket, Header, Launch string
	Cache, Snapshot                                          int64 // bytes
}

// config writes the configuration of one launch.
func config(dir, address, backup, socket, launch string, memory int64) ([]byte, error) {
	var b bytes.Buffer
	err := configTemplate.Execute(&b, settings{
		Meta:     filepath.Join(dir, metaDir),
		Data:     filepath.Join(dir, "data"),
		WAL:      filepath.Join(dir, "wal"),
		Address:  address,
		Backup:   backup,
		Socket:   socket,
		Header:   launchHeader,
		Launch:   launch,
		Cache:    memory / 4,
		Snapshot: min(memory/32, 16<<20),
	})
	if err != nil {
		return nil, fmt.Errorf("write the configuration of InfluxDB: %w", err)
	}
	return b.Bytes(), nil
}
