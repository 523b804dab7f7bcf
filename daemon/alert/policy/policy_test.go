package policy

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/point/pointtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestWrongPoliciesAreExplained(t *testing.T) { explained(t, "testdata/wrong", false) }

func TestOddPoliciesAreTakenWithAWarning(t *testing.T) { explained(t, "testdata/odd", true) }

// explained compares what is said of every configuration in a directory with its golden file.
func explained(t *testing.T, dir string, valid bool) {
	t.Chdir(dir)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".hcl")
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p, got := read(t, entry.Name())
			if (p != nil) != valid {
				t.Errorf("accepted: %v", p != nil)
			}
			if strings.Contains(got, "hush") {
				t.Errorf("a secret is shown in\n%s", got)
			}
			if *update {
				if err := os.WriteFile(name+".golden", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestAnAlertIsReadWithAllThatItSays(t *testing.T) {
	p := load(t, routed+`
alert "bad" {
  from  = "http_quality"
  where = isp == "ct" && area == "north" && line == "1"
  by    = ["target", "line"]
  when  = !available || http_code > 299 || total_time > "2s"
  fire {
    bad = 3
    of  = 5
    for = "1m"
  }
  recover {
    when = total_time < 1.5
    good = 2
  }
  flap {
    changes = 6
    within  = "1h"
    calm    = "30m"
  }
  quorum "isp" {
    need  = 2
    of    = ["ct", "cu"]
    fresh = "3m"
  }
  severity   = "critical"
  labels     = { team = "web" }
  summary    = "${target} is bad: ${http_code}"
  detail     = error
  link       = "https://example.com/${urlencode(target)}"
  notify     = [notifier.sms.duty, notifier.email.ops, notifier.sms.duty]
  repeat     = "1h 2h 4h"
  repeat_max = 7
}
`)
	a := p.alert("bad")
	if a == nil || a.Rule == nil || a.Layout == nil {
		t.Fatalf("the alert is %+v", a)
	}
	if a.From != "http_quality" || a.Query != nil || a.Labels["team"] != "web" || a.Rule.Severity(0) != "critical" || !slices.Equal(a.Rule.By, []string{"target", "line"}) {
		t.Errorf("the alert is %+v", a)
	}
	if !slices.Equal(a.Notify, []string{"sms.duty", "email.ops"}) {
		t.Errorf("it tells %v", a.Notify)
	}
	if a.Repeat == nil || !slices.Equal(a.Repeat.Every, []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour}) || a.Repeat.Max != 7 {
		t.Errorf("it is repeated %+v", a.Repeat)
	}
	text, err := a.Summary.Render(map[string]any{"target": "shop", "http_code": 500.0})
	if err != nil || text != "shop is bad: 500" || a.Detail == nil || a.Link == nil {
		t.Errorf("the summary is %q, %v", text, err)
	}
	for _, want := range []string{"line", "target", "team"} {
		if !slices.Contains(p.Labels, want) {
			t.Errorf("the labels %v lack %s", p.Labels, want)
		}
	}
	if slices.Contains(p.Labels, "alert") {
		t.Errorf("the labels %v have one that every incident has", p.Labels)
	}
}

// fires reports whether an alert fires by one point.
func fires(t *testing.T, a *Alert, tags []string, values map[string]any) bool {
	t.Helper()
	now := time.Unix(1000, 0)
	p := pointtest.Of(t, a.From, now, values, func(key string) bool { return slices.Contains(tags, key) })
	out := rule.NewSet(a.Layout, rule.NewMachine(a.Rule, now)).Observe(nil, p, now)
	return slices.ContainsFunc(out, func(t rule.Transition) bool { return t.To == rule.Firing })
}

func TestWhatAnAlertNamesIsWhatPointsHave(t *testing.T) {
	p := load(t, routed+`
locals {
  limits = { warning = 21, critical = 7 }
}
alert "levels" {
  from = "http_quality"
  by   = ["target"]
  dynamic "level" {
    for_each = local.limits
    labels   = [level.key]
    content {
      when = cert_days < level.value
    }
  }
}
alert "open" {
  from    = "load"
  by      = ["disk"]
  when    = value > 3 && mount == "/"
  summary = "${disk} on ${mount}: ${value}"
}
alert "query" {
  query {
    influxql = "SELECT mean(total_time) AS m FROM http_quality WHERE time > now() - 5m GROUP BY target"
    every    = "1m"
  }
  by       = ["target"]
  when     = m > 2
  on_error = "alert"
  summary  = "${target} takes ${floor(m)} s"
}
`)
	if !fires(t, p.alert("levels"), []string{"target"}, map[string]any{"target": "a", "cert_days": 20.0}) {
		t.Error("a level of a dynamic block does not fire")
	}
	if fires(t, p.alert("levels"), []string{"target"}, map[string]any{"target": "a", "cert_days": 22.0}) {
		t.Error("levels of a dynamic block fire for what is good")
	}
	if !fires(t, p.alert("open"), []string{"disk", "mount"}, map[string]any{"disk": "sda", "mount": "/", "value": 4.0}) {
		t.Error("names that nobody declared are not found")
	}
	q := p.alert("query")
	if q.From != "query:query" || q.Query == nil || q.Query.Every != time.Minute || !q.Query.Alert || !strings.HasPrefix(q.Query.Text, "SELECT mean") {
		t.Errorf("the query is %+v", q.Query)
	}
	if !fires(t, q, []string{"target"}, map[string]any{"target": "a", "m": 3.0}) {
		t.Error("a row of a query does not fire")
	}
}

func TestAlertsOnTheSamePointsShareTheirLayout(t *testing.T) {
	p := load(t, routed+`
alert "a" {
  from = "http_quality"
  when = !available
}
alert "b" {
  from = "http_quality"
  when = http_code > 299
}
`)
	if p.alert("a").Layout != p.alert("b").Layout {
		t.Error("a point would be read twice")
	}
}

func TestALabelFromAListMayBeAnything(t *testing.T) {
	p := load(t, routed+`
plugin "lists" {
  source = "http-quality"
  file_sd {}
}
alert "a" {
  from    = "http_quality"
  by      = ["rack"]
  when    = !available && zone == "z"
  summary = "${rack} ${zone}"
}
`)
	if !fires(t, p.alert("a"), []string{"rack", "zone"}, map[string]any{"rack": "r", "zone": "z", "available": false}) {
		t.Error("a label of a list is not found")
	}
}

func TestPointsThatNoPluginCouldNameMayHaveAnyName(t *testing.T) {
	p := load(t, routed+"plugin \"anything\" {}\nalert \"a\" {\n  from = \"cpu\"\n  by   = [\"cpu\"]\n  when = usage > 90\n}\n")
	if a := p.alert("a"); a.From != "cpu" || !fires(t, a, []string{"cpu"}, map[string]any{"cpu": "0", "usage": 99.0}) {
		t.Error("it does not fire")
	}
}

func TestAnEmptyNotifyTellsNobodyAndNoneLeavesItToTheRoutes(t *testing.T) {
	p := load(t, routed+"alert \"a\" {\n  from   = \"http_quality\"\n  when   = !available\n  notify = []\n}\nalert \"b\" {\n  from = \"http_quality\"\n  when = !available\n}\n")
	if p.alert("a").Notify == nil || len(p.alert("a").Notify) != 0 || p.alert("b").Notify != nil {
		t.Errorf("they tell %#v and %#v", p.alert("a").Notify, p.alert("b").Notify)
	}
}

func TestARouteHasWhatTheOneAroundItHas(t *testing.T) {
	p := load(t, `
receiver "db" {
  step {
    to = [notifier.email.ops]
  }
  step {
    after = "15m"
    to    = [notifier.sms.duty, notifier.email.ops]
  }
}
hours "night" {
  timezone = "Asia/Shanghai"
  window {
    start    = "22:00"
    duration = "2h"
  }
  window {
    weekdays = ["sat"]
    days     = [1, -1]
    dates    = ["2026-10-01"]
    start    = "00:00"
    duration = "6h"
  }
}
alert "a" {
  from   = "http_quality"
  by     = ["target"]
  when   = !available
  labels = { team = "web" }
}
route {
  to       = receiver.web
  group_by = ["alert", "target"]
  repeat   = "1h 2h"
  urgent   = true
  route {
    match    = team == "db"
    to       = receiver.db
    continue = true
    route {
      match      = severity == "critical"
      wait       = "0s"
      interval   = "5m"
      repeat     = "never"
      urgent     = false
      active     = [hours.work, hours.night]
    }
  }
  route {
    group_by = []
    active   = hours.night
  }
}
`)
	root := p.Route
	if root.Place != "route" || root.Match != nil || root.To.Name != "web" || root.Wait != 10*time.Second || root.Interval != time.Minute || !root.Urgent || root.Active != nil {
		t.Errorf("the root is %+v", root)
	}
	db := root.Routes[0]
	if db.Place != "route/0" || db.To.Name != "db" || !db.Continue || !slices.Equal(db.GroupBy, []string{"alert", "target"}) || !db.Urgent || !slices.Equal(db.Repeat.Every, root.Repeat.Every) {
		t.Errorf("the first is %+v", db)
	}
	if !db.Match.Holds(map[string]string{"team": "db"}) || db.Match.Holds(map[string]string{"team": "web"}) {
		t.Errorf("it matches %s", db.Match)
	}
	if len(db.To.Steps) != 2 || db.To.Steps[0].After != 0 || db.To.Steps[1].After != 15*time.Minute || !slices.Equal(db.To.Steps[1].To, []string{"sms.duty", "email.ops"}) {
		t.Errorf("its steps are %+v", db.To.Steps)
	}
	inner := db.Routes[0]
	if inner.Place != "route/0/0" || inner.To != db.To || inner.Wait != 0 || inner.Interval != 5*time.Minute || inner.Urgent || len(inner.Repeat.Every) != 0 || inner.Continue {
		t.Errorf("the one within is %+v", inner)
	}
	if inner.Active.Name != "work, night" || len(inner.Active.Windows) != 3 {
		t.Errorf("it is active in %+v", inner.Active)
	}
	w := inner.Active.Windows[0]
	if w.Zone.String() != "Asia/Shanghai" || !slices.Equal(w.Weekdays, []time.Weekday{time.Monday, time.Friday}) || w.Start != 9*time.Hour+30*time.Minute || w.Duration != 10*time.Hour {
		t.Errorf("hours.work is %+v", w)
	}
	if n := inner.Active.Windows[2]; !slices.Equal(n.Days, []int{1, -1}) || !n.Dates[0].Equal(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)) || n.Zone.String() != "Asia/Shanghai" {
		t.Errorf("the last of hours.night is %+v", n)
	}
	if last := root.Routes[1]; last.Place != "route/1" || len(last.GroupBy) != 0 || last.To != root.To {
		t.Errorf("the second is %+v", last)
	}
}

