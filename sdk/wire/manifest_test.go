package wire

import (
	"strings"
	"testing"
)

// soundManifest has one of everything that Manifest.Check looks at.
func soundManifest() *Manifest {
	return &Manifest{
		Name: "http-quality", Version: "1.0.0 (x)", Roles: []Role{RoleCollector, RoleStreamer, RoleNotifier},
		Config: Schema{
			Attributes: []Attribute{{Name: "url", Type: TypeString}},
			Blocks:     []Block{{Name: "target", Labels: []string{"name"}}},
		},
		Measurements: []Measurement{
			{Name: AnyMeasurement, Open: true},
			{Name: "温度 °C", Tags: []TagSchema{{Name: "a b"}}, Fields: []FieldSchema{{Name: "x", Type: TypeInt}}},
		},
		Channels: []ChannelType{{Name: "email"}},
		Commands: []Command{{Name: "test"}},
	}
}

func TestWhatAnAuthorMayDeclareIsTaken(t *testing.T) {
	if err := soundManifest().Check(); err != nil {
		t.Error(err)
	}
}

func TestAMistakeOfAnAuthorIsNamed(t *testing.T) {
	for promise, c := range map[string]struct {
		spoil func(m *Manifest)
		want  string
	}{
		"no name":                         {func(m *Manifest) { m.Name = "" }, `its name is ""`},
		"a name that moves the cursor":    {func(m *Manifest) { m.Name = "a\x1b[2J" }, `its name is "a\x1b[2J"`},
		"a name without end":              {func(m *Manifest) { m.Name = strings.Repeat("a", 101) }, "at most 100"},
		"a version that moves the cursor": {func(m *Manifest) { m.Version = "1\r" }, `its version is "1\r"`},
		"a role that there is not":        {func(m *Manifest) { m.Roles[1] = "king" }, `the role "king" is none of collector, streamer and notifier`},
		"an attribute without name":       {func(m *Manifest) { m.Config.Attributes[0].Name = "" }, `the name "" of the attribute`},
		"an attribute of two words":       {func(m *Manifest) { m.Config.Attributes[0].Name = "a b" }, `the name "a b" of the attribute`},
		"a block of two words":            {func(m *Manifest) { m.Config.Blocks[0].Name = "a b" }, `the name "a b" of the block`},
		"a label of two words":            {func(m *Manifest) { m.Config.Blocks[0].Labels[0] = "a b" }, `the name "a b" of the label`},
		"a measurement twice":             {func(m *Manifest) { m.Measurements[1].Name = AnyMeasurement }, `the measurement "*" is declared twice`},
		"a measurement of the daemon's":   {func(m *Manifest) { m.Measurements[1].Name = "vedette_plugin" }, `"vedette_plugin" begins with vedette_`},
		"a measurement without name":      {func(m *Manifest) { m.Measurements[1].Name = "" }, `the name "" of a measurement`},
		"a tag with a control character":  {func(m *Manifest) { m.Measurements[1].Tags[0].Name = "\u009b" }, `the name "\u009b" of a tag of 温度 °C`},
		"a field that is no UTF-8":        {func(m *Manifest) { m.Measurements[1].Fields[0].Name = "\xff" }, `the name "\xff" of a field of 温度 °C`},
		"a channel type twice":            {func(m *Manifest) { m.Channels = append(m.Channels, m.Channels[0]) }, `the channel type "email" is declared twice`},
		"a channel type with a dot":       {func(m *Manifest) { m.Channels[0].Name = "a.b" }, `the name "a.b" of the channel type`},
		"a command twice":                 {func(m *Manifest) { m.Commands = append(m.Commands, m.Commands[0]) }, `the command "test" is declared twice`},
		"a command like a flag":           {func(m *Manifest) { m.Commands[0].Name = "-x" }, `the name "-x" of the command`},
	} {
		t.Run(promise, func(t *testing.T) {
			m := soundManifest()
			c.spoil(m)
			if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the manifest is refused with %v, want %s", err, c.want)
			}
		})
	}
}
