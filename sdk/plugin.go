package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
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
	// New makes the plugin's working part from its configuration: see the function New. A plugin that only has channels
	// may go without.
	New Constructor
	// Channels are the types of channels that a notifier offers.
	Channels []ChannelType
	// Commands are commands of the plugin's own; `vedette plugin exec` runs them.
	Commands []Command
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

// Streamer is a plugin that runs until it is stopped: it follows a file, listens on a socket, watches the kernel.
type Streamer interface {
	// Stream emits points until ctx ends, and returns nil then. If it returns before, the plugin has failed and is
	// started again.
	Stream(ctx context.Context, out Stream) error
}

// Scheduler is a Streamer with a schedule of its own. What it says of its ticks is shown and stored as that of a Collector
// is.
type Scheduler interface {
	Streamer
	// Ticks is called every few seconds while Stream runs, and must not wait.
	Ticks() Ticks
}

// Ticks counts what a schedule has done since the plugin began.
type Ticks struct {
	// Last is when the last one began.
	Last time.Time
	// Started were begun when they were due; Skipped could not be.
	Started, Skipped uint64
}

// Stream takes the points of a Streamer.
type Stream interface {
	// Emit sends the point on its way. A point without a time gets that of the call. While the daemon can not take points,
	// Emit waits; a point that still waits when the plugin has to stop is dropped, and counted.
	Emitter
	// Flush waits until all points that were emitted before are on the daemon's disk, so that whatever they were made
	// from may be forgotten. A Refused error says that some of them never will be.
	Flush(ctx context.Context) error
}

// Refused is the error of a Flush before which points were lost for good: the daemon has refused them, or they were larger than
// what it takes, or it took none for too long.
type Refused struct {
	Points int
	// Reason is that of the last of them.
	Reason string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("%d points were refused; the last because %s", r.Points, r.Reason)
}

// Command is a command of a plugin's own, which people run beside the daemon: it shares the plugin's code and
// configuration, and not its process.
type Command struct {
	Name string
	// Doc says in a sentence what the command does.
	Doc string
	// Run does it. An error is printed and makes the exit status 1, unless it is an ExitError.
	Run func(ctx context.Context, call Call) error
}

// ExitError is the error of a command that ends with a status of its own, or without a word.
type ExitError struct {
	Status int
	// Err is printed; nil if everything was said already.
	Err error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns what is printed.
func (e *ExitError) Unwrap() error { return e.Err }

// Call is what a command is called with.
type Call struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Config is the configuration of the instance for which the command was called, as JSON; nil if for none. Decode reads
	// it.
	Config []byte
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
	// Channel is the name of the channel that is made, as alerts refer to it; empty for the plugin itself.
	Channel string
	// Logger writes into the daemon's log.
	Logger hclog.Logger
	// StateDir is a directory of the instance's own that outlives the process.
	StateDir string
	// Interval and Timeout are those of the plugin block.
	Interval, Timeout time.Duration
	// DaemonVersion is the version of the daemon.
	DaemonVersion string
	// Out takes points that belong to no tick and no stream, such as what a notifier has to say of its attempts.
	Out Emitter
}

// Constructor is made by New and NewChannel.
type Constructor struct {
	roles  []wire.Role
	made   reflect.Type
	schema func() (wire.Schema, error)
	build  func(config []byte, env Env) (any, error)
	// validate is nil if nothing of the configuration has a Validate method.
	validate func(config []byte) error
}

// New wraps the function that makes the plugin's working part. The type P says what the plugin is: a Collector, a
// Streamer, or both. The error of the function says what is wrong with the configuration; a Problem says where, too.
func New[C, P any](build func(C, Env) (P, error)) Constructor {
	var roles []wire.Role
	if reflect.TypeFor[P]().Implements(reflect.TypeFor[Collector]()) {
		roles = append(roles, wire.RoleCollector)
	}
	if reflect.TypeFor[P]().Implements(reflect.TypeFor[Streamer]()) {
		roles = append(roles, wire.RoleStreamer)
	}
	return constructor(roles, build)
}

func constructor[C, P any](roles []wire.Role, build func(C, Env) (P, error)) Constructor {
	read := func(config []byte) (c C, err error) {
		v := reflect.ValueOf(&c).Elem()
		if err := decode(config, v); err != nil {
			return c, fmt.Errorf("reading the configuration: %w", err)
		}
		return c, validate(v)
	}
	made := Constructor{
		roles:  roles,
		made:   reflect.TypeFor[P](),
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
	m := &wire.Manifest{
		Name:         p.Name,
		Version:      p.Version,
		Doc:          p.Doc,
		Protocols:    []int{wire.Protocol},
		Roles:        slices.Clone(p.New.roles),
		Validates:    p.New.validate != nil,
		Measurements: p.Measurements,
	}
	var err error
	if p.New.schema != nil {
		if len(p.New.roles) == 0 {
			return nil, fmt.Errorf("plugin %s: what its New returns is neither a Collector nor a Streamer", p.Name)
		}
		if m.Config, err = p.New.schema(); err != nil {
			return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
		}
	}
	if len(p.Channels) > 0 {
		m.Roles = append(m.Roles, wire.RoleNotifier)
	}
	for _, c := range p.Channels {
		described, err := c.describe()
		if err != nil {
			return nil, fmt.Errorf("plugin %s: channel type %s: %w", p.Name, c.Name, err)
		}
		m.Channels = append(m.Channels, described)
	}
	for _, c := range p.Commands {
		m.Commands = append(m.Commands, wire.Command{Name: c.Name, Doc: c.Doc})
	}
	if len(m.Roles) == 0 {
		return nil, fmt.Errorf("plugin %s: it has neither New nor Channels", p.Name)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	return m, nil
}

func (p *Plugin) describe() ([]byte, error) {
	m, err := p.Manifest()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(m, "", "  ")
}
