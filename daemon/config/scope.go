package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// scope is what expressions may refer to. Values that could not be found are unknown: what is made from them is unknown
// too, so that one mistake is reported once.
type scope struct {
	vars, locals map[string]cty.Value
	// references are the blocks that expressions may refer to, by the name of their type.
	references map[string]cty.Value
	// functions are bound to the directory of the file that calls them.
	functions map[string]map[string]function.Function
	contexts  map[string]*hcl.EvalContext
}

func newScope() *scope {
	return &scope{
		vars: map[string]cty.Value{}, locals: map[string]cty.Value{}, references: map[string]cty.Value{},
		functions: map[string]map[string]function.Function{}, contexts: map[string]*hcl.EvalContext{},
	}
}

// constant is for expressions that refer to nothing.
func (s *scope) constant(filename string) *hcl.EvalContext {
	dir := filepath.Dir(filename)
	if s.functions[dir] == nil {
		s.functions[dir] = functions(dir)
	}
	return &hcl.EvalContext{Functions: s.functions[dir]}
}

// context is for the expressions of a file.
func (s *scope) context(filename string) *hcl.EvalContext {
	dir := filepath.Dir(filename)
	if s.contexts[dir] == nil {
		ctx := s.constant(filename)
		ctx.Variables = map[string]cty.Value{"var": cty.ObjectVal(s.vars), "local": cty.ObjectVal(s.locals)}
		maps.Copy(ctx.Variables, s.references)
		s.contexts[dir] = ctx
	}
	return s.contexts[dir]
}

// setLocal makes a local known. Contexts that exist do not have it.
func (s *scope) setLocal(name string, v cty.Value) {
	s.locals[name] = v
	clear(s.contexts)
}

// reference is var.NAME or local.NAME.
type reference struct {
	root, name string
	at         hcl.Range
}

// referencesOf finds the references of an expression. The name is empty where none can be told.
func referencesOf(expr hcl.Expression) []reference {
	var found []reference
	for _, t := range expr.Variables() {
		root := t.RootName()
		if root != "var" && root != "local" {
			continue
		}
		r := reference{root: root, at: t.SourceRange()}
		if len(t) > 1 {
			switch step := t[1].(type) {
			case hcl.TraverseAttr:
				r.name = step.Name
				r.at = hcl.RangeBetween(t[0].SourceRange(), step.SrcRange)
			case hcl.TraverseIndex:
				if step.Key.Type() == cty.String {
					r.name = step.Key.AsString()
				}
			}
		}
		found = append(found, r)
	}
	return found
}

// referencesIn finds the references of all expressions of a body, in the order of the text.
func referencesIn(body hcl.Body) []reference {
	syntax, ok := body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	var found []reference
	for _, a := range syntax.Attributes {
		found = append(found, referencesOf(a.Expr)...)
	}
	for _, b := range syntax.Blocks {
		found = append(found, referencesIn(b.Body)...)
	}
	slices.SortFunc(found, func(a, b reference) int { return a.at.Start.Byte - b.at.Start.Byte })
	return found
}

