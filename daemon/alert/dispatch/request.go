package dispatch

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/template"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// How many alerts a notice tells in full: more nobody reads. A digest has the worst of them.
const (
	mostAlerts   = 50
	digestAlerts = 10
)

// Request is a notice as a notifier gets it. thread is what the channel wanted back.
func Request(n *incident.Notice, s policy.Settings, thread map[string]string) *wire.NotifyRequest {
	most := mostAlerts
	items := n.Items
	if n.Kind == wire.Kind_KIND_DIGEST {
		most = digestAlerts
		items = slices.Clone(items)
		slices.SortStableFunc(items, worstFirst)
	}
	req := &wire.NotifyRequest{
		Channel: n.Channel, Id: n.ID, Thread: n.Thread, ThreadState: thread, Kind: n.Kind, Step: uint32(n.Step), Attempt: uint32(n.Attempts),
		Late: n.Late(), MayRepeat: n.MayRepeat, TimeZone: zoneName(s.Zone), Language: s.Language, Recipients: n.Recipients,
		Omitted: uint32(max(0, len(items)-most)),
	}
	for i := range items[:min(len(items), most)] {
		req.Alerts = append(req.Alerts, Alert(&items[i], s))
	}
	words := wordsOf(s.Language)
	req.Title, req.Note = title(n, words), note(n, words)
	req.Text = text(n, items[:min(len(items), most)], req.Note, s.Zone, words)
	return req
}

func worstFirst(a, b incident.Item) int {
	over := func(i incident.Item) int {
		if i.Kind == wire.Kind_KIND_RESOLVED || i.Kind == wire.Kind_KIND_FLAPPING_ENDED {
			return 1
		}
		return 0
	}
	grave := func(i incident.Item) int {
		return slices.Index([]string{"critical", "warning", "info"}, i.Incident.Severity)
	}
	return cmp.Or(over(a)-over(b), grave(a)-grave(b), a.Incident.Fired.Compare(b.Incident.Fired))
}

// zoneName is the name by which others know a zone. That of the machine has one if its file is a link to a known one.
func zoneName(zone *time.Location) string {
	if zone != time.Local {
		return zone.String()
	}
	if name := os.Getenv("TZ"); name != "" {
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	if link, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, found := strings.Cut(link, "zoneinfo/"); found {
			return name
		}
	}
	return time.UTC.String()
}

// Alert is an incident of a notice as a notifier gets it.
func Alert(item *incident.Item, s policy.Settings) *wire.Alert {
	i := &item.Incident
	a := &wire.Alert{
		Incident: i.ID, Name: i.Alert, Severity: i.Severity, State: item.Kind, Labels: i.Labels, Tags: i.Tags, Summary: i.Summary, Detail: i.Detail, Link: i.Link,
		FiredAt: timestamppb.New(i.Fired), Value: i.Value, Recent: i.Recent, Bad: uint32(i.Bad), Of: uint32(i.Of),
		Folded: uint32(i.Count), Reason: wordsOf(s.Language).reasons[i.Reason], SuppressionEnded: item.Ended,
	}
	if !i.Resolved.IsZero() {
		a.ResolvedAt = timestamppb.New(i.Resolved)
	}
	if !i.LastSample.IsZero() {
		a.LastSampleAt = timestamppb.New(i.LastSample)
	}
	if i.Stale {
		a.Reason = noData(i, s.Zone, wordsOf(s.Language))
	}
	return a
}

// noData says since when nothing is heard of an incident that is held.
func noData(i *incident.Incident, zone *time.Location, w words) string {
	return w.noData + i.LastSample.In(zone).Format("2006-01-02 15:04:05 MST")
}

// titled is how many alerts a title has the summaries of: of more it has their numbers.
const titled = 3

// title is what a notice is about, on one line. How it is told what kind of notice it is, is the channel's own.
func title(n *incident.Notice, w words) string {
	if len(n.Items) <= titled {
		var summaries []string
		for _, item := range n.Items {
			summaries = append(summaries, item.Incident.Summary)
		}
		return template.Clean(strings.Join(summaries, "; "), template.MaxLine, false)
	}
	var names []string
	counts := map[string]int{}
	for _, item := range n.Items {
		name := item.Incident.Alert
		if counts[name]++; counts[name] == 1 {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	const shown = 5
	var parts []string
	for _, name := range names[:min(len(names), shown)] {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, counts[name]))
	}
	text := fmt.Sprintf(w.alerts, len(n.Items), strings.Join(parts, ", "))
	if len(names) > shown {
		text += fmt.Sprintf(", + %d", len(names)-shown)
	}
	return template.Clean(text, template.MaxLine, false)
}

// note is what there is to say beside the alerts.
func note(n *incident.Notice, w words) string {
	var lines []string
	if n.Kind == wire.Kind_KIND_DIGEST {
		counts := map[string]int{}
		for _, item := range n.Items {
			word := item.Incident.Severity
			if item.Kind == wire.Kind_KIND_RESOLVED {
				word = "resolved"
			}
			counts[word]++
		}
		for _, word := range []string{"critical", "warning", "info", "resolved"} {
			if counts[word] > 0 {
				lines = append(lines, fmt.Sprintf("%s: %d", w.severity(word), counts[word]))
			}
		}
	}
	if n.Also > 0 {
		lines = append(lines, fmt.Sprintf(w.also, n.Also))
	}
	if n.InPlaceOf != "" {
		lines = append(lines, fmt.Sprintf(w.inPlaceOf, n.InPlaceOf))
	}
	return strings.Join(lines, "\n")
}

// text is the notice in plain words.
func text(n *incident.Notice, items []incident.Item, note string, zone *time.Location, w words) string {
	var lines []string
	for _, item := range items {
		i := item.Incident
		lines = append(lines, fmt.Sprintf("%s [%s] %s", w.kind(item.Kind), w.severity(i.Severity), i.Summary))
		if i.Detail != "" {
			lines = append(lines, i.Detail)
		}
		if item.Late {
			lines = append(lines, fmt.Sprintf(w.late, i.Fired.In(zone).Format("2006-01-02 15:04:05 MST"), i.Resolved.In(zone).Format("15:04:05 MST")))
		}
		if i.Stale {
			lines = append(lines, noData(&i, zone, w))
		}
	}
	if left := len(n.Items) - len(items); left > 0 {
		lines = append(lines, fmt.Sprintf(w.more, left))
	}
	if note != "" {
		lines = append(lines, note)
	}
	return strings.Join(lines, "\n")
}
