package config

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// decoded is the value of a body and where its parts stand.
type decoded struct {
	value     object
	arguments map[string]argument   // those that are there
	labels    map[string]hcl.Range  // of the block
	blocks    map[string][]*decoded // nested ones, by type
	header    hcl.Range             // of the block
	made      string                // the block's name, if a dynamic one makes it
	end       hcl.Range             // where something that is missing would stand
}

// argument is an attribute that is there.
type argument struct {
	expr hcl.Expression
	// failed says that the value is wrong, and was reported; secret, that it must not be shown.
	failed, secret bool
	// kept is the expression, if the attribute is one that is kept.
	kept *Expression
}

// at is the range of an argument's value, or of the block if the argument is not there.
func (b *decoded) at(name string) hcl.Range {
	if a, ok := b.arguments[name]; ok {
		return a.expr.Range()
	}
	return b.end
}

// note names the blocks on the path that dynamic ones make: there the place alone does not tell which it is.
func (b *decoded) note(path []string) string {
	if len(path) == 0 || len(b.blocks[path[0]]) == 0 {
		return ""
	}
	list, rest := b.blocks[path[0]], path[1:]
	inner := list[0]
	if len(rest) > 0 {
		if i, ok := indexOf(rest[0], len(list)); ok {
			inner, rest = list[i], rest[1:]
		}
	}
	if inner.made != "" {
		return madeNote(inner.made)
	}
	return inner.note(rest)
}

// place is the range of what a path leads to, or of the deepest part of it that is there.
func (b *decoded) place(path []string) hcl.Range {
	if len(path) == 0 {
		return b.header
	}
	name, rest := path[0], path[1:]
	if a, ok := b.arguments[name]; ok {
		return elementOf(a.expr, rest).Range()
	}
	if at, ok := b.labels[name]; ok {
		return at
	}
	list := b.blocks[name]
	if len(list) == 0 {
		return b.header
	}
	if len(rest) > 0 {
		if i, ok := indexOf(rest[0], len(list)); ok {
			return list[i].place(rest[1:])
		}
	}
	return list[0].place(rest)
}

// elementOf follows a path into a list or an object that is written out.
func elementOf(expr hcl.Expression, path []string) hcl.Expression {
	if len(path) == 0 {
		return expr
	}
	if list, diags := hcl.ExprList(expr); !diags.HasErrors() {
		if i, ok := indexOf(path[0], len(list)); ok {
			return elementOf(list[i], path[1:])
		}
	}
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		for _, pair := range pairs {
			key, diags := pair.Key.Value(nil)
			if diags.HasErrors() {
				continue
			}
			if key, err := convert.Convert(key, cty.String); err == nil && key.IsKnown() && !key.IsNull() && key.AsString() == path[0] {
				return elementOf(pair.Value, path[1:])
			}
		}
	}
	return expr
}

// indexOf reads a step of a path that is an index.
func indexOf(step string, length int) (int, bool) {
	i, err := strconv.Atoi(step)
	return i, err == nil && 0 <= i && i < length
}

// walk calls visit for every argument within b.
func (b *decoded) walk(path []string, visit func(path []string, a argument)) {
	for name, a := range b.arguments {
		visit(append(slices.Clone(path), name), a)
	}
	for name, list := range b.blocks {
		_, repeated := b.value[name].([]object)
		for i, inner := range list {
			step := append(slices.Clone(path), name)
			if repeated {
				step = append(step, strconv.Itoa(i))
			}
			inner.walk(step, visit)
		}
	}
}

// position is a place in the form that editors and terminals make clickable.
func position(r hcl.Range) string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}