func TestWhatKeepsQuietIsRead(t *testing.T) {
	p := load(t, routed+`
alerting {
  timezone       = "Europe/Berlin"
  language       = "zh"
  hold           = "0s"
  fallback_after = "1m"
  expire         = "2h"
}
alert "silent" {
  from   = "vedette_runtime"
  by     = ["host"]
  absent = "10m"
  expect = ["web-1"]
}
maintenance "release" {
  match    = host == "web-1"
  timezone = "Asia/Shanghai"
  weekdays = ["tue"]
  start    = "02:00"
  duration = "1h"
}
inhibit "a silent host explains the rest" {
  source = alert == "silent"
  target = alert != "silent"
  equal  = ["host"]
}
heartbeat "outside" {
  url = "https://hc.example.com/ping"
  via = notifier.email.ops
}
`)
	if s := p.Settings; s.Zone.String() != "Europe/Berlin" || s.Language != "zh" || s.Hold != 0 || s.FallbackAfter != time.Minute || s.Expire != 2*time.Hour {
		t.Errorf("the settings are %+v", s)
	}
	if m := p.Maintenance[0]; m.Name != "release" || !m.Match.Holds(map[string]string{"host": "web-1"}) || m.Windows[0].Weekdays[0] != time.Tuesday {
		t.Errorf("the maintenance is %+v", m)
	}
	if i := p.Inhibitions[0]; !i.Source.Holds(map[string]string{"alert": "silent"}) || i.Target.Holds(map[string]string{"alert": "silent"}) || !slices.Equal(i.Equal, []string{"host"}) {
		t.Errorf("the inhibition is %+v", i)
	}
	if h := p.Heartbeats[0]; h.URL != "https://hc.example.com/ping" || h.Every != time.Minute || !slices.Equal(h.Via, []string{"email.ops"}) {
		t.Errorf("the heartbeat is %+v", h)
	}
	defaults := load(t, routed).Settings
	if defaults != (Settings{Zone: time.Local, Language: "en", Hold: 15 * time.Second, Attempt: 30 * time.Second, FallbackAfter: 5 * time.Minute, Expire: 24 * time.Hour}) {
		t.Errorf("the defaults are %+v", defaults)
	}
}

