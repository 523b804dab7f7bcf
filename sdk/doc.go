// Package sdk is all that the author of a Vedette plugin imports.
//
// A plugin is a program of its own that the daemon starts. It describes itself, gets its configuration as a plain Go
// struct, and emits points; the sdk does the rest: the handshake, the schedule, timeouts, batches, acknowledgements,
// back-pressure, and the end together with the daemon.
//
//	type config struct {
//		Path string `hcl:"path" doc:"File whose size is measured."`
//	}
//
//	type sizer struct{ path string }
//
//	func newSizer(c config, env sdk.Env) (*sizer, error) { return &sizer{c.Path}, nil }
//
//	func (s *sizer) Collect(ctx context.Context, out sdk.Emitter) error {
//		info, err := os.Stat(s.path)
//		if err != nil {
//			return err
//		}
//		out.Emit(sdk.NewPoint("file").Tag("path", s.path).Int("size", info.Size()))
//		return nil
//	}
//
//	func main() {
//		sdk.Serve(sdk.Plugin{
//			Name:    "file-size",
//			Version: "1.0.0",
//			Doc:     "Measures the size of a file.",
//			New:     sdk.New(newSizer),
//			Measurements: []sdk.Measurement{{
//				Name:   "file",
//				Doc:    "One point a tick.",
//				Tags:   []sdk.TagSchema{{Name: "path", Doc: "The file."}},
//				Fields: []sdk.FieldSchema{{Name: "size", Type: "int", Unit: "bytes", Doc: "Its size."}},
//			}},
//		})
//	}
//
// A struct of the configuration has one field for each attribute or nested block:
//
//	`hcl:"url"`                    a required attribute
//	`hcl:"method" default:"GET"`   an attribute with a default, written as it would stand in the configuration
//	`hcl:"body,optional"`          an attribute that may be absent: the field keeps its zero value
//	`hcl:"target,block"`           nested blocks: a slice of structs, or a struct or pointer for a block that stands once
//	`hcl:"name,label"`             within a block's struct, the block's label
//	`doc:"…"`                      what it means: required on all but labels
//
// Further tags narrow what is allowed; the daemon holds a configuration against them before the plugin runs:
//
//	`one_of:"any,ipv4,ipv6"`       the values; of a list or map, those of its elements
//	`min:"1" max:"10s"`            the least and the greatest number, duration or size; of a list, map or block, how many
//	`deprecated:"use x"`           still taken, with a warning that says what to use instead
//	`sensitive:"true"`             a secret, which is never shown
//	`tags:"true"`                  the keys of the map are tags of points, or the block brings points with tags that nobody can
//	                               name beforehand: so rules may name them
//
// Attributes are strings, bools, ints, floats, time.Durations, Sizes, Paths, and lists and string-keyed maps of these. The
// default of a list or map is JSON.
//
// What tags can not say is for a method Validate, see Validator, of the struct or of one of its blocks:
//
//	func (c *config) Validate() error {
//		if c.Low > c.High {
//			return &sdk.Problem{Path: []string{"low"}, Err: errors.New("low is above high")}
//		}
//		return nil
//	}
package sdk
