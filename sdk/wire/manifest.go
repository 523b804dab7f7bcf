package wire

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Manifest is what a plugin says about itself: `PLUGIN describe` prints it as JSON, without a handshake and without
// any effect. The daemon checks configurations against it before the plugin runs, and documentation is made from it.
type Manifest struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Doc     string `json:"doc"`
	// Protocols are the major versions of the contract that the plugin speaks.
	Protocols []int  `json:"protocols"`
	Roles     []Role `json:"roles"`
	Config    Schema `json:"config"`
	// Validates says that `PLUGIN validate` checks what the schema can not say.
	Validates    bool          `json:"validates,omitempty"`
	Measurements []Measurement `json:"measurements,omitempty"`
	// Channels are the types of channels that a notifier offers.
	Channels []ChannelType `json:"channels,omitempty"`
	// Commands are run with CommandCommand.
	Commands []Command `json:"commands,omitempty"`
}

// Role is a thing that a plugin can be asked to do; a plugin may have several.
type Role string

// The roles.
const (
	// RoleCollector is called on a tick and emits points.
	RoleCollector Role = "collector"
	// RoleStreamer runs until it is stopped and emits points when it has some.
	RoleStreamer Role = "streamer"
	// RoleNotifier delivers notices.
	RoleNotifier Role = "notifier"
)

// HasRole reports whether the plugin has the role.
func (m *Manifest) HasRole(role Role) bool {
	for _, r := range m.Roles {
		if r == role {
			return true
		}
	}
	return false
}

// ReservedMeasurements begins the names of what the daemon measures of itself. No plugin has measurements of that name.
const ReservedMeasurements = "vedette_"

// maxName is how many characters a name may have.
const maxName = 100

var (
	programName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	identifier  = regexp.MustCompile(`^[\pL_][\pL\pN_-]*$`)
)

// Check finds the mistakes of the plugin's author: names that can not be written where they are used or that stand twice,
// roles that there are not, and what Schema.Check finds in the configuration. That of a channel type is left to who uses it.
func (m *Manifest) Check() error {
	var errs []error
	if len(m.Name) > maxName || !programName.MatchString(m.Name) {
		errs = append(errs, fmt.Errorf("its name is %q, and not at most %d letters, digits, dots, dashes and underscores", m.Name, maxName))
	}
	if !printable(m.Version) {
		errs = append(errs, fmt.Errorf("its version is %q, and has more than characters that print", m.Version))
	}
	for _, role := range m.Roles {
		if !slices.Contains([]Role{RoleCollector, RoleStreamer, RoleNotifier}, role) {
			errs = append(errs, fmt.Errorf("the role %q is none of %s, %s and %s", role, RoleCollector, RoleStreamer, RoleNotifier))
		}
	}
	seen := map[string]bool{}
	claim := func(kind, name string) {
		if seen[kind+name] {
			errs = append(errs, fmt.Errorf("the %s %q is declared twice", kind, name))
		}
		seen[kind+name] = true
	}
	for _, measurement := range m.Measurements {
		claim("measurement", measurement.Name)
		if strings.HasPrefix(measurement.Name, ReservedMeasurements) {
			errs = append(errs, fmt.Errorf("the measurement %q begins with %s, as those of the daemon do", measurement.Name, ReservedMeasurements))
		}
		errs = append(errs, measurement.check())
	}
	for _, channel := range m.Channels {
		claim("channel type", channel.Name)
		errs = append(errs, checkIdentifier("channel type", channel.Name))
	}
	for _, command := range m.Commands {
		claim("command", command.Name)
		errs = append(errs, checkIdentifier("command", command.Name))
	}
	return errors.Join(append(errs, m.Config.Check())...)
}

