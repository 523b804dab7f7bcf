package trial

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Test is a test of an alert: points, and what the alert has to make of them.
type Test struct {
	Name string
	At   hcl.Range
	// Alert is the one that is tested.
	Alert *policy.Alert
	Begin time.Time
	// Quiet says that there may be no incident at all.
	Quiet  bool
	inputs []input
	checks []check
}

// input is points of the alert's measurement, at equal distances.
type input struct {
	every, start time.Duration
	// count is how many there are; 0 is until the end of the test.
	count  int
	update bool
	tags   map[string]string
	fields map[string]any
	varied []vary
}

// check is what has to be so at a time after the beginning.
type check struct {
	after time.Duration
	at    hcl.Range
	// instance is the values of the tags in by, nil for the only one.
	instance map[string]string
	wants    []want
}

// want is one of the things that have to be so: a text, a number, a truth value or a list of texts.
type want struct {
	name  string
	value any
	at    hcl.Range
}

// The bounds of a test.
const (
	longest    = 31 * 24 * time.Hour
	mostPoints = 1_000_000
)

// begins is when tests begin that say nothing of it: a Thursday.
var begins = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "test", LabelNames: []string{"name"}}}}
	testSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "rule", Required: true}, {Name: "begin"}, {Name: "expect_no_incident"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "input", LabelNames: []string{"measurement"}}, {Type: "at", LabelNames: []string{"time"}}},
	}
	inputSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "every"}, {Name: "start"}, {Name: "count"}, {Name: "update"}, {Name: "tags"}, {Name: "fields"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "vary", LabelNames: []string{"name"}}},
	}
	varySchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "values", Required: true}}}
)

// wants are what a check may ask for, with their types.
var wants = map[string]cty.Type{
	"state": cty.String, "severity": cty.String, "summary": cty.String, "detail": cty.String, "link": cty.String,
	"bad": cty.Number, "of": cty.Number, "value": cty.Number, "events": cty.Number, "folded": cty.Number, "instances": cty.Number,
	"flapping": cty.Bool, "stale": cty.Bool, "broken": cty.Bool,
	"who": cty.List(cty.String), "told": cty.DynamicPseudoType,
}

// states are what the state of an instance may be: none is that there is no such instance.
var states = []string{"ok", "pending", "firing", "resolved", "none"}

func checkSchema() *hcl.BodySchema {
	s := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for"}}}
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	return s
}

// Read reads the tests of files, in the order in which they stand there.
func Read(names []string, p *policy.Policy, notifiers []config.Notifier) ([]*Test, config.Diagnostics) {
	parser := hclparse.NewParser()
	r := &reader{policy: p}
	for i := range notifiers {
		r.channels = append(r.channels, notifiers[i].FullName())
	}
	for _, name := range names {
		text, err := config.ReadFile(name)
		if err != nil {
			r.diags = r.diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "File can not be read", Detail: err.Error() + "."})
			continue
		}
		file, diags := parser.ParseHCL(text, name)
		r.diags = r.diags.Extend(diags)
		if diags.HasErrors() {
			continue
		}
		for _, block := range r.content(file.Body, fileSchema).Blocks {
			r.test(block)
		}
	}
	return r.tests, config.NewDiagnostics(r.diags, parser.Files())
}

// reader gathers tests, and all that is wrong with them.
type reader struct {
	policy   *policy.Policy
	channels []string
	tests    []*Test
	diags    hcl.Diagnostics
}

func (r *reader) fail(at hcl.Range, summary, detail string, args ...any) {
	r.diags = r.diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at})
}

func (r *reader) content(body hcl.Body, schema *hcl.BodySchema) *hcl.BodyContent {
	content, diags := body.Content(schema)
	r.diags = r.diags.Extend(diags)
	return content
}

