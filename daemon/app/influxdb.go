package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded"
)

// ReadAs says who asks.
type ReadAs int

// Who may ask.
const (
	AsReader        ReadAs = iota // the private InfluxDB's reader; of one's own, the token's user
	AsAdministrator               // the private InfluxDB's administrator; of one's own, the token's user
)

// NewReader returns a reader of the InfluxDB of a configuration, whether a daemon runs or not.
func NewReader(cfg *config.Config) (*influx.Reader, error) {
	database, policy, _ := strings.Cut(Bucket(cfg), "/")
	return NewReaderOf(cfg, AsReader, database, policy)
}

// Bucket is where raw points of a configuration are.
func Bucket(cfg *config.Config) string {
	if cfg.InfluxDB.Embedded {
		return embedded.Database
	}
	return cfg.InfluxDB.Bucket
}

// NewReaderOf is NewReader for a database and a retention policy, which may be empty.
func NewReaderOf(cfg *config.Config, who ReadAs, database, policy string) (*influx.Reader, error) {
	o, err := reach(cfg, who)
	if err != nil {
		return nil, err
	}
	o.Database, o.Policy, o.Times = database, policy, influx.RFC3339
	return influx.NewReader(o)
}

// NewSetup1 returns what manages users, on InfluxDB 1.x.
func NewSetup1(ctx context.Context, cfg *config.Config) (*influx.Setup1, error) {
	o, err := reach(cfg, AsAdministrator)
	if err != nil {
		return nil, err
	}
	if !cfg.InfluxDB.Embedded {
		s, err := influx.NewSetup(influx.SetupOptions{URL: o.URL, Token: o.Token, Org: cfg.InfluxDB.Org, Bucket: cfg.InfluxDB.Bucket})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		version, major, err := s.Identify(ctx)
		if err != nil {
			return nil, err
		}
		if major != 1 {
			return nil, fmt.Errorf("InfluxDB %s has no users of a database; make a token that may only read:\n"+
				"  influx auth create --org %s --read-bucket ID", version, influx.ShellWord(cfg.InfluxDB.Org))
		}
	}
	return influx.NewSetup1(o)
}

// reach says how the InfluxDB of a configuration is reached.
func reach(cfg *config.Config, who ReadAs) (influx.ReaderOptions, error) {
	if !cfg.InfluxDB.Embedded {
		return influx.ReaderOptions{URL: cfg.InfluxDB.URL, Token: cfg.InfluxDB.Token}, nil
	}
	c, err := credentials(cfg)
	if err != nil {
		return influx.ReaderOptions{}, err
	}
	user := c.Reader
	if who == AsAdministrator {
		user = c.Admin
	}
	return influx.ReaderOptions{URL: c.URL, Socket: c.Socket, Token: user.Token()}, nil
}

func credentials(cfg *config.Config) (embedded.Credentials, error) {
	c, err := embedded.ReadCredentials(influxDir(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("there is no data in %s yet: start the daemon with `vedette run`", cfg.Daemon.DataDir)
	}
	return c, err
}

// Explain says what to do where the private InfluxDB is not running.
func Explain(cfg *config.Config, err error) error {
	if cfg.InfluxDB.Embedded && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)) {
		return errors.New("the embedded InfluxDB is not running; it runs while the daemon does: start it with `vedette run`")
	}
	return err
}

// OwnUsers are the daemon's own users of the private InfluxDB, which nobody else should change.
func OwnUsers(cfg *config.Config) ([]string, error) {
	if !cfg.InfluxDB.Embedded {
		user, _, _ := strings.Cut(cfg.InfluxDB.Token, ":")
		return []string{user}, nil
	}
	c, err := credentials(cfg)
	return []string{c.Admin.Name, c.Writer.Name, c.Reader.Name}, err
}

// Backup copies the private InfluxDB of a running daemon into a directory, and says how many bytes that are.
func Backup(ctx context.Context, cfg *config.Config, dir string) (bytes int64, err error) {
	c, err := copier(ctx, cfg)
	if err != nil {
		return 0, err
	}
	return c.Backup(ctx, dir)
}

// Restore brings a backup back as a new database of the private InfluxDB of a running daemon.
func Restore(ctx context.Context, cfg *config.Config, dir, database string) error {
	c, err := copier(ctx, cfg)
	if err != nil {
		return err
	}
	return c.Restore(ctx, dir, database)
}

// copier makes sure that it is the daemon's InfluxDB that is talked to: nobody else gets its data.
func copier(ctx context.Context, cfg *config.Config) (*embedded.Copier, error) {
	if !cfg.InfluxDB.Embedded {
		return nil, errors.New("this is for the private InfluxDB; one of your own has its own tools: influxd backup, influx backup")
	}
	c, err := credentials(cfg)
	if err != nil {
		return nil, err
	}
	st, err := console.FetchStatus(ctx, ControlSocket(cfg.Daemon.DataDir))
	if err != nil {
		return nil, err
	}
	if !st.InfluxDB.Embedded || st.InfluxDB.Pid == 0 {
		return nil, fmt.Errorf("the private InfluxDB is not running now (%s): try again when `vedette status` says that it is", st.InfluxDB.State)
	}
	return embedded.NewCopier(influxd(cfg), c)
}

func influxDir(cfg *config.Config) string { return filepath.Join(cfg.Daemon.DataDir, "influxdb") }
func influxd(cfg *config.Config) string   { return filepath.Join(cfg.Daemon.PluginDir, "influxd") }