// resolve makes the scope: the values of the variables and the locals that the blocks refer to. If all is set, those
// that nothing refers to are held to be right as well.
func (d *decoder) resolve(src *source, top *hcl.BodyContent, users hcl.Blocks, settings []Setting, all bool) {
	before := len(d.diags)
	declared := d.declarations(top.Blocks.OfType("variable"))
	locals := d.localsOf(top.Blocks.OfType("locals"))
	if !all {
		// Mistakes in these blocks are nothing to a client as long as its own blocks do not need them.
		d.diags = d.diags[:before]
	}

	var wanted []reference
	for _, block := range users {
		wanted = append(wanted, referencesIn(block.Body)...)
	}
	if all {
		for _, name := range slices.Sorted(maps.Keys(locals)) {
			wanted = append(wanted, referencesOf(locals[name].Expr)...)
			wanted = append(wanted, reference{"local", name, locals[name].NameRange})
		}
		for _, name := range slices.Sorted(maps.Keys(declared)) {
			wanted = append(wanted, reference{"var", name, declared[name].block.DefRange})
			for _, v := range declared[name].block.Body.(*hclsyntax.Body).Blocks {
				wanted = append(wanted, referencesIn(v.Body)...)
			}
		}
	}
	needed := map[string]*variable{}
	undeclared := map[string]bool{}
	var neededLocals []string
	visited := map[string]bool{}
	for len(wanted) > 0 {
		r := wanted[0]
		wanted = wanted[1:]
		switch {
		case r.name == "":
			d.fail(r.at, "Invalid reference", "%s alone is no value: name one of its parts, as in %s.NAME.", r.root, r.root)
		case r.root == "var" && declared[r.name] != nil:
			needed[r.name] = declared[r.name]
		case r.root == "local" && locals[r.name] != nil:
			if !visited[r.name] {
				visited[r.name] = true
				neededLocals = append(neededLocals, r.name)
				wanted = append(wanted, referencesOf(locals[r.name].Expr)...)
			}
		default:
			key := r.root + "." + r.name + " " + position(r.at)
			if !undeclared[key] {
				undeclared[key] = true
				d.undeclared(r, declared, locals)
			}
			if r.root == "var" {
				d.scope.vars[r.name] = cty.DynamicVal
			} else {
				d.scope.locals[r.name] = cty.DynamicVal
			}
		}
	}
	var given map[string]*assignment
	if all || len(needed) > 0 {
		given = d.assignments(src, settings, declared, all)
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		d.scope.vars[name] = d.variable(needed[name], given[name])
	}
	if all {
		d.validateVariables(needed, given)
	}
	slices.Sort(neededLocals)
	d.locals(locals, neededLocals)
}

func (d *decoder) undeclared(r reference, declared map[string]*variable, locals map[string]*hcl.Attribute) {
	if r.root == "local" {
		names := slices.Sorted(maps.Keys(locals))
		hint := didYouMean(r.name, names)
		if hint == "" && declared[r.name] != nil {
			hint = " Did you mean var." + r.name + "?"
		}
		d.fail(r.at, "Unknown local value", "No locals block has a value %q.%s", r.name, hint)
		return
	}
	names := slices.Sorted(maps.Keys(declared))
	hint := didYouMean(r.name, names)
	if hint == "" && locals[r.name] != nil {
		hint = " Did you mean local." + r.name + "?"
	}
	if hint == "" {
		hint = " Declare it: variable \"" + r.name + "\" {}"
	}
	d.fail(r.at, "Unknown variable", "There is no variable %q.%s", r.name, hint)
}

// localsOf gathers the local values of all locals blocks.
func (d *decoder) localsOf(blocks hcl.Blocks) map[string]*hcl.Attribute {
	found := map[string]*hcl.Attribute{}
	for _, block := range blocks {
		attributes, diags := block.Body.JustAttributes()
		d.diags = append(d.diags, diags...)
		for _, a := range attributes {
			if first, ok := found[a.Name]; ok {
				d.fail(a.NameRange, "Duplicate local value", "There is a local value %q already, at %s.", a.Name, position(first.NameRange))
				continue
			}
			found[a.Name] = a
		}
	}
	return found
}

// locals evaluates the local values, each after those that it refers to.
func (d *decoder) locals(all map[string]*hcl.Attribute, needed []string) {
	done := map[string]bool{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		if done[name] || all[name] == nil {
			return
		}
		if start := slices.Index(path, name); start >= 0 {
			cycle := append(slices.Clone(path[start:]), name)
			for _, member := range cycle {
				done[member] = true
				d.scope.setLocal(member, cty.DynamicVal)
			}
			d.fail(all[name].NameRange, "Local values in a circle", "local.%s: none of them has a value before the others have theirs.",
				strings.Join(cycle, " refers to local."))
			return
		}
		path = append(path, name)
		for _, r := range referencesOf(all[name].Expr) {
			if r.root == "local" {
				visit(r.name)
			}
		}
		path = path[:len(path)-1]
		if done[name] {
			return
		}
		done[name] = true
		a := all[name]
		v, ok := d.evaluate(a.Expr, d.scope.context(a.Range.Filename), false)
		if !ok {
			v = cty.DynamicVal
		}
		d.scope.setLocal(name, v)
	}
	for _, name := range needed {
		visit(name)
	}
}
