// Package reference writes reference documentation in Markdown from what the code itself goes by: the schemas of the
// daemon's blocks and the manifests of plugins. So the documentation can not say anything else.
package reference

import (
	"fmt"
	"io"
	"strings"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Plugin writes the reference of a plugin: its configuration, that of its channels, what it emits, and its commands.
func Plugin(w io.Writer, m *wire.Manifest) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### Configuration of %s\n\n", m.Name)
	if len(m.Config.Attributes)+len(m.Config.Blocks) == 0 {
		b.WriteString("It has no arguments of its own.\n")
	}
	block(&b, fmt.Sprintf("plugin %q", m.Name), m.Config)
	for _, c := range m.Channels {
		b.WriteString("\n")
		channel(&b, c)
	}
	for _, measurement := range m.Measurements {
		b.WriteString("\n")
		emitted(&b, measurement)
	}
	if len(m.Commands) > 0 {
		fmt.Fprintf(&b, "\n### Commands of %s\n\n`vedette plugin exec %s -- COMMAND` runs them.\n\n", m.Name, m.Name)
		table(&b, "command", "what it does")
		for _, c := range m.Commands {
			row(&b, "`"+c.Name+"`", c.Doc)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Block writes the reference of a block of the daemon's own.
func Block(w io.Writer, name, doc string, schema wire.Schema) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n", name, doc)
	if len(schema.Attributes) > 0 {
		b.WriteString("\n")
	}
	block(&b, name, schema)
	_, err := io.WriteString(w, b.String())
	return err
}

// Schema writes what the plugins store.
func Schema(w io.Writer, manifests []*wire.Manifest) error {
	var b strings.Builder
	for i, m := range manifests {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "## %s\n\n%s\n", m.Name, m.Doc)
		for _, measurement := range m.Measurements {
			b.WriteString("\n")
			emitted(&b, measurement)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// block writes the tables of a block and of those within it.
func block(b *strings.Builder, path string, schema wire.Schema) {
	if len(schema.Attributes) > 0 {
		table(b, "argument", "type", "default", "meaning")
		for _, a := range schema.Attributes {
			fallback := ""
			switch {
			case a.Required:
				fallback = "required"
			case a.Default != "":
				fallback = "`" + a.Default + "`"
			}
			row(b, "`"+a.Name+"`", string(a.Type), fallback, a.Doc+limits(a))
		}
	}
	for _, inner := range schema.Blocks {
		name := inner.Name
		for _, label := range inner.Labels {
			name += fmt.Sprintf(" %q", strings.ToUpper(label))
		}
		often := "any number of times"
		switch {
		case inner.Min > 0 && inner.Max > 0:
			often = fmt.Sprintf("%d to %d times", inner.Min, inner.Max)
		case inner.Min > 1:
			often = fmt.Sprintf("at least %d times", inner.Min)
		case inner.Min == 1:
			often = "at least once"
		case inner.Max == 1:
			often = "at most once"
		case inner.Max > 0:
			often = fmt.Sprintf("at most %d times", inner.Max)
		case inner.Single && inner.Required:
			often = "once"
		case inner.Single:
			often = "at most once"
		case inner.Required:
			often = "at least once"
		}
		closing := strings.Repeat(" }", strings.Count(path, " { ")+1)
		fmt.Fprintf(b, "\n**`%s { %s { … }%s`**, %s: %s\n\n", path, name, closing, often, inner.Doc+deprecated(inner.Deprecated))
		block(b, path+" { "+name, inner.Schema)
	}
}

// limits says what the schema allows of an attribute's values.
func limits(a wire.Attribute) string {
	var s string
	kind, _ := a.Type.Element()
	of := func(n string) string {
		switch {
		case kind == "":
			return n
		case n == "1":
			return "one element"
		}
		return n + " elements"
	}
	if len(a.OneOf) > 0 {
		s += " One of `" + strings.Join(a.OneOf, "`, `") + "`."
	}
	switch {
	case a.Min != "" && a.Max != "":
		s += fmt.Sprintf(" From %s to %s.", a.Min, of(a.Max))
	case a.Min != "":
		s += fmt.Sprintf(" At least %s.", of(a.Min))
	case a.Max != "":
		s += fmt.Sprintf(" At most %s.", of(a.Max))
	}
	if a.Sensitive {
		s += " A secret: it is never shown."
	}
	return s + deprecated(a.Deprecated)
}

func deprecated(instead string) string {
	if instead == "" {
		return ""
	}
	return " **Deprecated**: " + instead + "."
}

func emitted(b *strings.Builder, m wire.Measurement) {
	fmt.Fprintf(b, "### Measurement `%s`\n\n%s\n\n", m.Name, m.Doc)
	if m.Record {
		b.WriteString("Its points are records: they go to the retention policy `records`.\n\n")
	}
	if len(m.Tags) > 0 {
		table(b, "tag", "meaning")
		for _, t := range m.Tags {
			row(b, "`"+t.Name+"`", t.Doc)
		}
		b.WriteString("\n")
	}
	if len(m.Fields) == 0 {
		b.WriteString("Its fields can not be named beforehand.\n")
		return
	}
	table(b, "field", "type", "unit", "meaning")
	for _, f := range m.Fields {
		row(b, "`"+f.Name+"`", string(f.Type), f.Unit, f.Doc)
	}
	if m.Open {
		b.WriteString("\nThere may be further fields, which can not be named beforehand.\n")
	}
}

func table(b *strings.Builder, header ...string) {
	row(b, header...)
	b.WriteString(strings.Repeat("|---", len(header)) + "|\n")
}

func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}