// value evaluates an attribute. Nothing can be referred to in a test, so that it is to be read by itself.
func (r *reader) value(a *hcl.Attribute, typ cty.Type) (cty.Value, bool) {
	if a == nil {
		return cty.NilVal, false
	}
	v, diags := a.Expr.Value(&hcl.EvalContext{Variables: map[string]cty.Value{}})
	r.diags = r.diags.Extend(diags)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	v, err := convert.Convert(v, typ)
	if err == nil && v.IsNull() {
		err = fmt.Errorf("there is no value")
	}
	if err != nil {
		r.fail(a.Expr.Range(), "Invalid value", "The argument %q is wrong: %s.", a.Name, err)
		return cty.NilVal, false
	}
	return v, true
}

func (r *reader) duration(text string, at hcl.Range) (time.Duration, bool) {
	v, err := wire.ParseText(wire.TypeDuration, text)
	if err != nil {
		r.fail(at, "Invalid duration", "%s.", strings.TrimSuffix(err.Error(), "?"))
		return 0, false
	}
	d := time.Duration(v.(float64) * float64(time.Second))
	if d < 0 || d > longest {
		r.fail(at, "Invalid duration", "A test lasts at most %d days, and no time is before its beginning.", int(longest.Hours()/24))
		return 0, false
	}
	return d, true
}

// durationOf is 0 if there is none.
func (r *reader) durationOf(a *hcl.Attribute) time.Duration {
	if v, ok := r.value(a, cty.String); ok {
		d, _ := r.duration(v.AsString(), a.Expr.Range())
		return d
	}
	return 0
}

func (r *reader) test(block *hcl.Block) {
	t := &Test{Name: block.Labels[0], At: block.DefRange, Begin: begins}
	for _, other := range r.tests {
		if other.Name == t.Name {
			r.fail(block.LabelRanges[0], "Duplicate test", "There is a test of this name already, at %s:%d.", other.At.Filename, other.At.Start.Line)
		}
	}
	content := r.content(block.Body, testSchema)
	if a := content.Attributes["rule"]; a != nil {
		t.Alert = r.alert(a.Expr)
	}
	if v, ok := r.value(content.Attributes["expect_no_incident"], cty.Bool); ok {
		t.Quiet = v.True()
	}
	if v, ok := r.value(content.Attributes["begin"], cty.String); ok {
		at, err := time.Parse(time.RFC3339, v.AsString())
		if err != nil {
			r.fail(content.Attributes["begin"].Expr.Range(), "Invalid time", "%q is no time such as 2026-03-02T09:00:00+08:00.", v.AsString())
		}
		t.Begin = at
	}
	r.tests = append(r.tests, t)
	if t.Alert == nil {
		return
	}
	for _, b := range content.Blocks {
		if b.Type == "input" {
			r.input(t, b)
		} else {
			r.check(t, b)
		}
	}
	if len(t.checks) == 0 && !t.Quiet {
		r.fail(block.DefRange, "Nothing is tested", "Say what has to be so in a block at \"5m\" { … }, or expect_no_incident = true.")
	}
	slices.SortStableFunc(t.checks, func(a, b check) int { return cmp.Compare(a.after, b.after) })
	r.bound(t)
}

// bound holds that a test ends.
func (r *reader) bound(t *Test) {
	points := 0
	for i := range t.inputs {
		in := &t.inputs[i]
		if in.count == 0 && len(t.checks) == 0 {
			r.fail(t.At, "Endless test", "Its points have no end: say count, vary a field, or say when something is checked.")
			return
		}
		in.count = cmp.Or(in.count, int((t.end()-in.start)/max(in.every, 1))+1)
		points += max(in.count, 0)
	}
	if points > mostPoints || t.end() > longest {
		r.fail(t.At, "Test is too large", "It has %d points over %s; %d points over %d days are possible.", points, span(t.end()), mostPoints, int(longest.Hours()/24))
	}
}

// end is the last moment of a test.
func (t *Test) end() time.Duration {
	var last time.Duration
	if len(t.checks) > 0 {
		last = t.checks[len(t.checks)-1].after
	}
	for _, in := range t.inputs {
		if in.count > 0 {
			last = max(last, in.start+time.Duration(in.count-1)*in.every)
		}
	}
	return last
}

