package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Reader gives a meaning to the blocks that are not config's own. It is called with what is known of the rest of the
// configuration, which lacks what has mistakes.
type Reader func(cfg *Config, blocks *Bodies)

// Bodies are the blocks of a configuration that a Reader reads. What it says of them is said as of all others: by its place, in its
// order, and without secrets.
type Bodies struct {
	d   *decoder
	src *source
	all hcl.Blocks
}

// Body is a block that was read by a schema.
type Body struct {
	*decoded
	Labels      []string
	LabelRanges []hcl.Range
	// Sound says that nothing is wrong within the block.
	Sound bool
}

// Of reads the blocks of a type, in the order of the configuration. Of several with the same labels there is only the first.
func (b *Bodies) Of(typ string, schema wire.Schema) []*Body {
	var list []*Body
	names := keptNames(schema)
	seen := map[string]hcl.Range{}
	for _, block := range b.all.OfType(typ) {
		key := strings.Join(block.Labels, "\x00")
		if first, ok := seen[key]; ok {
			b.Fail(block.DefRange, "Duplicate "+typ, "There is one block %s already, at %s.", strings.Join(append([]string{typ}, quoted(block.Labels)...), " "), position(first))
			continue
		}
		seen[key] = block.DefRange
		keepIn(block.Body, names)
		before := b.Mistakes()
		_, refers := references[wire.Type(typ)]
		if refers {
			b.d.checkReferable(block)
		}
		body := dynblock.Expand(block.Body, b.d.scope.context(block.DefRange.Filename), dynblock.OptCheckForEach(checkForEach))
		one := b.d.decode(body, schema, block.DefRange)
		b.refuseSecrets(one, schema)
		list = append(list, &Body{one, block.Labels, block.LabelRanges, b.Mistakes() == before})
	}
	return list
}

// refuseSecrets finds the secrets that the schema does not expect: most of what is said of alerts is shown. Nobody gets them, so that nobody
// repeats them.
func (b *Bodies) refuseSecrets(d *decoded, schema wire.Schema) {
	for _, a := range schema.Attributes {
		if !a.Sensitive && d.arguments[a.Name].secret {
			b.Fail(d.at(a.Name), "Sensitive value", "The value of %s shows, so it can not come from a sensitive value. If it is no secret, say nonsensitive(…).", a.Name)
			delete(d.value, a.Name)
		}
	}
	for _, s := range schema.Blocks {
		for _, inner := range d.blocks[s.Name] {
			b.refuseSecrets(inner, s.Schema)
		}
	}
}

// Text are the blocks of a text that comes with the program, which must be right.
func (b *Bodies) Text(name string, text []byte) *Bodies {
	file, diags := b.src.parser.ParseHCL(text, name)
	if !diags.HasErrors() {
		content, more := file.Body.Content(topLevel)
		if !more.HasErrors() {
			return &Bodies{b.d, b.src, content.Blocks}
		}
		diags = more
	}
	panic(fmt.Sprintf("config: %s: %s", name, diags.Error()))
}

// Fail adds an error.
func (b *Bodies) Fail(at hcl.Range, summary, detail string, args ...any) {
	b.d.fail(at, summary, detail, args...)
}

// Warn adds a warning.
func (b *Bodies) Warn(at hcl.Range, summary, detail string, args ...any) {
	b.d.say(hcl.DiagWarning, at, summary, detail, args...)
}

// Report adds what the compiler of an Expression has found.
func (b *Bodies) Report(diags hcl.Diagnostics) { b.d.diags = append(b.d.diags, diags...) }

// Mistakes counts what is wrong so far, with what is unknown because of that.
func (b *Bodies) Mistakes() int { return b.d.errors() + b.d.unknown }

// Incomplete reports whether there is a plugin of which nothing is known, because its block has a mistake: what is missed may be its.
func (b *Bodies) Incomplete() bool { return b.d.incomplete }

// Into fills a struct whose fields have json tags. A duration is a Seconds, and a reference the labels of its block with dots.
func (b *Body) Into(target any) { b.value.into(target) }

// Has reports whether an attribute is there, and not null.
func (b *Body) Has(name string) bool {
	_, ok := b.arguments[name]
	return ok
}

// At is where an attribute's value stands, or where it would.
func (b *Body) At(name string) hcl.Range { return b.at(name) }

// Element is where an element of an attribute stands that is a list or a map.
func (b *Body) Element(name, step string) hcl.Range {
	if a, ok := b.arguments[name]; ok {
		return elementOf(a.expr, []string{step}).Range()
	}
	return b.end
}

// Header is where the block begins.
func (b *Body) Header() hcl.Range { return b.header }

// Label is where a label of a block within another one stands.
func (b *Body) Label(name string) hcl.Range { return b.labels[name] }

// Expression is the expression of an attribute that is kept, or nil.
func (b *Body) Expression(name string) *Expression { return b.arguments[name].kept }

// Blocks are the blocks of a type within this one.
func (b *Body) Blocks(typ string) []*Body {
	var list []*Body
	for _, inner := range b.blocks[typ] {
		list = append(list, &Body{decoded: inner, Sound: b.Sound})
	}
	return list
}

// Block is the block of a type that stands at most once within this one, or nil.
func (b *Body) Block(typ string) *Body {
	if list := b.Blocks(typ); len(list) > 0 {
		return list[0]
	}
	return nil
}
