package notice

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Style says what a line is, and so what it looks like.
type Style int

// The styles.
const (
	// Words are a line of text.
	Words Style = iota
	// Heading is the first line of an alert.
	Heading
	// Fact is a name and a value.
	Fact
	// Code is a text that somebody typed or a machine said, maybe of several lines.
	Code
	// Link is an address to open; its text is the words for it.
	Link
	// Remark is what is said of the notice itself, such as how many alerts are left out.
	Remark
)

// Part is a line, or in a Code or Words several lines. Its texts are clean and not escaped.
type Part struct {
	Style   Style
	Name    string // of a Fact
	Text    string
	Address string // of a Link
}

// Block is what is told together: the text of the notice, an alert, or what is missing.
type Block []Part

// Text is what a part says, without any markup.
func (p Part) String() string {
	switch p.Style {
	case Fact:
		return p.Name + ": " + p.Text
	case Link:
		return p.Text + ": " + p.Address
	}
	return p.Text
}

// head is what is said before the alerts.
func (n *Notice) head() Block {
	var b Block
	if n.Text != "" && n.Text != n.Title {
		b = append(b, Part{Style: Words, Text: n.Text})
	}
	return b
}

// tail is what is said after the alerts, so many of which are left out.
func (n *Notice) tail(missing int) Block {
	var b Block
	if missing += n.Omitted; missing > 0 {
		b = append(b, Part{Style: Remark, Text: n.words.more + strconv.Itoa(missing) + n.words.moreTail})
	}
	if n.MayRepeat {
		b = append(b, Part{Style: Remark, Text: n.words.mayRepeat})
	}
	return b
}

// alert is an alert as a block.
func (n *Notice) alert(a *Alert) Block {
	w := n.words
	severity := a.Severity
	if name := w.severities[severity]; name != "" {
		severity = name
	}
	heading := strings.TrimSpace(w.kinds[a.State] + " " + severity)
	summary := a.Summary
	if summary == "" {
		summary = a.Name
	}
	b := Block{{Style: Heading, Name: heading, Text: summary}}
	fact := func(name, text string) {
		if text != "" {
			b = append(b, Part{Style: Fact, Name: name, Text: text})
		}
	}
	if a.Detail != "" {
		b = append(b, Part{Style: Code, Text: a.Detail})
	}
	var labels []string
	if a.Name != "" && a.Name != summary {
		labels = append(labels, "alert="+a.Name)
	}
	for _, l := range a.Labels {
		labels = append(labels, l.Name+"="+l.Value)
	}
	fact(w.labels, strings.Join(labels, " "))
	if !a.FiredAt.IsZero() {
		fact(w.since, n.Time(a.FiredAt))
	}
	if a.State == wire.Kind_KIND_RESOLVED || !a.ResolvedAt.IsZero() {
		if !a.ResolvedAt.IsZero() {
			until := n.Time(a.ResolvedAt)
			if !a.FiredAt.IsZero() {
				until += " (" + w.lasted + " " + w.span(a.ResolvedAt.Sub(a.FiredAt)) + ")"
			}
			fact(w.until, until)
		}
	} else if !a.LastSeen.IsZero() {
		last := n.Time(a.LastSeen)
		if !a.FiredAt.IsZero() && a.LastSeen.After(a.FiredAt) {
			last += " (+" + w.span(a.LastSeen.Sub(a.FiredAt)) + ")"
		}
		fact(w.last, last)
	}
	if a.Of > 0 {
		fact(w.bad, strconv.Itoa(a.Bad)+" / "+strconv.Itoa(a.Of))
	}
	if a.Folded > 1 {
		fact(w.folded, strconv.Itoa(a.Folded))
	}
	values := Spark(a.Recent)
	if a.Value != nil {
		values = strings.TrimSpace(values + " " + number(*a.Value))
	}
	if len(a.Recent) == 0 {
		fact(w.value, values)
	} else {
		fact(w.values, values)
	}
	fact(w.reason, a.Reason)
	fact(w.unsuppressed, a.Unsuppressed)
	switch a.State {
	case wire.Kind_KIND_FIRING, wire.Kind_KIND_REPEAT, wire.Kind_KIND_ESCALATION, wire.Kind_KIND_FLAPPING:
		// Whoever reads it can take it by this name.
		fact(w.incident, a.Incident)
	}
	if a.Link != "" {
		b = append(b, Part{Style: Link, Text: w.link, Address: a.Link})
	}
	return b
}

// Fit returns the blocks of the notice that a channel has room for: size says how long they become there. Whole alerts are
// left out, from the end; if not even one has room, its texts are shortened. short says that something is missing.
func (n *Notice) Fit(limit int, size func([]Block) int) (blocks []Block, short bool) {
	fits := func(b []Block) bool { return limit <= 0 || size(b) <= limit }
	with := func(alerts int) []Block {
		var all []Block
		add := func(b Block) {
			if len(b) > 0 {
				all = append(all, b)
			}
		}
		add(n.head())
		for _, a := range n.Alerts[:alerts] {
			add(n.alert(a))
		}
		add(n.tail(len(n.Alerts) - alerts))
		return all
	}
	if all := with(len(n.Alerts)); fits(all) {
		return all, false
	}
	// The first number that does not fit; every smaller one does.
	if most := sort.Search(len(n.Alerts), func(k int) bool { return !fits(with(k)) }) - 1; most >= min(1, len(n.Alerts)) && most >= 0 {
		return with(most), true
	}
	whole := with(min(1, len(n.Alerts)))
	longest := 0
	for _, b := range whole {
		for _, p := range b {
			longest = max(longest, utf8.RuneCountInString(p.Text))
		}
	}
	most := sort.Search(longest, func(k int) bool { return !fits(shortened(whole, k)) }) - 1
	if most >= 1 {
		return shortened(whole, most), true
	}
	if tail := with(0); len(n.Alerts) > 0 && len(n.head()) == 0 && fits(tail) {
		return tail, true
	}
	return nil, true
}

// shortened is blocks whose texts have at most so many characters. Addresses are whole or are not there at all.
func shortened(blocks []Block, most int) []Block {
	short := make([]Block, 0, len(blocks))
	for _, b := range blocks {
		var s Block
		for _, p := range b {
			switch {
			case p.Style == Remark:
			case p.Style == Link:
				if utf8.RuneCountInString(p.Address) > max(most, 100) {
					continue
				}
			default:
				p.Text, _ = Cut(p.Text, most)
			}
			s = append(s, p)
		}
		short = append(short, s)
	}
	return short
}
