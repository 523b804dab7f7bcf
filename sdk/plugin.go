package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Plugin is what a plugin's main function hands to Serve.
type Plugin struct {
	// Name is the plugin's name: that of its program, and usually the label of its block in the configuration.
	Name string
	// Version is the plugin's own version.
	Version string
	// Doc says in a sentence what the plugin is for.
	Doc string
	// Measurements describe the points that the plugin emits.
	Measurements []Measurement
	// New makes the plugin's working part from its configuration: see the function New.
	New Constructor
}

// The words in which a plugin describes its points.
type (
	Measurement = wire.Measurement
	TagSchema   = wire.TagSchema
	FieldSchema = wire.FieldSchema
)

// Collector is a plugin that is called on a tick.
type Collector interface {
	// Collect measures and emits. It is never called twice at the same time; a tick that falls due while it runs is
	// skipped and counted. ctx ends at the timeout of the plugin block and when the plugin has to stop. An error is
	// logged; points that were emitted before it are kept.
	Collect(ctx context.Context, out Emitter) error
}

// Path is the type of an attribute that names a file or directory. A relative one is relative to the file of the
// configuration that it stands in; the plugin gets it absolute.
type Path string

// Emitter takes points.
type Emitter interface {
	// Emit sends the point on its way. A point without a time gets that of the tick's start. While the daemon can not
	// take points, Emit waits; when the tick's time is over the point is dropped, and counted. It may be called from
	// several goroutines, but not after Collect has returned.
	Emit(*Point)
}

// Env is what a plugin may know of the place that it runs in.
type Env struct {
	// Instance is the label of the plugin block.
	Instance string
	// Logger writes into the daemon's log.
	Logger hclog.Logger
	// StateDir is a directory of the instance's own that outlives the process.
	StateDir string
	// Interval and Timeout are those of the plugin block.
	Interval, Timeout time.Duration
	// DaemonVersion is the version of the daemon.
	DaemonVersion string
}

// Constructor is made by New.
type Constructor struct {
	roles  []wire.Role
	schema func() (wire.Schema, error)
	build  func(config []byte, env Env) (any, error)
	// validate is nil if nothing of the configuration has a Validate method.
	validate func(config []byte) error
}

// New wraps the function that makes the plugin's working part. The type P says what the plugin is: it must be a
// Collector. The error of the function says what is wrong with the configuration; a Problem says where, too.
func New[C, P any](build func(C, Env) (P, error)) Constructor {
	var roles []wire.Role
	if reflect.TypeFor[P]().Implements(reflect.TypeFor[Collector]()) {
		roles = append(roles, wire.RoleCollector)
	}
	read := func(config []byte) (c C, err error) {
		v := reflect.ValueOf(&c).Elem()
		if err := decode(config, v); err != nil {
			return c, fmt.Errorf("reading the configuration: %w", err)
		}
		return c, validate(v)
	}
	made := Constructor{
		roles:  roles,
		schema: func() (wire.Schema, error) { return schemaOf(reflect.TypeFor[C]()) },
		build: func(config []byte, env Env) (any, error) {
			c, err := read(config)
			if err != nil {
				return nil, err
			}
			return build(c, env)
		},
	}
	if validates(reflect.TypeFor[C]()) {
		made.validate = func(config []byte) error {
			_, err := read(config)
			return err
		}
	}
	return made
}

// Manifest is the plugin's description of itself.
func (p *Plugin) Manifest() (*wire.Manifest, error) {
	if len(p.New.roles) == 0 {
		return nil, fmt.Errorf("plugin %s: what its New returns is no Collector", p.Name)
	}
	schema, err := p.New.schema()
	if err == nil {
		err = schema.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	return &wire.Manifest{
		Name:         p.Name,
		Version:      p.Version,
		Doc:          p.Doc,
		Protocols:    []int{wire.Protocol},
		Roles:        p.New.roles,
		Config:       schema,
		Validates:    p.New.validate != nil,
		Measurements: p.Measurements,
	}, nil
}

func (p *Plugin) describe() ([]byte, error) {
	m, err := p.Manifest()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(m, "", "  ")
}
