package rule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/point"
)

func TestATransitionHasACopyOfItsSample(t *testing.T) {
	tr := try(t, with(slow(t), func(s *Spec) { s.Fire = Fire{} }))
	p := pointAt(t, noon, values{"target": "shop", "total_time": 3.0, "command": "x"})
	want := string(p.AppendLine(nil))
	tr.out = tr.set.Observe(tr.out, p, noon)
	for i := range p.Tags {
		clear(p.Tags[i].Value)
	}
	if got := tr.out[0].Sample; got == nil || string(got.AppendLine(nil)) != want {
		t.Errorf("the sample is %v, want %s", got, want)
	}
	tr.see(time.Minute, values{"target": "shop", "total_time": 3.0})
	if len(tr.out) != 1 {
		t.Error(tr.story())
	}
}

func TestTransitionsOfOnePointShareItsCopy(t *testing.T) {
	spec := slow(t)
	spec.Fire = Fire{}
	s := set(t, []Spec{spec, with(spec, func(s *Spec) { s.Name = "other" })})
	out := s.Observe(nil, pointAt(t, noon, values{"target": "shop", "total_time": 3.0}), noon)
	if len(out) != 2 || out[0].Sample == nil || out[0].Sample != out[1].Sample {
		t.Errorf("they are %+v", out)
	}
}

func TestWhatTheClockDecidesHasNoSample(t *testing.T) {
	tr := try(t, Spec{Name: "silent", By: names("host"), Absent: time.Minute})
	tr.see(0, values{"host": "a", "total_time": 1.0})
	tr.tick(time.Minute)
	tr.see(2*time.Minute, values{"host": "a", "total_time": 1.0})
	if tr.want("01:00 silent, 02:00 heard"); tr.out[0].Sample != nil || tr.out[1].Sample == nil {
		t.Errorf("they are %+v", tr.out)
	}
}

func TestFoldedEventsHaveTheSampleOfTheNewest(t *testing.T) {
	tr := try(t, Spec{Name: "rm", By: names("host"), Event: true, Fold: time.Minute, When: parse(t, `startswith(command, "rm")`)})
	commandOf := func(p *point.Point) string {
		i := slices.IndexFunc(p.Fields, func(f point.Field) bool { return string(f.Key) == "command" })
		return string(p.Fields[i].Text())
	}
	for i, command := range []string{"rm a", "rm b", "ls", "rm c"} {
		tr.see(time.Duration(i)*time.Second, values{"host": "h", "command": command})
	}
	// One within the next fold comes before the fold of the last ones was told.
	tr.see(2*time.Minute, values{"host": "h", "command": "rm d"})
	tr.want("00:00 happened, 00:03 more, 02:00 happened")
	var commands []string
	for _, tn := range tr.out {
		commands = append(commands, fmt.Sprintf("%s ×%d", commandOf(tn.Sample), tn.Count))
	}
	if got := strings.Join(commands, ", "); got != "rm a ×1, rm c ×2, rm d ×1" {
		t.Errorf("they have %s", got)
	}
}

func TestTheLastSixteenValuesAreKept(t *testing.T) {
	tr := try(t, slow(t))
	tr.run("total_time", "0.1 0.2 ? _ 0.3 1x14 2.1 2.2 2.3", values{"target": "shop"})
	fired := tr.out[len(tr.out)-1]
	if got := fmt.Sprint(fired.Recent); fired.To != Firing || got != "[1 1 1 1 1 1 1 1 1 1 1 1 1 2.1 2.2 2.3]" {
		t.Errorf("they are %s", got)
	}
	if got := fmt.Sprint(tr.out[0].Recent); got != "[0.3 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2.1]" {
		t.Errorf("those of the first are %s", got)
	}
	if s := tr.machine.Instances(noon.Add(time.Hour))[0]; fmt.Sprint(s.Recent) != fmt.Sprint(fired.Recent) {
		t.Errorf("the instance has %v", s.Recent)
	}
}

func TestAQuorumNamesWhoIsBad(t *testing.T) {
	tr := down(t, func(q *QuorumSpec) { q.MissingIsBad = true })
	tr.minutes(0, "cu=bbbbbbg", "ct=ggggggg")
	tr.want("00:00 pending, 04:00 firing, 06:00 pending")
	var who []string
	for _, tn := range tr.out {
		who = append(who, fmt.Sprintf("%s %d/%d", strings.Join(tn.Who, " "), tn.Bad, tn.Of))
	}
	if got := strings.Join(who, ", "); got != " 0/1, cm cu 2/3, cm 1/3" {
		t.Errorf("they name %s", got)
	}
}

func TestAStatusSaysWhy(t *testing.T) {
	tr := try(t, slow(t))
	tr.run("total_time", "1 1 3 1 3", values{"target": "shop"})
	s := tr.machine.Instances(noon.Add(4*time.Minute + time.Second))[0]
	if s.Ring != "bgb" || s.State != Pending || clock(s.Since) != "02:00" || s.Bad != 2 || s.Of != 3 || s.Usual != time.Minute || s.Key != "shop" || s.Stale {
		t.Errorf("pending it is %+v", s)
	}
	tr.runFrom(5*time.Minute, "total_time", "3 3 1", values{"target": "shop"})
	s = tr.machine.Instances(noon.Add(7*time.Minute + time.Second))[0]
	if s.Ring != "bbg" || s.State != Firing || clock(s.Since) != "06:00" || clock(s.Fired) != "06:00" || s.Good != 1 || clock(s.GoodSince) != "07:00" || clock(s.Heard) != "07:00" {
		t.Errorf("firing it is %+v", s)
	}
	tr.runFrom(8*time.Minute, "total_time", "?x5", values{"target": "shop"})
	if s = tr.machine.Instances(noon.Add(13 * time.Minute))[0]; !s.Broken || !s.Stale || s.Ring != "bbg" {
		t.Errorf("broken it is %+v", s)
	}
}

