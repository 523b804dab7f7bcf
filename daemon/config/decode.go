package config

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// decoder turns bodies into values by their schemas and gathers all that is wrong on the way.
type decoder struct {
	scope     *scope
	diags     hcl.Diagnostics
	sensitive []hcl.Range
	// unknown counts the values that follow from mistakes, which were reported where they were made.
	unknown      int
	firstUnknown hcl.Range
	// named are the diagnostics of blocks that dynamic ones make.
	named map[string]bool

	// incomplete says that there is a plugin of which nothing is known, because its block has a mistake.
	incomplete bool

	path        string // of the configuration
	lock        Lock
	requireLock bool
}

// object is the value of a block's body, ready to be JSON.
type object map[string]any

// followUp is the summary of a diagnostic that follows from another one.
const followUp = "follows from another mistake"

func (d *decoder) fail(at hcl.Range, summary, detail string, args ...any) {
	d.say(hcl.DiagError, at, summary, detail, args...)
}

func (d *decoder) say(severity hcl.DiagnosticSeverity, at hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: severity, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at,
	})
}

// follow notes a value that is unknown because of a mistake elsewhere.
func (d *decoder) follow(at hcl.Range) {
	if d.unknown == 0 {
		d.firstUnknown = at
	}
	d.unknown++
}

// reject reports an argument whose value is wrong in a way that its schema can not say. The detail may repeat the
// value: it is not shown if that is a secret.
func (d *decoder) reject(b *decoded, name, summary, detail string, args ...any) {
	switch a := b.arguments[name]; {
	case a.failed:
	case a.secret:
		d.fail(b.at(name), summary, "The value of %s is not right, and not shown because it is sensitive.", name)
	default:
		d.fail(b.at(name), summary, detail, args...)
	}
}

// errors counts those that were found so far.
func (d *decoder) errors() int {
	n := 0
	for _, diag := range d.diags {
		if diag.Severity == hcl.DiagError {
			n++
		}
	}
	return n
}

// decode reads a body that has what the schema says and nothing else.
func (d *decoder) decode(body hcl.Body, schema wire.Schema, header hcl.Range) *decoded {
	content, diags := body.Content(bodySchema(schema))
	return d.content(content, diags, schema, body.MissingItemRange(), header)
}

// partial reads what the schema says and returns the rest of the body.
func (d *decoder) partial(body hcl.Body, schema wire.Schema, header hcl.Range) (*decoded, hcl.Body) {
	content, rest, diags := body.PartialContent(bodySchema(schema))
	return d.content(content, diags, schema, body.MissingItemRange(), header), rest
}

func bodySchema(schema wire.Schema) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, a := range schema.Attributes {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.Name, Required: a.Required})
	}
	for _, b := range schema.Blocks {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: b.Name, LabelNames: b.Labels})
	}
	return s
}

func (d *decoder) content(content *hcl.BodyContent, diags hcl.Diagnostics, schema wire.Schema, end, header hcl.Range) *decoded {
	before := d.errors()
	unknown := d.structure(diags, schema)
	broken := d.errors() > before
	b := &decoded{
		value: object{}, arguments: map[string]argument{}, labels: map[string]hcl.Range{}, blocks: map[string][]*decoded{},
		header: header, end: end,
	}
	for i := range schema.Attributes {
		d.argument(b, &schema.Attributes[i], content.Attributes[schema.Attributes[i].Name])
	}
	for _, s := range schema.Blocks {
		d.blocks(b, s, content.Blocks.OfType(s.Name), broken || unknown)
	}
	return b
}

var quotedName = regexp.MustCompile(`"([^"]*)"`)

// structure takes the diagnostics of a body's outline. It reports whether blocks are missing that follow from a mistake.
func (d *decoder) structure(diags hcl.Diagnostics, schema wire.Schema) (unknown bool) {
	for _, diag := range diags {
		switch {
		case diag.Summary == followUp || strings.HasPrefix(diag.Detail, "This value is not yet known."):
			unknown = true
			d.follow(*diag.Subject)
			continue
		case strings.HasPrefix(diag.Detail, "This value has dynamic marks"):
			diag.Detail = "A label shows, so it can not come from a sensitive value. If it is no secret, say nonsensitive(…)."
		case diag.Summary == "Unsupported argument" && diag.Subject != nil:
			d.hideMistyped(diag, schema)
		case diag.Summary == "Unsupported block type" && !strings.Contains(diag.Detail, "Did you mean"):
			var names []string
			for _, b := range schema.Blocks {
				names = append(names, b.Name)
			}
			if name := quotedName.FindStringSubmatch(diag.Detail); name != nil {
				diag.Detail += didYouMean(name[1], names)
			}
		}
		d.report(hcl.Diagnostics{diag}, diag.Expression, diag.EvalContext, false)
	}
	return unknown
}

// hideMistyped hides the value of an argument whose name is a typing mistake away from that of a secret, or looks like
// that of one.
func (d *decoder) hideMistyped(diag *hcl.Diagnostic, schema wire.Schema) {
	name := quotedName.FindStringSubmatch(diag.Detail)
	if name == nil {
		return
	}
	hidden := secretName.MatchString(name[1])
	for _, a := range schema.Attributes {
		hidden = hidden || a.Sensitive && near(name[1], a.Name)
	}
	if hidden {
		d.hide(*diag.Subject)
	}
}