func TestAlertsThatAreBuiltInAreReplacedByTheirName(t *testing.T) {
	all := []string{"clock_skew", "no_points", "notifier_failing", "plugin_down", "rule_broken", "storage_failing"}
	names := func(p *Policy) (names []string) {
		for _, a := range p.Alerts {
			names = append(names, a.Name)
		}
		return names
	}
	// Nothing at all has them too, and nobody has to be told.
	p, said := read(t, write(t, "vantage {}\n"))
	if said != "" || !slices.Equal(names(p), all) {
		t.Errorf("there is %v, and it is said %s", names(p), said)
	}
	p = load(t, routed+"alert \"plugin_down\" {\n  enabled = false\n}\nalert \"no_points\" {\n  from = \"vedette_runtime\"\n  when = overdue > \"1h\"\n}\n")
	if got := names(p); !slices.Equal(got, slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == "plugin_down" })) {
		t.Errorf("there is %v", got)
	}
	if a := p.alert("no_points"); fires(t, a, nil, map[string]any{"overdue": 600.0}) || a.Summary != nil {
		t.Error("one that is replaced is still the one that was built in")
	}
}

func TestTheAlertsThatAreBuiltInFireForWhatTheySay(t *testing.T) {
	p := load(t, routed)
	for name, tc := range map[string]struct {
		tags []string
		bad  map[string]any
		good map[string]any
	}{
		"no_points":   {nil, map[string]any{"overdue": 130.0}, map[string]any{"overdue": 110.0}},
		"rule_broken": {[]string{"alert"}, map[string]any{"alert": "a", "broken": true, "full": false}, map[string]any{"alert": "a", "broken": false, "full": false}},
	} {
		if a := p.alert(name); !fires(t, a, tc.tags, tc.bad) || fires(t, a, tc.tags, tc.good) {
			t.Errorf("%s does not tell good from bad", name)
		}
	}
	// These want to see it for a while.
	for name, tc := range map[string]struct {
		tags []string
		bad  map[string]any
	}{
		"notifier_failing": {[]string{"notifier"}, map[string]any{"notifier": "email.ops", "breaker": true, "oldest_s": 0.0}},
		"plugin_down":      {[]string{"plugin"}, map[string]any{"plugin": "p", "up": 0, "state": "backoff"}},
		"storage_failing":  {[]string{"lane"}, map[string]any{"lane": "samples", "state": "holding"}},
		"clock_skew":       {[]string{"alert"}, map[string]any{"alert": "a", "skew": 0}},
	} {
		a := p.alert(name)
		set := rule.NewSet(a.Layout, rule.NewMachine(a.Rule, time.Unix(1000, 0)))
		firedAt := -1
		for i := range 20 {
			now := time.Unix(1000+int64(i)*30, 0)
			if _, ok := tc.bad["skew"]; ok {
				tc.bad["skew"] = i
			}
			out := set.Observe(nil, pointtest.Of(t, a.From, now, tc.bad, func(key string) bool { return slices.Contains(tc.tags, key) }), now)
			if firedAt < 0 && slices.ContainsFunc(out, func(t rule.Transition) bool { return t.To == rule.Firing }) {
				firedAt = i
			}
		}
		if firedAt < 1 {
			t.Errorf("%s fires with sample %d", name, firedAt)
		}
	}
}

