package dispatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
)

// BenchmarkPlan is a second of a storm: ten thousand incidents fire and were told, with routes, an inhibition and five silences to be
// looked at.
func BenchmarkPlan(b *testing.B) {
	p := simple(b)
	p.Alerts = append(p.Alerts, alert(b, "host_silent"))
	for i := range 10 {
		p.Route.Routes = append(p.Route.Routes, &policy.Route{Place: fmt.Sprint("route/", i), Match: match(b, fmt.Sprintf("team == %q", fmt.Sprint("t", i))), To: p.Route.To})
	}
	p.Inhibitions = []*policy.Inhibition{{Name: "silent", Source: match(b, `alert == "host_silent"`), Target: match(b, `alert != "host_silent"`), Equal: []string{"target"}}}
	d := newDesk(b, p)
	for i := range 10_000 {
		key := fmt.Sprint("k", i)
		t := rule.Transition{Rule: p.Alerts[0].Rule, Values: []string{key}, Key: key, To: rule.Firing, At: d.now, Fired: d.now, Value: 2}
		d.sample(key)
		d.Observe(&t, d.now)
	}
	d.until("12:02")
	for i := range 5 {
		if _, err := d.Silence(&incident.Silence{Match: fmt.Sprintf("target == %q", fmt.Sprint("s", i)), Author: "a", Reason: "b", Until: d.now.Add(time.Hour)}, false, d.now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		d.now = d.now.Add(time.Second)
		d.Plan(d.now)
		d.Flush()
	}
}
