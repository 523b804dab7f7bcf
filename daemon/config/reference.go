package config

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// The types of attributes that refer to another block, as in notifier.email.ops. They are values like others: they may stand in
// a list, a condition chooses between them, and a local value can be one. What an attribute has is the block's labels, with dots.
// The contract has none of these types, so a plugin can not ask for them.
const (
	TypeNotifier wire.Type = "notifier"
	TypeReceiver wire.Type = "receiver"
	TypeHours    wire.Type = "hours"
)

// referred is what a reference is as a value.
type referred struct{ name string }

// references are the types of references, which are also the types of the blocks that they refer to, with how one is written.
var references = map[wire.Type]struct {
	typ     cty.Type
	written string
}{
	TypeNotifier: {cty.Capsule("notifier", reflect.TypeFor[referred]()), "notifier.TYPE.NAME"},
	TypeReceiver: {cty.Capsule("receiver", reflect.TypeFor[referred]()), "receiver.NAME"},
	TypeHours:    {cty.Capsule("hours", reflect.TypeFor[referred]()), "hours.NAME"},
}

// refer makes the blocks of a configuration known to all expressions, before anything is known of them but their labels.
func (s *scope) refer(blocks hcl.Blocks) {
	tree := map[wire.Type]map[string]map[string]cty.Value{}
	for _, block := range blocks {
		typ := wire.Type(block.Type)
		r, ok := references[typ]
		if !ok {
			continue
		}
		first, last := "", block.Labels[len(block.Labels)-1]
		if len(block.Labels) > 1 {
			first = block.Labels[0]
		}
		if tree[typ] == nil {
			tree[typ] = map[string]map[string]cty.Value{}
		}
		if tree[typ][first] == nil {
			tree[typ][first] = map[string]cty.Value{}
		}
		tree[typ][first][last] = cty.CapsuleVal(r.typ, &referred{strings.Join(block.Labels, ".")})
	}
	for typ := range references {
		all := map[string]cty.Value{}
		for first, named := range tree[typ] {
			if first == "" {
				all = named
				break
			}
			all[first] = cty.ObjectVal(named)
		}
		s.references[string(typ)] = cty.ObjectVal(all)
	}
}

// unknownReference says in its own words that a reference leads nowhere. It reports whether that is what the diagnostic is about.
func (s *scope) unknownReference(diag *hcl.Diagnostic) bool {
	if diag.Summary != "Unsupported attribute" || diag.Expression == nil {
		return false
	}
	for _, t := range diag.Expression.Variables() {
		typ := t.RootName()
		all, ok := s.references[typ]
		if !ok || !isOf(diag.EvalContext, typ, all) {
			continue
		}
		if _, diags := t.TraverseAbs(diag.EvalContext); !diags.HasErrors() {
			continue
		}
		var steps []string
		for _, step := range t[1:] {
			switch step := step.(type) {
			case hcl.TraverseAttr:
				steps = append(steps, step.Name)
			case hcl.TraverseIndex:
				if step.Key.Type() == cty.String {
					steps = append(steps, step.Key.AsString())
				}
			}
		}
		diag.Summary = "Unknown " + typ
		diag.Detail = fmt.Sprintf("There is no block %s.", strings.Join(append([]string{typ}, quoted(steps)...), " "))
		at := t.SourceRange()
		diag.Subject = &at
		var names []string
		for _, name := range namesIn(all) {
			names = append(names, typ+"."+name)
		}
		switch hint := didYouMean(typ+"."+strings.Join(steps, "."), names); {
		case hint != "":
			diag.Detail += hint
		case len(names) > 0:
			diag.Detail += " There is: " + strings.Join(names, ", ") + "."
		}
		return true
	}
	return false
}

// isOf reports whether a name stands for the value: a dynamic block may give it to its elements.
func isOf(ctx *hcl.EvalContext, name string, v cty.Value) bool {
	for ; ctx != nil; ctx = ctx.Parent() {
		if found, ok := ctx.Variables[name]; ok {
			return found.RawEquals(v)
		}
	}
	return false
}

// namesIn are the names of what an object of references has, with dots, sorted.
func namesIn(v cty.Value) []string {
	var names []string
	all := v.AsValueMap()
	for _, key := range sortedKeys(all) {
		if !all[key].Type().IsObjectType() {
			names = append(names, key)
			continue
		}
		for _, inner := range namesIn(all[key]) {
			names = append(names, key+"."+inner)
		}
	}
	return names
}

// checkReferable holds that a block's label can be written in a reference.
func (d *decoder) checkReferable(block *hcl.Block) bool {
	for i, label := range block.Labels {
		if !hclsyntax.ValidIdentifier(label) {
			d.fail(block.LabelRanges[i], "Invalid "+block.Type+" name",
				"%q can not be the label of a %s, which is referred to as %s: use letters, digits, dashes and underscores, a letter first.",
				label, block.Type, references[wire.Type(block.Type)].written)
			return false
		}
		if !d.checkLength(block.Type, label, block.LabelRanges[i]) {
			return false
		}
	}
	return true
}

// maxLabel is how many characters the label of a block may have. Those of plugins are names of directories too.
const maxLabel = 100

func (d *decoder) checkLength(typ, label string, at hcl.Range) bool {
	n := utf8.RuneCountInString(label)
	if n > maxLabel {
		d.fail(at, "Invalid "+typ+" name", "The label of a %s has at most %d characters, and this one %d.", typ, maxLabel, n)
	}
	return n <= maxLabel
}
