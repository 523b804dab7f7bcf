package dispatch

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/store"
)

func TestIncidentsOfAGroupAreToldInOneNotice(t *testing.T) {
	p := simple(t)
	p.Route.GroupBy = []string{"alert"}
	d := newDesk(t, p)
	d.fire("site_down", "a")
	d.until("12:00")
	d.now = d.now.Add(5 * time.Second)
	d.fire("site_down", "b")
	d.until("12:01")
	d.fire("site_down", "c")
	d.until("12:02")
	if n := len(d.groups); n != 1 {
		t.Errorf("there are %d groups", n)
	}
	d.want(`
		12:00 mail firing site_down/a
		12:00 mail firing site_down/b
		12:01 mail firing site_down/c`)
	threads := map[string]bool{}
	for _, i := range d.sorted() {
		for _, thread := range i.Threads {
			threads[thread] = true
		}
	}
	if len(threads) != 1 {
		t.Errorf("the group has the threads %v", threads)
	}
}

func TestWhoWasToldIsRemindedUntilSomebodyAcknowledges(t *testing.T) {
	p := simple(t)
	p.Route.Repeat = policy.Repeat{Every: []time.Duration{time.Hour, 2 * time.Hour}}
	p.Route.To = receiver(policy.Step{To: []string{"mail"}})
	d := newDesk(t, p)
	d.fire("site_down", "shop")
	d.until("17:30", "shop")
	if _, err := d.Acknowledge(d.sorted()[0].ID[:5], incident.Ack{By: "li", At: d.now}); err != nil {
		t.Fatal(err)
	}
	d.until("23:00", "shop")
	d.resolve("site_down", "shop")
	d.until("23:01")
	d.want(`
		12:00 mail firing site_down
		13:00 mail repeat site_down
		15:00 mail repeat site_down
		17:00 mail repeat site_down
		23:00 mail resolved site_down`)
}

func TestReminderEndAfterTheMost(t *testing.T) {
	p := simple(t)
	p.Route.Repeat = policy.Repeat{Every: []time.Duration{time.Hour}, Max: 2}
	p.Route.To = receiver(policy.Step{To: []string{"mail"}})
	d := newDesk(t, p)
	d.fire("site_down", "shop")
	d.until("20:00", "shop")
	d.want("12:00 mail firing site_down\n13:00 mail repeat site_down\n14:00 mail repeat site_down")
}

func TestARiseOfTheLevelIsToldAndEndsAnAcknowledgement(t *testing.T) {
	p := simple(t)
	p.Alerts = []*policy.Alert{alert(t, "cert", "warning", "critical")}
	d := newDesk(t, p)
	d.fire("cert", "shop")
	d.until("12:05", "shop")
	if _, err := d.Acknowledge(d.sorted()[0].ID, incident.Ack{By: "li", At: d.now}); err != nil {
		t.Fatal(err)
	}
	d.until("12:20", "shop")
	d.change("cert", "shop", rule.Firing, rule.Firing, rule.Worse, func(t *rule.Transition) { t.Level = 1 })
	d.until("12:21", "shop")
	i := d.sorted()[0]
	if i.Ack != nil || i.Severity != "critical" {
		t.Errorf("the incident is %+v", i)
	}
	d.want("12:00 mail firing cert\n12:20 mail firing cert\n12:20 sms escalation cert")
}

func TestFlappingIsToldOnceAndItsEndOnce(t *testing.T) {
	d := newDesk(t, simple(t))
	d.fire("site_down", "shop")
	d.until("12:01", "shop")
	d.resolve("site_down", "shop")
	d.until("12:02", "shop")
	flapping := func(t *rule.Transition) { t.Flapping = true }
	d.change("site_down", "shop", rule.OK, rule.Firing, rule.Bad, flapping)
	d.change("site_down", "shop", rule.Firing, rule.Firing, rule.FlapBegins, flapping)
	for range 4 {
		d.until(d.now.Add(time.Minute).Format("15:04"), "shop")
		d.change("site_down", "shop", rule.Firing, rule.OK, rule.Good, flapping)
		d.until(d.now.Add(time.Minute).Format("15:04"), "shop")
		d.change("site_down", "shop", rule.OK, rule.Firing, rule.Bad, flapping)
	}
	d.change("site_down", "shop", rule.Firing, rule.OK, rule.Good, flapping)
	d.until("12:12", "shop")
	d.change("site_down", "shop", rule.OK, rule.OK, rule.FlapEnds, nil)
	d.until("12:13", "shop")
	d.want(`
		12:00 mail firing site_down
		12:01 mail resolved site_down
		12:02 mail flapping site_down
		12:12 mail flapping ended site_down`)
	if open, _ := d.Incidents(); len(open) != 0 {
		t.Errorf("%d incidents are open", len(open))
	}
}

