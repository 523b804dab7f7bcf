package expression

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Kind is the type of a value.
type Kind uint8

// Any is the type of a field that nobody has declared: only a point tells.
const (
	Any Kind = iota
	Number
	Bool
	Text
)

func (k Kind) String() string { return [...]string{"value", "number", "truth value", "text"}[k] }

// Layout says which fields and tags of a measurement's points are needed, and where a row has them. Conditions of many rules are
// compiled on one layout, so that a point is read once for all. After the first row was made nothing is compiled on it any more.
type Layout struct {
	measurement string
	fields      map[string]wire.FieldSchema
	tags        map[string]bool
	open        bool

	slots []slot
	// fieldSlots and tagSlots are the places in slots, by name.
	fieldSlots, tagSlots map[string]int
}

type slot struct {
	kind Kind
	unit string
}

// AnyTag among the tags of a layout says that its points may have tags which nobody can name beforehand.
const AnyTag = "*"

// NewLayout makes the layout of a measurement. tags are those that its points may have beside the declared ones: labels
// of targets, and the vantage's.
func NewLayout(m wire.Measurement, tags ...string) *Layout {
	l := &Layout{
		measurement: m.Name, open: m.Open,
		fields: map[string]wire.FieldSchema{}, tags: map[string]bool{}, fieldSlots: map[string]int{}, tagSlots: map[string]int{},
	}
	for _, f := range m.Fields {
		l.fields[f.Name] = f
	}
	for _, t := range m.Tags {
		l.tags[t.Name] = true
	}
	for _, t := range tags {
		l.tags[t] = true
	}
	return l
}

var kinds = map[wire.Type]Kind{wire.TypeFloat: Number, wire.TypeInt: Number, wire.TypeBool: Bool, wire.TypeString: Text}

// slot is the place of a name: that of a field if there is one, and otherwise of a tag.
func (l *Layout) slot(name string) (place int, ok bool) {
	f, declared := l.fields[name]
	switch {
	case declared:
		return l.place(l.fieldSlots, name, slot{kinds[f.Type], f.Unit}), true
	case l.tags[name]:
		return l.place(l.tagSlots, name, slot{kind: Text}), true
	case l.open:
		return l.anyPlace(name), true
	case l.tags[AnyTag]:
		return l.place(l.tagSlots, name, slot{kind: Text}), true
	}
	return 0, false
}

// anyPlace is the place of a name that nobody has declared: of a field, or, in points that have none of the name, of a tag.
func (l *Layout) anyPlace(name string) int {
	place := l.place(l.fieldSlots, name, slot{kind: Any})
	l.tagSlots[name] = place
	return place
}

func (l *Layout) place(places map[string]int, name string, s slot) int {
	if place, ok := places[name]; ok {
		return place
	}
	l.slots = append(l.slots, s)
	places[name] = len(l.slots) - 1
	return places[name]
}

// Measurement is the name of the points' measurement.
func (l *Layout) Measurement() string { return l.measurement }

// Find says what the points have under a name, and whether that is a tag. Anything is ok where nobody could name it beforehand.
func (l *Layout) Find(name string) (kind Kind, tag, ok bool) {
	f, declared := l.fields[name]
	switch {
	case declared:
		return kinds[f.Type], false, true
	case l.tags[name]:
		return Text, true, true
	case l.open:
		return Any, false, true
	case l.tags[AnyTag]:
		return Text, true, true
	}
	return Any, false, false
}

// Names are those of all fields and tags that are declared, in order.
func (l *Layout) Names() []string { return l.names() }

// Tag is the place of a tag in a row.
type Tag int

// Tag finds the place of a tag. at is where its name stands.
func (l *Layout) Tag(name string, at hcl.Range) (Tag, hcl.Diagnostics) {
	_, declared := l.fields[name]
	switch {
	case l.tags[name] || l.tags[AnyTag] && !declared && !l.open:
		return Tag(l.place(l.tagSlots, name, slot{kind: Text})), nil
	case l.open && !declared:
		return Tag(l.anyPlace(name)), nil
	}
	detail := fmt.Sprintf("The points of %s have no tag %q.", l.measurement, name)
	if declared {
		detail = fmt.Sprintf("%q is a field of %s: a tag is required, which has few values.", name, l.measurement)
	} else if hint := config.DidYouMean(name, sorted(l.tags)); hint != "" {
		detail += hint
	} else {
		detail += " There is: " + strings.Join(sorted(l.tags), ", ") + "."
	}
	return 0, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown tag", Detail: detail, Subject: &at}}
}