// check holds that the points of the measurement can be written and shown.
func (m *Measurement) check() error {
	var errs []error
	wrong := func(kind, name string) {
		if name == "" || !printable(name) {
			errs = append(errs, fmt.Errorf("the name %q of a %s is empty, or has more than characters that print", name, kind))
		}
	}
	wrong("measurement", m.Name)
	for _, t := range m.Tags {
		wrong("tag of "+m.Name, t.Name)
	}
	for _, f := range m.Fields {
		wrong("field of "+m.Name, f.Name)
	}
	return errors.Join(errs...)
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// checkIdentifier holds that a name can be written in a configuration or on a command line.
func checkIdentifier(kind, name string) error {
	if utf8.RuneCountInString(name) > maxName || !identifier.MatchString(name) {
		return fmt.Errorf("the name %q of the %s is no identifier of at most %d letters, digits, dashes and underscores, a letter or an underscore first", name, kind, maxName)
	}
	return nil
}

// Schema describes the body of a configuration block.
type Schema struct {
	Attributes []Attribute `json:"attributes,omitempty"`
	Blocks     []Block     `json:"blocks,omitempty"`
}

// Type is the type of an attribute's value. A list or a map has one of the simple types as its elements:
// list(string), map(int).
type Type string

// The simple types. In the JSON that a plugin gets, a duration is a number of seconds, a size is an integer of bytes,
// and a path is absolute: the daemon has resolved it from the file that names it.
const (
	TypeString   Type = "string"
	TypeBool     Type = "bool"
	TypeInt      Type = "int"
	TypeFloat    Type = "float"
	TypeDuration Type = "duration"
	TypeSize     Type = "size"
	TypePath     Type = "path"
)

// ListOf is the type of a list with elements of a simple type.
func ListOf(element Type) Type { return "list(" + element + ")" }

// MapOf is the type of a map from strings to elements of a simple type.
func MapOf(element Type) Type { return "map(" + element + ")" }

// Attribute is one argument of a block.
type Attribute struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Required bool   `json:"required,omitempty"`
	// Default is the value of an attribute that is left out, as a text: 10s, GET, 64KiB; lists and maps are JSON, which
	// HCL takes as well.
	Default string `json:"default,omitempty"`
	// OneOf are the values that are allowed; of a list or map, those that its elements may have.
	OneOf []string `json:"one_of,omitempty"`
	// Min and Max are the least and the greatest number, duration or size; of a list or map, the number of elements.
	Min string `json:"min,omitempty"`
	Max string `json:"max,omitempty"`
	// Deprecated says what to use instead of the attribute.
	Deprecated string `json:"deprecated,omitempty"`
	// Sensitive says that the value is a secret: it is never shown.
	Sensitive bool `json:"sensitive,omitempty"`
	// Tags says that the keys of the map are tags of points that the plugin emits, so that rules may name them.
	Tags bool   `json:"tags,omitempty"`
	Doc  string `json:"doc"`
}

// Block is a nested block.
type Block struct {
	Name string `json:"name"`
	// Labels name the attributes that the block's labels become.
	Labels []string `json:"labels,omitempty"`
	// Single says that the block stands at most once; it is then an object in the JSON, and otherwise a list.
	Single bool   `json:"single,omitempty"`
	Doc    string `json:"doc"`
	// Required says that at least one must be there.
	Required bool `json:"required,omitempty"`
	// Min and Max bound how many there may be, where they are above 0.
	Min int `json:"min,omitempty"`
	Max int `json:"max,omitempty"`
	// Deprecated says what to use instead of the block.
	Deprecated string `json:"deprecated,omitempty"`
	// Tags says that the block brings points whose tags nobody can name beforehand, such as those of a list that others keep.
	Tags   bool   `json:"tags,omitempty"`
	Schema Schema `json:"schema"`
}

// Measurement describes the points of one name that a plugin emits.
type Measurement struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
	// Record says that its points tell what people or rules did, and not what was measured: they are kept longer, and are
	// the last to go where there are too many.
	Record bool          `json:"record,omitempty"`
	Tags   []TagSchema   `json:"tags,omitempty"`
	Fields []FieldSchema `json:"fields"`
	// Open says that the plugin can not name all fields beforehand: the daemon then takes those too that are not declared.
	// An open measurement with the name AnyMeasurement stands for all that the plugin could not name either.
	Open bool `json:"open,omitempty"`
}

// AnyMeasurement is the name of the measurement that describes all those which a plugin can not name beforehand.
const AnyMeasurement = "*"

// TagSchema describes a tag.
type TagSchema struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

// FieldSchema describes a field: Type is float, int, bool or string.
type FieldSchema struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	Unit string `json:"unit,omitempty"`
	Doc  string `json:"doc"`
}

// ChannelType is a way to tell somebody something: the type of a notifier block.
type ChannelType struct {
	Name   string `json:"name"`
	Doc    string `json:"doc"`
	Config Schema `json:"config"`
	// Limit is how many notices the provider takes in a time, such as 18/1m; nothing if it takes any number.
	Limit string `json:"limit,omitempty"`
	// MaxBytes is the longest notice that the provider takes; 0 if it takes any.
	MaxBytes int `json:"max_bytes,omitempty"`
	// Syncs says that the channel keeps state and is given the whole set of active alerts instead of notices.
	Syncs bool `json:"syncs,omitempty"`
	// Pages says that the channel wakes people.
	Pages bool `json:"pages,omitempty"`
}

// Command is a command of a plugin's own.
type Command struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

// Reserved are the arguments that the daemon takes from every plugin block for itself, now or later. A plugin's schema has
// none of them.
var Reserved = []string{"source", "enabled", "tags", "interval", "timeout", "env", "user", "nice", "memory_limit", "max_series"}
