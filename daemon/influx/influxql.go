package influx

import "strings"

var (
	nameEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	textEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`)
)

// QuoteName writes a name for InfluxQL, whatever is in it.
func QuoteName(name string) string { return `"` + nameEscapes.Replace(name) + `"` }

// QuoteText writes a text for InfluxQL, whatever is in it.
func QuoteText(text string) string { return `'` + textEscapes.Replace(text) + `'` }