func TestAStatusSaysWhoVotedWhat(t *testing.T) {
	tr := down(t, nil)
	tr.minutes(0, "ct=bbbbbbb", "cu=bb")
	s := tr.machine.Instances(noon.Add(6*time.Minute + time.Second))[0]
	var votes []string
	for _, v := range s.Votes {
		votes = append(votes, fmt.Sprintf("%s %s %s", v.Name, v.Says, v.Ring))
	}
	if got := strings.Join(votes, ", "); got != "cm silent , ct bad bbb, cu held bb" {
		t.Errorf("they are %s", got)
	}
}

func TestAnInstanceThatWasNeverHeardSaysSo(t *testing.T) {
	tr := try(t, Spec{Name: "silent", By: names("host"), Absent: time.Minute, Expect: []string{"a"}})
	if s := tr.machine.Instances(noon.Add(time.Hour))[0]; !s.Heard.IsZero() || s.Stale {
		t.Errorf("it is %+v", s)
	}
}

func TestAPointIsExplained(t *testing.T) {
	rate := Spec{
		Name: "rate", By: names("target"), Where: parse(t, `isp == "ct"`), Over: 5 * time.Minute, When: parse(t, "ratio(http_code >= 500) > 0.4 && count() >= 3"),
		Recover: Recover{When: parse(t, "ratio(http_code >= 500) < 0.1")},
	}
	s := set(t, []Spec{slow(t), rate})
	for i, code := range []int{200, 500, 500} {
		at := noon.Add(time.Duration(i) * time.Second)
		s.Observe(nil, pointAt(t, at, values{"target": "shop", "isp": "ct", "http_code": code}), at)
	}
	var lines []string
	for _, m := range s.machines {
		e := s.Explain(m, pointAt(t, noon.Add(time.Minute), values{"target": "shop", "isp": "cu", "http_code": 200, "total_time": 2.5}))
		for _, c := range e.Conditions {
			line := fmt.Sprintf("%s %s %s is %s", e.Key, c.What, c.Text, c.Truth)
			for _, term := range c.Terms {
				line += fmt.Sprintf("; %s %s%s", term.Text, term.Value, map[bool]string{true: term.Truth.String()}[term.Value == ""])
			}
			lines = append(lines, line)
		}
	}
	want := `shop critical (total_time > 2) is true; total_time 2.5; (total_time > 2) true
shop recover (total_time < 1.5) is false; total_time 2.5; (total_time < 1.5) false
shop where (isp == "ct") is false; isp "cu"; (isp == "ct") false
shop warning ((ratio((http_code >= 500)) > 0.4) && (count() >= 3)) is true; ratio((http_code >= 500)) 0.6666666666666666; count() 3; (ratio((http_code >= 500)) > 0.4) true; (count() >= 3) true
shop recover (ratio((http_code >= 500)) < 0.1) is false; ratio((http_code >= 500)) 0.6666666666666666; (ratio((http_code >= 500)) < 0.1) false`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
	if n := s.machines[1].Stats().Samples; n != 3 {
		t.Errorf("%d samples were judged: explaining is no judging", n)
	}
}

// TestAHoleCountsForALevelThatDoesNotKnowItsEnd has a hole whose first sample says nothing of one of the levels: for that level the time
// that has to last begins with its next verdict.
func TestAHoleCountsForALevelThatDoesNotKnowItsEnd(t *testing.T) {
	spec := Spec{
		Name: "h", Interval: time.Minute, Fire: Fire{For: 10 * time.Minute},
		Levels: []LevelSpec{{Name{Text: "warning"}, parse(t, "cert_days < 0")}, {Name{Text: "critical"}, parse(t, "total_time > 2")}},
	}
	tr := try(t, spec)
	tr.run("total_time", "3x3", values{"cert_days": 5.0})
	tr.runFrom(30*time.Minute, "total_time", "?", values{"cert_days": 5.0})
	tr.runFrom(31*time.Minute, "total_time", "3x11", values{"cert_days": 5.0})
	tr.want("00:00 pending, 41:00 firing")
}

func TestAHoleCountsForARecoveryThatDoesNotKnowItsEnd(t *testing.T) {
	spec := Spec{
		Name: "h", Interval: time.Minute, When: parse(t, "total_time > 2"),
		Recover: Recover{When: parse(t, "cert_days > 3"), For: 10 * time.Minute},
	}
	tr := try(t, spec)
	tr.run("total_time", "3 1 1", values{"cert_days": 5.0})
	tr.runFrom(30*time.Minute, "total_time", "1", nil)
	tr.runFrom(31*time.Minute, "total_time", "1x11", values{"cert_days": 5.0})
	tr.want("00:00 firing, 41:00 ok")
}