// path reads a reference, as in alert.NAME or notifier.email.ops, without its first part.
func path(expr hcl.Expression, root string) (string, bool) {
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || t.RootName() != root {
		return "", false
	}
	var steps []string
	for _, step := range t[1:] {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			steps = append(steps, s.Name)
		case hcl.TraverseIndex:
			if s.Key.Type() == cty.String {
				steps = append(steps, s.Key.AsString())
			}
		}
	}
	return strings.Join(steps, "."), len(steps) > 0
}

func (r *reader) alert(expr hcl.Expression) *policy.Alert {
	name, ok := path(expr, "alert")
	if !ok {
		r.fail(expr.Range(), "Invalid rule", "The alert that is tested is named as in rule = alert.NAME.")
		return nil
	}
	var names []string
	for _, a := range r.policy.Alerts {
		if a.Name == name {
			return a
		}
		names = append(names, a.Name)
	}
	r.fail(expr.Range(), "Unknown alert", "The configuration has no alert %q.%s", name, hint(name, names))
	return nil
}

// hint suggests a name, or lists all.
func hint(name string, names []string) string {
	if hint := config.DidYouMean(name, names); hint != "" {
		return hint
	}
	if len(names) == 0 {
		return ""
	}
	return " There is: " + strings.Join(names, ", ") + "."
}

func (r *reader) input(t *Test, block *hcl.Block) {
	if from := block.Labels[0]; from != t.Alert.From {
		r.fail(block.LabelRanges[0], "Other points", "alert.%s judges points of %q, and none of %q.%s", t.Alert.Name, t.Alert.From, from, config.DidYouMean(from, []string{t.Alert.From}))
		return
	}
	content := r.content(block.Body, inputSchema)
	in := input{
		every: r.durationOf(content.Attributes["every"]), start: r.durationOf(content.Attributes["start"]), tags: map[string]string{}, fields: map[string]any{},
	}
	if v, ok := r.value(content.Attributes["update"], cty.Bool); ok {
		in.update = v.True()
	}
	if v, ok := r.value(content.Attributes["count"], cty.Number); ok {
		n, _ := v.AsBigFloat().Int64()
		if in.count = int(n); n < 1 || n > mostPoints {
			r.fail(content.Attributes["count"].Expr.Range(), "Invalid value", "count is how many points there are: at least 1 and at most %d.", mostPoints)
		}
	}
	for name, v := range r.object(content.Attributes["tags"]) {
		if r.has(t, name, v.at, true) {
			text, err := convert.Convert(v.value, cty.String)
			if err != nil || text.IsNull() {
				r.fail(v.at, "Wrong type", "The value of a tag is a text.")
				continue
			}
			in.tags[name] = text.AsString()
		}
	}
	for name, v := range r.object(content.Attributes["fields"]) {
		if r.has(t, name, v.at, false) {
			kind, _, _ := t.Alert.Layout.Find(name)
			value, err := goValue(v.value, kind)
			if err != nil {
				r.fail(v.at, "Wrong type", "%s %s.", name, err)
				continue
			}
			in.fields[name] = value
		}
	}
	for _, b := range content.Blocks {
		r.vary(t, &in, b)
	}
	if in.every == 0 && in.count != 1 {
		if content.Attributes["every"] != nil && r.diags.HasErrors() {
			return
		}
		r.fail(block.DefRange, "Missing argument", "every is how much time is between two points, such as every = \"60s\"; or say count = 1.")
		return
	}
	t.inputs = append(t.inputs, in)
}

// placed is a value with where it stands.
type placed struct {
	value cty.Value
	at    hcl.Range
}

// object reads an attribute that is an object.
func (r *reader) object(a *hcl.Attribute) map[string]placed {
	if a == nil {
		return nil
	}
	pairs, diags := hcl.ExprMap(a.Expr)
	r.diags = r.diags.Extend(diags)
	found := map[string]placed{}
	for _, pair := range pairs {
		key, diags := pair.Key.Value(nil)
		r.diags = r.diags.Extend(diags)
		value, more := pair.Value.Value(&hcl.EvalContext{Variables: map[string]cty.Value{}})
		r.diags = r.diags.Extend(more)
		if diags.HasErrors() || more.HasErrors() || key.Type() != cty.String {
			continue
		}
		found[key.AsString()] = placed{value, hcl.RangeBetween(pair.Key.Range(), pair.Value.Range())}
	}
	return found
}