func (l *Layout) names() []string {
	names := append(sorted(l.fields), sorted(l.tags)...)
	names = slices.DeleteFunc(names, func(name string) bool { return name == AnyTag })
	slices.Sort(names)
	return slices.Compact(names)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Row is what a layout's conditions need of a point. Its texts are parts of the point.
type Row struct {
	cells []cell
	// Aggregates are the values of a window's aggregates, NaN where one is unknown. Who evaluates sets them for the rule.
	Aggregates []float64
}

// cell is a value: one of the three is known, or none.
type cell struct {
	num   float64
	text  []byte
	truth Truth
}

var nothing = cell{num: math.NaN()}

func (c *cell) known() bool { return c.num == c.num || c.truth != Unknown || c.text != nil }

// Tag is the value of a tag; a point that lacks it has none.
func (r *Row) Tag(t Tag) []byte { return r.cells[t].text }

// Reader reads points into a row. Those of a plugin have the same fields in the same order nearly always, so it compares each
// with the one that it expects before it looks it up. A reader is not safe for concurrent use.
type Reader struct {
	row          Row
	tags, fields guesses
}

// NewReader makes a reader of what the layout's conditions need by now.
func (l *Layout) NewReader() *Reader {
	return &Reader{row: Row{cells: make([]cell, len(l.slots))}, tags: newGuesses(l.tagSlots), fields: newGuesses(l.fieldSlots)}
}

// Read reads a point. The row is valid until the next one is read.
func (r *Reader) Read(p *point.Point) *Row {
	cells := r.row.cells
	for i := range cells {
		cells[i] = nothing
	}
	r.tags.next, r.fields.next = 0, 0
	for i := range p.Tags {
		if place := r.tags.place(p.Tags[i].Key); place >= 0 {
			cells[place].text = textOf(p.Tags[i].Value)
		}
	}
	for i := range p.Fields {
		f := &p.Fields[i]
		place := r.fields.place(f.Key)
		if place < 0 {
			continue
		}
		c := &cells[place]
		c.text = nil // that of a tag: the field wins
		switch f.Kind {
		case point.Float:
			c.num = finite(f.Float())
		case point.Int:
			c.num = float64(f.Int())
		case point.Bool:
			c.truth = truth(f.Bool())
		case point.String:
			c.text = textOf(f.Text())
		}
	}
	r.row.Aggregates = nil
	return &r.row
}

// textOf makes an empty text one that is there.
func textOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// finite makes what is no number unknown.
func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// maxGuesses bounds what a reader remembers of the order of names.
const maxGuesses = 256

// guesses remember in which order names come.
type guesses struct {
	places map[string]int
	order  []guess
	index  map[string]int
	next   int
}

type guess struct {
	name  string
	place int // -1 if nobody needs it
}

func newGuesses(places map[string]int) guesses {
	return guesses{places: places, index: map[string]int{}}
}

func (g *guesses) place(name []byte) int {
	if g.next < len(g.order) && g.order[g.next].name == string(name) {
		g.next++
		return g.order[g.next-1].place
	}
	if i, ok := g.index[string(name)]; ok {
		g.next = i + 1
		return g.order[i].place
	}
	place, ok := g.places[string(name)]
	if !ok {
		place = -1
	}
	if len(g.order) < maxGuesses {
		text := string(name)
		g.index[text] = len(g.order)
		g.order = append(g.order, guess{text, place})
		g.next = len(g.order)
	}
	return place
}

// Flag is the condition that a declared field of truth values is true, or nil if the measurement has none of this name.
func (l *Layout) Flag(name string) *Condition {
	if f, declared := l.fields[name]; !declared || kinds[f.Type] != Bool {
		return nil
	}
	place, _ := l.slot(name)
	return &Condition{truth: func(r *Row) Truth { return r.cells[place].truth }, text: name}
}
