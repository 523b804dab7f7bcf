package app

import (
	"maps"
	"slices"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/daemon/vitals"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Configuration is a valid configuration with what it says about alerts.
type Configuration struct {
	*config.Config
	Policy *policy.Policy
}

// Load reads the configuration at path and checks it against what the plugins say of themselves. It starts no plugin's
// work and opens no connection. The settings give values to the configuration's variables. The configuration is nil if the
// diagnostics have errors.
func Load(path string, settings ...config.Setting) (*Configuration, config.Diagnostics) {
	var alerts *policy.Policy
	cfg, diags := config.Read(path, func(dir string) config.Catalog { return supervisor.NewCatalog(dir) }, func(cfg *config.Config, bodies *config.Bodies) {
		alerts = policy.Load(cfg, bodies, Measurements())
	}, settings...)
	if cfg == nil {
		return nil, diags
	}
	return &Configuration{cfg, alerts}, diags
}

// Measurements declare the daemon's own points.
func Measurements() []wire.Measurement {
	return slices.Concat(vitals.Measurements(), policy.Measurements(), alert.Measurements())
}

// Lock returns the lock file's content for the configuration at path, with the programs that are installed now: those of
// other platforms stay while the version is the same.
func Lock(path string, settings ...config.Setting) (config.Lock, config.Diagnostics, error) {
	var catalog *supervisor.Catalog
	cfg, diags := config.Load(path, func(dir string) config.Catalog {
		catalog = supervisor.NewCatalog(dir)
		return unlocked{catalog}
	}, settings...)
	if cfg == nil {
		return nil, diags, nil
	}
	old, err := config.ReadLock(config.LockPath(path))
	if err != nil {
		return nil, diags, err
	}
	lock := config.Lock{}
	for _, p := range cfg.Plugins {
		_, sum, err := catalog.Inspect(p.Source, p.Account, nil)
		if err != nil {
			return nil, diags, err
		}
		locked := config.Locked{Version: p.Manifest.Version, SHA256: map[string]string{}}
		locked.Sources = append(lock[p.Manifest.Name].Sources, config.Place(path, p.Source))
		slices.Sort(locked.Sources)
		locked.Sources = slices.Compact(locked.Sources)
		if before := old[p.Manifest.Name]; before.Version == locked.Version {
			maps.Copy(locked.SHA256, before.SHA256)
		}
		locked.SHA256[config.Platform] = sum
		lock[p.Manifest.Name] = locked
	}
	return lock, diags, nil
}

// unlocked is a catalog of plugins that no lock file holds back.
type unlocked struct{ *supervisor.Catalog }

// Inspect implements config.Catalog: no SHA256 is told, so none is compared.
func (u unlocked) Inspect(source string, as *process.Account, _ func(string) error) (*wire.Manifest, string, error) {
	m, _, err := u.Catalog.Inspect(source, as, nil)
	return m, "", err
}

// Catalog returns the plugins of a directory, by default that of this program.
func Catalog(dir string) *supervisor.Catalog {
	if dir == "" {
		dir = config.ProgramDir()
	}
	return supervisor.NewCatalog(dir)
}