func TestTheEndThatMakesAnIncidentFlapIsNotTold(t *testing.T) {
	d := newDesk(t, simple(t))
	d.fire("site_down", "shop")
	d.until("12:01", "shop")
	flapping := func(t *rule.Transition) { t.Flapping = true }
	d.change("site_down", "shop", rule.Firing, rule.OK, rule.Good, flapping)
	d.change("site_down", "shop", rule.OK, rule.OK, rule.FlapBegins, flapping)
	d.until("12:30", "shop")
	d.change("site_down", "shop", rule.OK, rule.OK, rule.FlapEnds, nil)
	d.until("12:31")
	d.want(`
		12:00 mail firing site_down
		12:01 mail flapping site_down
		12:15 sms flapping site_down
		12:30 mail flapping ended site_down
		12:30 sms flapping ended site_down`)
}

func TestAnEventIsToldOnceAndNotAtAllUnderASilence(t *testing.T) {
	d := newDesk(t, simple(t))
	happen := func() { d.change("site_down", "shop", rule.OK, rule.OK, rule.Happened, nil) }
	happen()
	d.until("12:05")
	if _, err := d.Silence(&incident.Silence{Match: `severity == "critical"`, Author: "li", Reason: "drill", Until: d.now.Add(5 * time.Minute)}, false, d.now); err != nil {
		t.Fatal(err)
	}
	happen()
	d.until("12:20")
	happen()
	d.until("12:22")
	d.want("12:00 mail event site_down\n12:20 mail event site_down")
	if _, closed := d.Incidents(); len(closed) != 3 {
		t.Errorf("%d incidents are remembered", len(closed))
	}
	if s := d.Silences()[0]; s.Hits != 1 {
		t.Errorf("the silence has %d hits", s.Hits)
	}
}

func TestASourceKeepsItsTargetsQuietAndCountsThem(t *testing.T) {
	p := simple(t)
	p.Alerts = append(p.Alerts, alert(t, "host_silent"))
	p.Route.To = receiver(policy.Step{To: []string{"mail"}})
	p.Inhibitions = []*policy.Inhibition{{Name: "silent", Source: match(t, `alert == "host_silent"`), Target: match(t, `severity == "critical"`), Equal: []string{"team"}}}
	d := newDesk(t, p)
	// The source is only pending at first: its targets wait for it.
	d.change("host_silent", "h1", rule.OK, rule.Pending, rule.Bad, nil)
	for _, key := range []string{"a", "b", "c"} {
		d.fire("site_down", key)
	}
	d.now = d.now.Add(30 * time.Second)
	d.change("host_silent", "h1", rule.Pending, rule.Firing, rule.Bad, nil)
	d.until("12:10", "a", "b", "c")
	d.want("12:00 mail firing host_silent/h1 (also 3)")
	d.told = nil
	d.resolve("host_silent", "h1")
	d.until("12:11")
	d.sample("b")
	d.until("12:12")
	d.resolve("site_down", "b")
	d.resolve("site_down", "a")
	d.until("12:13")
	d.want(`
		12:10 mail resolved host_silent/h1
		12:11 mail firing site_down/b (inhibit silent by host_silent ended)
		12:12 mail resolved site_down/b`)
}

// Those who see the same thing see its end one after the other.
func TestWhatASourceHasHiddenIsToldByABadSampleOfAfterItAlone(t *testing.T) {
	old := func(d *desk) { d.sample("shop"); d.bad["shop"] = d.now.Add(-time.Minute) }
	for name, tc := range map[string]struct {
		then  func(*desk)
		query *policy.Query
		want  string
	}{
		"one that was taken before is none":              {old, nil, ""},
		"nor is a good one":                              {func(d *desk) { d.sample("shop"); delete(d.bad, "shop") }, nil, ""},
		"one that was taken since is":                    {func(d *desk) { d.sample("shop") }, nil, "12:10 mail firing site_down (inhibit silent by host_silent ended)"},
		"an answer to a query is, of whatever time":      {old, &policy.Query{Every: time.Second}, "12:10 mail firing site_down (inhibit silent by host_silent ended)"},
		"but not one that may have been on its way then": {old, &policy.Query{Every: time.Minute}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := simple(t)
			p.Alerts = append(p.Alerts, alert(t, "host_silent"))
			p.Route.To = receiver(policy.Step{To: []string{"mail"}})
			p.Alerts[0].Query = tc.query
			p.Inhibitions = []*policy.Inhibition{{Name: "silent", Source: match(t, `alert == "host_silent"`), Target: match(t, `alert == "site_down"`)}}
			d := newDesk(t, p)
			d.fire("host_silent", "h1")
			d.fire("site_down", "shop")
			d.until("12:10", "shop")
			d.resolve("host_silent", "h1")
			d.told = nil
			d.now = d.now.Add(30 * time.Second)
			tc.then(d)
			d.until("12:14")
			d.want(tc.want)
			d.told = nil
			d.until("12:16")
			if tc.want == "" {
				d.want("12:15 mail firing site_down (inhibit silent by host_silent ended)")
			}
		})
	}
}