// argument decodes an attribute, which is nil if it is not there.
func (d *decoder) argument(b *decoded, schema *wire.Attribute, attribute *hcl.Attribute) {
	if attribute != nil {
		if schema.Sensitive {
			d.hide(attribute.Range)
		}
		if schema.Deprecated != "" {
			d.say(hcl.DiagWarning, attribute.NameRange, "Deprecated argument", "%s is deprecated: %s.", schema.Name, schema.Deprecated)
		}
		value, state := d.value(attribute, schema)
		if state != absent {
			expression, _ := value.(*Expression)
			b.arguments[schema.Name] = argument{expr: attribute.Expr, failed: state == wrong, secret: state == secret, kept: expression}
		}
		switch {
		case isKept(schema.Type) && state == found:
			return
		case state == found || state == secret:
			b.value[schema.Name] = value
			return
		case state == absent && schema.Required:
			d.fail(attribute.Expr.Range(), "Missing required argument", "The argument %q is required, but its value is null.", schema.Name)
		}
	}
	if schema.Default != "" {
		// Whoever made the schema has checked the default.
		value, err := schema.DefaultValue()
		if err == nil {
			value, err = resolved(value, schema.Type, b.header.Filename)
		}
		if err != nil {
			d.fail(b.header, "Invalid default", "The default of %q is wrong: %s.", schema.Name, err)
			return
		}
		b.value[schema.Name] = value
	}
}

// blocks decodes the blocks of one type: into an object if it stands at most once, and otherwise into a list. If some
// could not be read, those that are missing are not missed.
func (d *decoder) blocks(b *decoded, schema wire.Block, blocks hcl.Blocks, incomplete bool) {
	if schema.Required && len(blocks) == 0 && !incomplete {
		d.fail(b.end, "Missing "+schema.Name+" block", "At least one %s block is required.", schema.Name)
	} else if err := schema.CheckCount(len(blocks)); err != nil && !(incomplete && len(blocks) < schema.Min) {
		at := b.end
		if schema.Max > 0 && len(blocks) > schema.Max {
			at = blocks[schema.Max].DefRange
		}
		d.fail(at, "Wrong number of "+schema.Name+" blocks", "The block %s %s; there are %d.", schema.Name, err, len(blocks))
	}
	list := []object{}
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		if schema.Deprecated != "" {
			d.say(hcl.DiagWarning, block.TypeRange, "Deprecated block", "The block %s is deprecated: %s.", schema.Name, schema.Deprecated)
		}
		before := len(d.diags)
		inner := d.decode(block.Body, schema.Schema, block.DefRange)
		if block.TypeRange.Start != block.DefRange.Start {
			inner.made = strings.Join(append([]string{schema.Name}, quoted(block.Labels)...), " ")
			if len(block.Labels) == 0 {
				inner.made = fmt.Sprintf("%s[%d]", schema.Name, len(list))
			}
			d.nameMade(before, inner.made)
		}
		for i, label := range schema.Labels {
			inner.value[label], inner.labels[label] = block.Labels[i], block.LabelRanges[i]
		}
		key := strings.Join(block.Labels, "\x00")
		if first, ok := seen[key]; ok && (schema.Single || len(schema.Labels) > 0) {
			name := strings.Join(append([]string{schema.Name}, quoted(block.Labels)...), " ")
			d.fail(block.DefRange, "Duplicate "+schema.Name+" block", "There is one block %s already, at %s.", name, position(first))
			continue
		}
		seen[key] = block.DefRange
		list = append(list, inner.value)
		b.blocks[schema.Name] = append(b.blocks[schema.Name], inner)
	}
	switch {
	case !schema.Single:
		b.value[schema.Name] = list
	case len(list) > 0:
		b.value[schema.Name] = list[0]
	}
}

// nameMade says in the diagnostics after the first n which block of a dynamic one they are about. A mistake that all of
// these blocks share is kept for the first.
func (d *decoder) nameMade(n int, name string) {
	added := d.diags[n:]
	d.diags = d.diags[:n]
	for _, diag := range added {
		key := diag.Summary + "\x00" + diag.Detail
		if diag.Subject != nil {
			key += "\x00" + diag.Subject.String()
		}
		if d.named == nil {
			d.named = map[string]bool{}
		}
		if d.named[key] {
			continue
		}
		d.named[key] = true
		diag.Detail += madeNote(name)
		d.diags = append(d.diags, diag)
	}
}

func madeNote(name string) string {
	return " This is the block " + name + " that a dynamic block makes."
}

func quoted(labels []string) []string {
	var list []string
	for _, l := range labels {
		list = append(list, fmt.Sprintf("%q", l))
	}
	return list
}

// into fills a struct whose fields have json tags.
func (o object) into(target any) {
	// What the decoder makes is JSON, and the structs of this package fit its schemas: a test loads each of them.
	data, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(data, target)
	}
	if err != nil {
		panic("config: a struct does not fit its schema: " + err.Error())
	}
}

func (o object) json() []byte {
	data, err := json.Marshal(o)
	if err != nil {
		panic("config: a decoded body is no JSON: " + err.Error())
	}
	return data
}

// Seconds is a duration in the JSON of an object.
type Seconds float64

// Duration is the duration, to the nanosecond.
func (s Seconds) Duration() time.Duration {
	return time.Duration(math.Round(float64(s) * float64(time.Second)))
}
