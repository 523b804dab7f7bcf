package app

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
)

// Load reads the configuration at path and checks it against what the plugins say of themselves. It starts no plugin's
// work and opens no connection. The settings give values to the configuration's variables.
func Load(path string, settings ...config.Setting) (*config.Config, config.Diagnostics) {
	return config.Load(path, func(dir string) config.Catalog { return supervisor.NewCatalog(dir) }, settings...)
}

// Catalog returns the plugins of a directory, by default that of this program.
func Catalog(dir string) *supervisor.Catalog {
	if dir == "" {
		dir = config.ProgramDir()
	}
	return supervisor.NewCatalog(dir)
}

// NewReader returns a reader of the InfluxDB of a configuration, whether a daemon runs or not.
func NewReader(cfg *config.Config) (*influx.Reader, error) {
	if cfg.InfluxDB.Embedded {
		credentials, err := embedded.ReadCredentials(influxDir(cfg))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no data in %s yet: start the daemon with `vedette run`", cfg.Daemon.DataDir)
		}
		if err != nil {
			return nil, err
		}
		return influx.NewReader(influx.ReaderOptions{
			URL: credentials.URL, Token: credentials.Reader.Token(), Database: credentials.Database, Times: influx.RFC3339,
		})
	}
	database, policy, _ := strings.Cut(cfg.InfluxDB.Bucket, "/")
	return influx.NewReader(influx.ReaderOptions{
		URL: cfg.InfluxDB.URL, Token: cfg.InfluxDB.Token, Database: database, Policy: policy, Times: influx.RFC3339,
	})
}

func influxDir(cfg *config.Config) string { return filepath.Join(cfg.Daemon.DataDir, "influxdb") }
