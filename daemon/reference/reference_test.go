package reference

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestAllThatASchemaSaysIsInItsTables(t *testing.T) {
	m := &wire.Manifest{Name: "p", Config: wire.Schema{
		Attributes: []wire.Attribute{
			{Name: "url", Type: wire.TypeString, Required: true, Doc: "Address."},
			{Name: "limit", Type: wire.TypeSize, Default: "10MiB", Min: "1KiB", Max: "1GiB", Doc: "Limit."},
			{Name: "family", Type: wire.TypeString, Default: "any", OneOf: []string{"any", "ipv4"}, Doc: "Family."},
			{Name: "hosts", Type: "list(string)", Min: "1", Doc: "Hosts."},
			{Name: "ways", Type: "map(int)", Max: "3", Doc: "Ways."},
			{Name: "token", Type: wire.TypeString, Sensitive: true, Deprecated: "use secret", Doc: "a|b."},
		},
		Blocks: []wire.Block{
			{Name: "step", Min: 1, Max: 3, Doc: "Steps."},
			{Name: "many", Min: 2, Deprecated: "use step", Doc: "Many."},
			{Name: "some", Max: 2, Doc: "Some."},
			{Name: "lone", Max: 1, Doc: "Lone."},
			{Name: "one", Min: 1, Doc: "One."},
		},
	}}
	var out bytes.Buffer
	if err := Plugin(&out, m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `url` | string | required | Address. |",
		"| `limit` | size | `10MiB` | Limit. From 1KiB to 1GiB. |",
		"| `family` | string | `any` | Family. One of `any`, `ipv4`. |",
		"| `hosts` | list(string) |  | Hosts. At least one element. |",
		"| `ways` | map(int) |  | Ways. At most 3 elements. |",
		`| a\|b. A secret: it is never shown. **Deprecated**: use secret. |`,
		"**, 1 to 3 times: Steps.", "**, at least 2 times: Many. **Deprecated**: use step.", "**, at most 2 times: Some.", "**, at most once: Lone.", "**, at least once: One.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
