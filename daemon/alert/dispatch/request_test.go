package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var shanghai = func() *time.Location {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	return zone
}()

func item(kind wire.Kind, alert, severity string, n int) incident.Item {
	return incident.Item{Kind: kind, Incident: incident.Incident{
		ID: fmt.Sprintf("%s%03d", alert, n), Alert: alert, Severity: severity, Fired: noon.Add(time.Duration(n) * time.Second), Summary: fmt.Sprintf("%s %d is bad", alert, n),
	}}
}

func TestANoticeOfOneIsCalledByItsSummaryAndOneOfManyByTheirNumbers(t *testing.T) {
	settings := policy.Settings{Zone: shanghai, Language: "zh"}
	one := Request(&incident.Notice{ID: "n", Channel: "mail", Thread: "t", Kind: wire.Kind_KIND_FIRING, Attempts: 2, Items: []incident.Item{item(wire.Kind_KIND_FIRING, "down", "critical", 1)}}, settings, map[string]string{"ts": "1"})
	if one.Title != "down 1 is bad" || one.TimeZone != "Asia/Shanghai" || one.Language != "zh" || one.Attempt != 2 || one.ThreadState["ts"] != "1" || len(one.Alerts) != 1 {
		t.Errorf("the request is %v", one)
	}
	n := &incident.Notice{Kind: wire.Kind_KIND_FIRING}
	for i := range 70 {
		n.Items = append(n.Items, item(wire.Kind_KIND_FIRING, []string{"down", "down", "slow"}[i%3], "warning", i))
	}
	many := Request(n, settings, nil)
	if many.Title != "70 条告警：down (47), slow (23)" || len(many.Alerts) != mostAlerts || many.Omitted != 20 || !strings.Contains(many.Text, "+ 另有 20 条") {
		t.Errorf("%q with %d alerts, %d left out", many.Title, len(many.Alerts), many.Omitted)
	}
}

func TestADigestHasTheWorstAndCountsTheRest(t *testing.T) {
	n := &incident.Notice{Kind: wire.Kind_KIND_DIGEST}
	for i := range 30 {
		n.Items = append(n.Items, item(wire.Kind_KIND_RESOLVED, "old", "critical", i), item(wire.Kind_KIND_FIRING, "slow", "warning", i))
	}
	n.Items = append(n.Items, item(wire.Kind_KIND_FIRING, "down", "critical", 99))
	r := Request(n, policy.Settings{Zone: time.UTC}, nil)
	if r.Alerts[0].Name != "down" || r.Alerts[1].Name != "slow" || len(r.Alerts) != digestAlerts || r.Omitted != 51 {
		t.Errorf("first are %s and %s, %d are shown, %d are not", r.Alerts[0].Name, r.Alerts[1].Name, len(r.Alerts), r.Omitted)
	}
	for _, want := range []string{"critical: 1\n", "warning: 30\n", "resolved: 30", "+ 51 more\n"} {
		if !strings.Contains(r.Text, want) {
			t.Errorf("the text has no %q:\n%s", want, r.Text)
		}
	}
}

func TestALateNoticeSaysWhenItBeganAndEndedInTheReadersZone(t *testing.T) {
	late := item(wire.Kind_KIND_RESOLVED, "down", "critical", 0)
	late.Late, late.Incident.Resolved = true, noon.Add(4*time.Minute)
	r := Request(&incident.Notice{Kind: wire.Kind_KIND_RESOLVED, InPlaceOf: "mail", Also: 3, Items: []incident.Item{late}}, policy.Settings{Zone: shanghai}, nil)
	if r.Note != "also: 3 alerts that this keeps quiet\nin place of mail, which could not deliver it" {
		t.Errorf("the note is %q", r.Note)
	}
	for _, want := range []string{"began at 2026-03-03 20:00:00 CST and ended at 20:04:00 CST", "in place of mail", "also: 3 alerts"} {
		if !strings.Contains(r.Text, want) {
			t.Errorf("the text has no %q:\n%s", want, r.Text)
		}
	}
}

func TestAReminderOfWhatIsNoLongerHeardOfSaysSinceWhen(t *testing.T) {
	p := simple(t)
	p.Route.Repeat = policy.Repeat{Every: []time.Duration{time.Hour}}
	p.Route.To = receiver(policy.Step{To: []string{"mail"}})
	d := newDesk(t, p)
	d.fire("site_down", "shop")
	d.until("12:10", "shop")
	d.broken["mail"] = true
	d.until("13:01")
	w := d.box.Waiting()
	if len(w) != 1 || w[0].Kind != wire.Kind_KIND_REPEAT {
		t.Fatalf("there wait %v", w)
	}
	r := Request(w[0], policy.Settings{Zone: shanghai}, nil)
	if got := r.Alerts[0].Reason; got != "no data since 2026-03-03 20:10:00 CST" || !strings.Contains(r.Text, got) {
		t.Errorf("the reason is %q, the text\n%s", got, r.Text)
	}
}

func TestTheFixedWordsAreThoseOfTheLanguage(t *testing.T) {
	late := item(wire.Kind_KIND_RESOLVED, "down", "critical", 0)
	late.Late, late.Incident.Resolved = true, noon.Add(4*time.Minute)
	n := &incident.Notice{Kind: wire.Kind_KIND_DIGEST, Also: 2, InPlaceOf: "sms.duty", Items: []incident.Item{item(wire.Kind_KIND_FIRING, "slow", "warning", 1), late}}
	r := Request(n, policy.Settings{Zone: shanghai, Language: "zh"}, nil)
	for _, want := range []string{"警告: 1", "恢复: 1", "另有 2 条告警被其抑制", "代 sms.duty 发送", "告警 [警告] slow 1 is bad", "2026-03-03 20:00:00 CST 开始"} {
		if !strings.Contains(r.Text, want) {
			t.Errorf("the text has no %q:\n%s", want, r.Text)
		}
	}
	if r.Title != "slow 1 is bad; down 0 is bad" {
		t.Errorf("the title is %q", r.Title)
	}
}

func TestAReasonIsToldWhereItSaysMoreThanTheState(t *testing.T) {
	for reason, want := range map[string]string{"bad": "", "good": "", "happened": "", "worse": "it got worse", "rule removed": "its rule was removed"} {
		one := item(wire.Kind_KIND_FIRING, "down", "critical", 1)
		one.Incident.Reason = reason
		if got := Alert(&one, policy.Settings{Zone: time.UTC}).Reason; got != want {
			t.Errorf("%s is told as %q", reason, got)
		}
	}
}

func TestTheMachinesOwnZoneHasANameThatOthersKnow(t *testing.T) {
	t.Setenv("TZ", "Europe/Berlin")
	if got := zoneName(time.Local); got != "Europe/Berlin" {
		t.Errorf("the zone is %s", got)
	}
	t.Setenv("TZ", "")
	if _, err := time.LoadLocation(zoneName(time.Local)); err != nil || zoneName(time.Local) == "Local" {
		t.Errorf("the zone is %s, %v", zoneName(time.Local), err)
	}
}
