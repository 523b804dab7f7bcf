package reference

import (
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestTheReferenceOfANotifierShowsItsChannels(t *testing.T) {
	var out strings.Builder
	err := Plugin(&out, &wire.Manifest{Name: "n", Channels: []wire.ChannelType{{
		Name: "pager", Doc: "A pager.", Pages: true, Limit: "18/1m", MaxBytes: 160,
		Config: wire.Schema{Attributes: []wire.Attribute{{Name: "number", Type: wire.TypeString, Required: true, Doc: "Whom to call."}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"It has no arguments of its own.\n", "### Channel `pager`\n", "A pager. It wakes people. The provider takes at most 18/1m. A notice has at most 160 bytes.\n",
		"| `number` | string | required | Whom to call. |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the reference lacks %q:\n%s", want, out.String())
		}
	}
}