// has holds that points have something of a name.
func (r *reader) has(t *Test, name string, at hcl.Range, tag bool) bool {
	l := t.Alert.Layout
	_, isTag, ok := l.Find(name)
	kind, _, _ := l.Find(name)
	anything := kind == expression.Any
	switch {
	case !ok:
		r.fail(at, "Unknown field or tag", "The points of %s have no field or tag %q.%s", t.Alert.From, name, hint(name, l.Names()))
	case tag && !isTag && !anything:
		r.fail(at, "No tag", "%q is a field of %s: it belongs into fields.", name, t.Alert.From)
	case !tag && isTag:
		r.fail(at, "No field", "%q is a tag of %s: it belongs into tags.", name, t.Alert.From)
	default:
		return true
	}
	return false
}

func (r *reader) check(t *Test, block *hcl.Block) {
	c := check{at: block.DefRange}
	var ok bool
	if c.after, ok = r.duration(block.Labels[0], block.LabelRanges[0]); !ok {
		return
	}
	content := r.content(block.Body, checkSchema())
	if a := content.Attributes["for"]; a != nil {
		c.instance = map[string]string{}
		for name, v := range r.object(a) {
			if !slices.Contains(t.Alert.Rule.By, name) {
				r.fail(v.at, "Unknown tag", "%q is not in by of alert.%s.%s", name, t.Alert.Name, hint(name, t.Alert.Rule.By))
				continue
			}
			text, err := convert.Convert(v.value, cty.String)
			if err != nil || text.IsNull() {
				r.fail(v.at, "Wrong type", "The value of a tag is a text.")
				continue
			}
			c.instance[name] = text.AsString()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(content.Attributes)) {
		if a := content.Attributes[name]; name != "for" {
			if v, ok := r.want(a); ok {
				c.wants = append(c.wants, want{name, v, a.Range})
			}
		}
	}
	if len(content.Attributes) == 0 && !r.diags.HasErrors() {
		r.fail(block.DefRange, "Nothing is tested", "Say what has to be so at this time: %s.", strings.Join(slices.Sorted(maps.Keys(wants)), ", "))
	}
	slices.SortFunc(c.wants, func(a, b want) int { return cmp.Compare(a.at.Start.Byte, b.at.Start.Byte) })
	t.checks = append(t.checks, c)
}

func (r *reader) want(a *hcl.Attribute) (any, bool) {
	if a.Name == "told" {
		return r.toldOf(a)
	}
	v, ok := r.value(a, wants[a.Name])
	if !ok {
		return nil, false
	}
	switch v.Type() {
	case cty.Number:
		f, _ := v.AsBigFloat().Float64()
		return f, true
	case cty.Bool:
		return v.True(), true
	case cty.String:
		if a.Name == "state" && !slices.Contains(states, v.AsString()) {
			r.fail(a.Expr.Range(), "Invalid value", "A state is one of %s.%s", strings.Join(states, ", "), config.DidYouMean(v.AsString(), states))
		}
		return v.AsString(), true
	}
	list := []string{}
	for _, element := range v.AsValueSlice() {
		if element.IsNull() {
			r.fail(a.Expr.Range(), "Invalid value", "There is no value in the list.")
			return nil, false
		}
		list = append(list, element.AsString())
	}
	return list, true
}

func (r *reader) toldOf(a *hcl.Attribute) (any, bool) {
	exprs, diags := hcl.ExprList(a.Expr)
	r.diags = r.diags.Extend(diags)
	list := []string{}
	for _, expr := range exprs {
		name, ok := path(expr, "notifier")
		if !ok || !slices.Contains(r.channels, name) {
			var names []string
			for _, c := range r.channels {
				names = append(names, "notifier."+c)
			}
			r.fail(expr.Range(), "Unknown notifier", "The configuration has no such notifier.%s", hint("notifier."+name, names))
			continue
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list), !diags.HasErrors()
}
