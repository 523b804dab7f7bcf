package reference

import (
	"fmt"
	"strings"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// channel writes the reference of a type of channels.
func channel(b *strings.Builder, c wire.ChannelType) {
	fmt.Fprintf(b, "### Channel `%s`\n\n%s", c.Name, c.Doc)
	if c.Pages {
		b.WriteString(" It wakes people.")
	}
	if c.Limit != "" {
		fmt.Fprintf(b, " The provider takes at most %s.", c.Limit)
	}
	if c.MaxBytes > 0 {
		fmt.Fprintf(b, " A notice has at most %d bytes.", c.MaxBytes)
	}
	b.WriteString("\n\n")
	block(b, fmt.Sprintf("notifier %q \"NAME\"", c.Name), c.Config)
}