func TestAPendingSourceDoesNotHideItsTargetsForEver(t *testing.T) {
	p := simple(t)
	p.Alerts = append(p.Alerts, alert(t, "host_silent"))
	p.Inhibitions = []*policy.Inhibition{{Name: "silent", Source: match(t, `alert == "host_silent"`), Target: match(t, `alert == "site_down"`)}}
	d := newDesk(t, p)
	d.change("host_silent", "h1", rule.OK, rule.Pending, rule.Bad, nil)
	d.fire("site_down", "shop")
	d.until("12:03", "shop")
	d.want("12:02 mail firing site_down (inhibit silent by host_silent ended)")
}

func TestSilenceThatFollowsFromAPluginThatIsDownIsNotTold(t *testing.T) {
	d := newDesk(t, simple(t))
	d.unfed = "http-quality does not run"
	d.fire("site_down", "shop")
	d.until("12:10")
	d.unfed = ""
	d.until("12:12", "shop")
	d.resolve("site_down", "shop")
	d.until("12:13")
	d.want("12:11 mail firing site_down (unfed http-quality does not run ended)\n12:12 mail resolved site_down")
}

func TestWhatIsWrongWithAChannelIsNotToldThroughIt(t *testing.T) {
	p := simple(t)
	p.Route.To = receiver(policy.Step{To: []string{"mail", "pager"}})
	d := newDesk(t, p)
	i := p.Alerts[0]
	i.Labels = map[string]string{"notifier": "mail"}
	d.fire("site_down", "shop")
	d.until("12:01")
	d.want("12:00 pager firing site_down")
}

func TestTheFirstRouteThatMatchesDecidesUnlessItGoesOn(t *testing.T) {
	p := simple(t)
	to := func(channel string) *policy.Receiver { return receiver(policy.Step{To: []string{channel}}) }
	route := func(place, text, channel string, goesOn bool) *policy.Route {
		return &policy.Route{Place: place, Match: match(t, text), To: to(channel), GroupBy: []string{"alert"}, Continue: goesOn}
	}
	p.Route.To = to("mail")
	p.Route.Routes = []*policy.Route{
		route("route/0", `team == "web"`, "pager", true), route("route/1", `team == "web"`, "sms", false), route("route/2", `severity == "critical"`, "mail", false),
	}
	d := newDesk(t, p)
	for labels, want := range map[[2]string][]string{
		{"web", "critical"}: {"pager", "sms"}, {"db", "critical"}: {"mail"}, {"db", "warning"}: {"mail"},
	} {
		var got []string
		for _, w := range d.Ways(map[string]string{"alert": "site_down", "team": labels[0], "severity": labels[1]}) {
			got = append(got, w.Steps[0].To...)
		}
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%v goes to %v, want %v", labels, got, want)
		}
	}
}

func TestWhatAFallbackWasToldItIsToldTheEndOf(t *testing.T) {
	d := newDesk(t, simple(t))
	d.broken["mail"] = true
	d.fire("site_down", "shop")
	d.until("12:08", "shop")
	d.resolve("site_down", "shop")
	d.until("12:10")
	d.broken["mail"] = false
	d.until("12:30")
	if len(d.told) != 3 || d.told[1] != "12:08 pager resolved site_down" {
		t.Errorf("told: %q", d.told)
	}
	// Mail is told at last that it was, and is over.
	if last := d.told[len(d.told)-1]; last[6:] != "mail late resolved site_down" {
		t.Errorf("mail is told %q", last)
	}
}

func TestWhoHasNotBeenToldOfTheBeginningIsNotToldOfTheEnd(t *testing.T) {
	p := simple(t)
	p.Route.Wait = time.Minute
	d := newDesk(t, p)
	d.fire("site_down", "shop")
	d.now = d.now.Add(10 * time.Second)
	d.resolve("site_down", "shop")
	d.until("12:30")
	d.want("")
}

