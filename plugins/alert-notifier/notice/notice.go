package notice

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Notice is a notice whose texts are clean.
type Notice struct {
	// ID is the same on every attempt; Thread is that of notices that belong together. Both are as the daemon has them.
	ID, Thread string
	State      map[string]string // the thread's
	Kind       wire.Kind
	Attempt    int
	// Title is one line, without the kind. Text is what there is to say beside the alerts, in several; of a notice without alerts it is all.
	Title, Text string
	Alerts      []*Alert
	// Omitted is how many alerts the daemon left out.
	Omitted         int
	Late, MayRepeat bool
	Step            int
	Language        string
	Zone            *time.Location

	words *words
}

// Alert is an alert whose texts are clean.
type Alert struct {
	Incident, Name, Severity string
	State                    wire.Kind
	// Labels are its labels and tags, by name; where both have one, the label.
	Labels                        []Label
	Summary, Detail               string
	Link                          string    // that may be opened, or nothing
	FiredAt, ResolvedAt, LastSeen time.Time // zero if not known
	Value                         *float64
	Recent                        []float64
	Bad, Of, Folded               int
	Reason, Unsuppressed          string
}

// Label is a name and a value.
type Label struct{ Name, Value string }

// beside is what there is to say beside the alerts, which are shown themselves.
func beside(n *sdk.Notice) string {
	if len(n.Alerts) > 0 {
		return n.Note
	}
	return n.Text
}

// New cleans a notice.
func New(n *sdk.Notice) *Notice {
	c := &Notice{
		ID: n.Id, Thread: n.Thread, State: n.ThreadState, Kind: n.Kind, Attempt: int(n.Attempt),
		Title: first(Line(n.Title), maxTitle), Text: first(Lines(beside(n)), maxText), Omitted: int(n.Omitted),
		Late: n.Late, MayRepeat: n.MayRepeat, Step: int(n.Step), Language: n.Language, Zone: time.UTC, words: wordsOf(n.Language),
	}
	if zone, err := time.LoadLocation(n.TimeZone); err == nil {
		c.Zone = zone
	}
	for _, a := range n.Alerts {
		c.Alerts = append(c.Alerts, NewAlert(a, n.Kind))
	}
	if c.Title == "" {
		c.Title = c.untitled()
	}
	// A title that begins with its kind already need not say it twice.
	if rest, ok := strings.CutPrefix(c.Title, "["+c.words.kinds[c.Kind]+"]"); ok {
		c.Title = strings.TrimSpace(rest)
	}
	return c
}

// NewAlert cleans an alert of a notice of this kind.
func NewAlert(a *sdk.Alert, kind wire.Kind) *Alert {
	c := &Alert{
		Incident: first(Line(a.Incident), maxName), Name: first(Line(a.Name), maxName), Severity: first(Line(a.Severity), maxName), State: a.State,
		Summary: first(Line(a.Summary), maxSummary), Detail: first(Lines(a.Detail), maxDetail), Link: Address(a.Link),
		FiredAt: when(a.FiredAt), ResolvedAt: when(a.ResolvedAt), LastSeen: when(a.LastSampleAt),
		Value: a.Value, Recent: a.Recent, Bad: int(a.Bad), Of: int(a.Of), Folded: int(a.Folded),
		Reason: first(Line(a.Reason), maxSummary), Unsuppressed: first(Line(a.SuppressionEnded), maxSummary),
	}
	if c.State == wire.Kind_KIND_UNSPECIFIED {
		c.State = kind
	}
	all := maps.Clone(a.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, a.Labels)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if value := first(Line(all[name]), maxLabel); value != "" {
			c.Labels = append(c.Labels, Label{first(Line(name), maxName), value})
		}
	}
	return c
}

// first shortens a text to so many characters, and to as many bytes as they have in Chinese.
func first(text string, most int) string {
	text, _ = Cut(text, most)
	text, _ = CutBytes(text, 3*most)
	return text
}

func when(t *timestamppb.Timestamp) time.Time {
	if t == nil || !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

func validAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil
}

// untitled is the title of a notice that has none.
func (n *Notice) untitled() string {
	if len(n.Alerts) == 1 {
		if a := n.Alerts[0]; a.Summary != "" {
			return first(a.Summary, maxTitle)
		}
	}
	var names []string
	for _, a := range n.Alerts {
		if a.Name != "" && !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	if len(names) == 0 {
		return "Vedette"
	}
	return first(strings.Join(names, ", "), maxTitle)
}

// Subject is the notice in one line: its kind, how many alerts it tells of, and its title.
func (n *Notice) Subject() string {
	kind := n.words.kinds[n.Kind]
	if kind == "" {
		kind = n.words.kinds[wire.Kind_KIND_EVENT]
	}
	if count := len(n.Alerts) + n.Omitted; count > 1 {
		kind += ":" + strconv.Itoa(count)
	}
	if n.Late {
		kind += ", " + n.words.late
	}
	return "[" + kind + "] " + n.Title
}

// Severity is the worst of the alerts' severities, as far as it is one that is known; else that of the first.
func (n *Notice) Severity() string {
	for _, s := range []string{"critical", "error", "warning"} {
		for _, a := range n.Alerts {
			if a.Severity == s {
				return s
			}
		}
	}
	if len(n.Alerts) > 0 {
		return n.Alerts[0].Severity
	}
	return ""
}

// IsGood reports whether the notice tells of an end.
func (n *Notice) IsGood() bool { return n.Kind == wire.Kind_KIND_RESOLVED }

// Time writes a time in the notice's zone, which is named.
func (n *Notice) Time(t time.Time) string {
	return t.In(n.Zone).Format("2006-01-02 15:04:05 ") + zoneName(t.In(n.Zone))
}

// zoneName is the short name of the zone, or its offset where it has none.
func zoneName(t time.Time) string {
	name, _ := t.Zone()
	if name == "" || name[0] == '+' || name[0] == '-' {
		return t.Format("UTC-07:00")
	}
	return name
}

// span writes a length of time in its two largest units.
func (w *words) span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	units := []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, w.day}, {time.Hour, w.hour}, {time.Minute, w.minute}, {time.Second, w.second}}
	for i, u := range units {
		if d < u.length && i < len(units)-1 {
			continue
		}
		text := strconv.FormatInt(int64(d/u.length), 10) + u.name
		if rest := d % u.length; i+1 < len(units) && rest >= units[i+1].length {
			text += " " + strconv.FormatInt(int64(rest/units[i+1].length), 10) + units[i+1].name
		}
		return text
	}
	return ""
}

// number writes a value for people.
func number(v float64) string { return fmt.Sprintf("%.4g", v) }