func TestWhatIsSaidInOtherWordsJudgesInTheSameWay(t *testing.T) {
	of := func(body string) *rule.Rule {
		return load(t, routed+"locals {\n  slow = 2\n}\nalert \"a\" {\n  from = \"http_quality\"\n  by   = [\"target\"]\n"+body+"\n}\n").alert("a").Rule
	}
	base := of("when = total_time > 2")
	for _, same := range []string{
		"when=total_time>2.0", "when = total_time > \"2s\"", "when = total_time > local.slow", "when = total_time > 2\n summary = \"x\"\n severity = \"warning\"",
		"when = total_time > 2\n labels = { team = \"a\" }\n notify = []",
	} {
		if r := of(same); r.Fingerprint() != base.Fingerprint() || r.Identity() != base.Identity() {
			t.Errorf("%s loses the state", same)
		}
	}
	if r := of("when = total_time > 3"); r.Fingerprint() == base.Fingerprint() || r.Identity() != base.Identity() {
		t.Error("another limit does not judge otherwise, or judges others")
	}
	if r := of("when = total_time > 2\n quorum \"isp\" {\n need = 1\n fresh = \"1m\"\n}"); r.Identity() == base.Identity() {
		t.Error("a quorum has the same instances")
	}
}

// FuzzLoad holds that no text crashes the reader, and that what is refused is refused with a reason.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"testdata/wrong", "testdata/odd"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".hcl") {
				text, err := os.ReadFile(dir + "/" + e.Name())
				if err != nil {
					f.Fatal(err)
				}
				f.Add(string(text))
			}
		}
	}
	f.Add(surroundings + routed)
	path := write(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, said := read(t, path)
		if p == nil && said == "" {
			t.Error("refused without a word")
		}
		if p == nil {
			return
		}
		for _, a := range p.Alerts {
			if a.Rule == nil || a.Layout == nil || a.From == "" {
				t.Errorf("the alert is %+v", a)
			}
		}
	})
}