func TestARemovedRuleEndsItsIncidentsForThoseWhoKnowOfThem(t *testing.T) {
	d := newDesk(t, simple(t))
	d.fire("site_down", "shop")
	d.until("12:05", "shop")
	d.Close(d.sorted()[0].ID, RuleRemoved, d.now)
	d.until("12:06")
	d.want("12:00 mail firing site_down\n12:05 mail resolved site_down")
}

func TestASilenceUntilResolvedEndsWithItsIncidents(t *testing.T) {
	d := newDesk(t, simple(t))
	d.fire("site_down", "shop")
	d.until("12:01")
	s := &incident.Silence{Match: `target == "shop"`, Author: "li", Reason: "known", Until: d.now.Add(24 * time.Hour)}
	if _, err := d.Silence(s, true, d.now); err != nil {
		t.Fatal(err)
	}
	d.until("12:30", "shop")
	d.resolve("site_down", "shop")
	d.until("12:31")
	if s.Active(d.now) {
		t.Error("the silence goes on")
	}
	d.fire("site_down", "shop")
	d.until("12:32")
	d.want("12:00 mail firing site_down\n12:30 mail resolved site_down\n12:31 mail firing site_down")
}

func TestASilenceSaysWhatIsWrongWithIt(t *testing.T) {
	d := newDesk(t, simple(t))
	for want, s := range map[string]incident.Silence{
		"author and a reason": {Match: `team == "x"`, Until: noon.Add(time.Hour)},
		"over already":        {Match: `team == "x"`, Author: "a", Reason: "b", Until: noon},
		"30 days":             {Match: `team == "x"`, Author: "a", Reason: "b", Until: noon.Add(31 * 24 * time.Hour)},
		`Did you mean "team"`: {Match: `tean == "x"`, Author: "a", Reason: "b", Until: noon.Add(time.Hour)},
		"incident that fires": {Match: `team == "x"`, Author: "a", Reason: "b", Until: noon.Add(time.Hour), ID: "until"},
	} {
		_, err := d.Silence(&s, s.ID == "until", d.now)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
}

func TestAChannelThatSyncsHasTheWholeSet(t *testing.T) {
	p := simple(t)
	p.Route.To = receiver(policy.Step{To: []string{"am"}})
	d := newDesk(t, p)
	d.fire("site_down", "a")
	d.fire("site_down", "b")
	d.until("12:01")
	if _, err := d.Silence(&incident.Silence{Match: `target == "b"`, Author: "li", Reason: "known", Until: d.now.Add(time.Hour)}, false, d.now); err != nil {
		t.Fatal(err)
	}
	d.resolve("site_down", "a")
	d.fire("site_down", "c")
	d.until("12:02")
	var got []string
	for _, item := range d.Active("am", d.now, 4*time.Minute) {
		got = append(got, incident.KindWord(item.Kind)+" "+item.Incident.Key)
	}
	if len(got) != 2 || got[0] != "firing c" || got[1] != "resolved a" {
		t.Errorf("the set is %v", got)
	}
	d.want("")
}

func TestTextsOfASampleThatCanNotBeRenderedFallBack(t *testing.T) {
	d := newDesk(t, simple(t))
	d.change("site_down", "shop", rule.OK, rule.Firing, rule.Bad, func(t *rule.Transition) { t.Value = math.Inf(1) })
	if i := d.sorted()[0]; i.Summary != "site_down target=shop" || i.Value != nil {
		t.Errorf("the incident says %q, %v", i.Summary, i.Value)
	}
}

func TestATestFiringGoesItsWayMarkedAndIsForgotten(t *testing.T) {
	d := newDesk(t, simple(t))
	if _, err := d.TestFire("site_down", map[string]string{"target": "shop"}, nil, false, d.now); err != nil {
		t.Fatal(err)
	}
	d.until("12:02")
	d.want("12:00 mail test site_down")
	if open, closed := d.Incidents(); len(open)+len(closed) != 0 {
		t.Errorf("%d and %d incidents are left", len(open), len(closed))
	}
}

func TestWhatIsTheDaemonsOwnIsToldAtOnceWhateverIsQuietAndIsNotRemembered(t *testing.T) {
	p := simple(t)
	p.Alerts = append(p.Alerts, alert(t, "beat"))
	p.Alerts[1].Notify, p.Alerts[1].Own = []string{"mail"}, true
	p.Route.Wait, p.Route.Interval = time.Hour, time.Hour
	p.Inhibitions = []*policy.Inhibition{{Name: "all", Source: match(t, `alert == "site_down"`), Target: match(t, `alert != "site_down"`)}}
	d := newDesk(t, p)
	if _, err := d.Silence(&incident.Silence{Match: `severity != ""`, Author: "li", Reason: "drill", Until: d.now.Add(time.Hour)}, false, d.now); err != nil {
		t.Fatal(err)
	}
	d.fire("site_down", "shop")
	for range 3 {
		d.change("beat", "shop", rule.OK, rule.OK, rule.Happened, nil)
		d.now = d.now.Add(time.Minute)
	}
	d.want("12:00 mail event beat\n12:01 mail event beat\n12:02 mail event beat")
	if open, closed := d.Incidents(); len(open) != 1 || len(closed) != 0 {
		t.Errorf("%d incidents are open, and %d remembered", len(open), len(closed))
	}
}

func TestAChannelThatIsGoneIsNotToldOfTheEnd(t *testing.T) {
	d := newDesk(t, simple(t))
	d.fire("site_down", "shop")
	d.until("12:01", "shop")
	// It has another name now.
	d.policy.Route.To.Steps[0].To = []string{"pager"}
	d.Configure(d.policy, map[string]Channel{"pager": {}})
	d.until("12:03", "shop")
	d.resolve("site_down", "shop")
	d.until("12:10", "shop")
	d.want("12:00 mail firing site_down\n12:01 pager firing site_down\n12:03 pager resolved site_down")
	if open, closed := d.Incidents(); len(open) != 0 || len(closed) != 1 {
		t.Errorf("%d incidents are open, and %d closed", len(open), len(closed))
	}
	if waiting := d.box.Waiting(); len(waiting) > 0 {
		t.Errorf("%d notices wait", len(waiting))
	}
}

func TestAQueryThatFailsIsAnIncidentOfItsOwn(t *testing.T) {
	d := newDesk(t, simple(t))
	for range 3 {
		d.QueryFailed("site_down", "connection refused", d.now)
		d.until(d.now.Add(time.Minute).Format("15:04"))
	}
	i := d.sorted()[0]
	if i.Summary != "site_down can not be judged: its query fails" || i.Detail != "connection refused" || i.Severity != "critical" {
		t.Errorf("the incident is %+v", i)
	}
	d.QueryWorks("site_down", d.now)
	d.QueryWorks("site_down", d.now)
	d.until("12:04")
	if len(d.told) != 2 || !strings.HasSuffix(d.told[0], "mail firing site_down/"+QueryKey) || !strings.HasSuffix(d.told[1], "mail resolved site_down/"+QueryKey) {
		t.Errorf("told: %q", d.told)
	}
}

// TestAClockThatWasSetBackKeepsNothingFromBeingTold begins an incident by a clock that is a year ahead, and a restart by the right one.
func TestAClockThatWasSetBackKeepsNothingFromBeingTold(t *testing.T) {
	d := newDesk(t, simple(t))
	d.now = noon.AddDate(1, 0, 0)
	d.broken["mail"] = true
	d.fire("site_down", "shop")
	d.until("12:01")
	kept := new(store.Contents)
	for _, i := range d.sorted() {
		copied := *i
		kept.Incidents = append(kept.Incidents, &copied)
	}
	for _, n := range d.box.Waiting() {
		copied := *n
		kept.Notices = append(kept.Notices, &copied)
	}
	kept.Channels = map[string]json.RawMessage{"mail": json.RawMessage(`{"failures":3,"not_before":"` + d.now.Format(time.RFC3339) + `"}`)}
	if len(kept.Notices) != 1 {
		t.Fatalf("%d notices wait, want 1", len(kept.Notices))
	}
	d.now, d.broken["mail"], d.told = noon, false, nil
	d.restart(kept)
	d.until("12:16", "shop")
	d.want(`
		12:00 mail firing site_down
		12:15 sms escalation site_down
	`)
}

func TestEventsOfOneMillisecondAreToldApart(t *testing.T) {
	p := simple(t)
	d := newDesk(t, p)
	for n := range 3 {
		d.change("site_down", "shop", rule.OK, rule.OK, rule.Happened, func(tn *rule.Transition) { tn.At = noon.Add(time.Duration(n) * time.Nanosecond) })
	}
	if open, _ := d.Incidents(); len(open) != 3 {
		t.Errorf("%d events of three are known", len(open))
	}
}
