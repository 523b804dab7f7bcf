package rule

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// slow is the rule of the seed: three slow samples in a row fire, two that are clearly quicker resolve.
func slow(t testing.TB) Spec {
	return Spec{
		Name: "slow", By: names("target"), When: parse(t, "total_time > 2"), Severity: Name{Text: "critical"},
		Fire: Fire{Bad: 3, Of: 3}, Recover: Recover{When: parse(t, "total_time < 1.5"), Good: 2},
	}
}

func with(spec Spec, change func(*Spec)) Spec {
	change(&spec)
	return spec
}

func TestARuleJudgesItsSamples(t *testing.T) {
	plain := Spec{Name: "plain", When: parse(t, "total_time > 2")}
	tests := []struct {
		name   string
		spec   Spec
		script string
		story  string
	}{
		{"one bad sample", plain, "1 3 1", "01:00 firing, 02:00 ok"},
		{"the seed's case", slow(t), "0.4 2.5 0.4 2.5 2.5 2.5 1.8 1.2 1.2", "01:00 pending, 05:00 firing, 08:00 ok"},
		{"between the thresholds the run begins anew", slow(t), "2.5x3 1.2 1.8 1.2 1.2", "00:00 pending, 02:00 firing, 06:00 ok"},
		{"a bad sample begins it anew", slow(t), "2.5x3 1.2 2.5 1.2 1.2", "00:00 pending, 02:00 firing, 06:00 ok"},
		{"after recovery it needs new bad samples", slow(t), "2.5x3 1.2x2 2.5x2 1x3", "00:00 pending, 02:00 firing, 04:00 ok, 05:00 pending, 09:00 ok"},
		{"pending until no bad one is left", slow(t), "2.5 1 1 1", "00:00 pending, 03:00 ok"},
		{"two of three", with(plain, func(s *Spec) { s.Fire = Fire{Bad: 2, Of: 3} }), "3 1 3 1 1", "00:00 pending, 02:00 firing, 03:00 ok"},
		{"two of three that are too far apart", with(plain, func(s *Spec) { s.Fire = Fire{Bad: 2, Of: 3} }), "3 1 1 3 1 1 1", "00:00 pending, 06:00 ok"},

		{"an unknown sample is none", slow(t), "2.5 2.5 ? 2.5", "00:00 pending, 03:00 firing"},
		{"an unknown sample does not resolve", slow(t), "2.5x3 ?x4", "00:00 pending, 02:00 firing"},
		{"an unknown sample breaks no run", slow(t), "2.5x3 1 ? 1", "00:00 pending, 02:00 firing, 05:00 ok"},
		{"what is unknown again and again is broken", plain, "1 ?x4 1 ?x7 1", "10:00 broken, 13:00 mended"},
		{"missing data never resolves", slow(t), "2.5x3 _x500 2.5", "00:00 pending, 02:00 firing"},
		{"nor does it fire", slow(t), "2.5x2 _x500", "00:00 pending"},

		{"for is a time that the samples show", with(plain, func(s *Spec) { s.Fire.For = 3 * time.Minute }), "3x3 1 3x4", "00:00 pending, 03:00 ok, 04:00 pending, 07:00 firing"},
		{"which passes over one lost sample", with(plain, func(s *Spec) { s.Fire.For = 3 * time.Minute }), "1x2 3x2 _ 3", "02:00 pending, 05:00 firing"},
		{"but not over a hole", with(plain, func(s *Spec) { s.Fire.For = 3 * time.Minute }), "1x2 3x2 _x9 3x4", "02:00 pending, 16:00 firing"},
		{"and not without a sample", with(plain, func(s *Spec) { s.Fire.For = 3 * time.Minute }), "3 _x9", "00:00 pending"},
		{"recovery lasts too", with(plain, func(s *Spec) { s.Recover.For = 3 * time.Minute }), "3 1x3 3 1x4", "00:00 firing, 08:00 ok"},
		{"and not over a hole", with(plain, func(s *Spec) { s.Recover.For = 3 * time.Minute }), "1 3 1 1 _x9 1x4", "01:00 firing, 16:00 ok"},
		{"an interval that is known tells the first hole", with(plain, func(s *Spec) { s.Fire.For, s.Interval = 3*time.Minute, time.Minute }), "3 _x9 3x4", "00:00 pending, 13:00 firing"},

		{"where chooses", with(plain, func(s *Spec) { s.Where = parse(t, "total_time != 9") }), "1 9 1", ""},
		{"where that is unknown is broken", with(plain, func(s *Spec) { s.Where = parse(t, "cert_days > 1") }), "3x6", "04:00 broken"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tr := try(t, tc.spec)
			tr.run("total_time", tc.script, values{"target": "shop", "available": true})
			tr.want(tc.story)
		})
	}
}

func TestLevelsRiseAtOnceAndFallThroughRecovery(t *testing.T) {
	spec := Spec{Name: "cert", By: names("target"), Levels: []LevelSpec{
		{Severity: Name{Text: "critical"}, When: parse(t, "cert_days < 7")}, {Severity: Name{Text: "warning"}, When: parse(t, "cert_days < 21")},
	}}
	tr := try(t, spec)
	tr.run("cert_days", "30 20 19 6 6 20 8 90 20", values{"target": "shop"})
	tr.want("01:00 firing, 03:00 worse, 07:00 ok, 08:00 firing")
	var levels []string
	for _, tn := range tr.out {
		levels = append(levels, fmt.Sprintf("%s %v fired %s", tr.rule.Severity(tn.Level), tn.Value, clock(tn.Fired)))
	}
	want := "warning 20 fired 01:00, critical 6 fired 01:00, critical 90 fired 01:00, warning 20 fired 08:00"
	if got := strings.Join(levels, ", "); got != want {
		t.Errorf("the levels are\n  %s, want\n  %s", got, want)
	}
}

func TestALevelThatIsUnknownHoldsRecoveryAndNothingElse(t *testing.T) {
	tr := try(t, Spec{Name: "both", Levels: []LevelSpec{
		{Severity: Name{Text: "warning"}, When: parse(t, "total_time > 2")}, {Severity: Name{Text: "critical"}, When: parse(t, "http_code >= 500")},
	}})
	tr.run("total_time", "3 1 1", nil)
	tr.want("00:00 firing")
	tr.see(3*time.Minute, values{"total_time": 1.0, "http_code": 200})
	tr.want("00:00 firing, 03:00 ok")
}

func TestInstancesAreApart(t *testing.T) {
	tr := try(t, with(slow(t), func(s *Spec) { s.By = names("target", "isp") }))
	for minute := range 4 {
		at := time.Duration(minute) * time.Minute
		tr.see(at, values{"target": "shop", "isp": "ct", "total_time": 3.0})
		tr.see(at, values{"target": "shop", "isp": "cu", "total_time": 1.0})
		tr.see(at, values{"target": "shop", "total_time": 1.0})
	}
	tr.want("00:00 pending, 02:00 firing")
	for _, tn := range tr.out {
		if strings.Join(tn.Values, "|") != "shop|ct" {
			t.Errorf("it is %q that fires", tn.Values)
		}
	}
	list := tr.machine.Instances(noon.Add(4 * time.Minute))
	var got []string
	for _, s := range list {
		got = append(got, fmt.Sprintf("%s %s %d/%d", strings.Join(s.Values, "|"), s.State, s.Bad, s.Of))
	}
	if want := "shop| ok 0/3, shop|ct firing 3/3, shop|cu ok 0/3"; strings.Join(got, ", ") != want {
		t.Errorf("the instances are %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestLatePointsAndRepeatsAreDropped(t *testing.T) {
	tr := try(t, slow(t))
	bad := values{"target": "shop", "total_time": 3.0}
	tr.see(2*time.Minute, bad)
	tr.see(2*time.Minute, bad)
	tr.see(time.Minute, bad)
	tr.want("02:00 pending")
	if s := tr.machine.Stats(); s.Late != 2 || s.Samples != 1 {
		t.Errorf("counted %+v", s)
	}
}

func TestAPointFromTheFutureIsOneOfNow(t *testing.T) {
	tr := try(t, slow(t))
	tr.out = tr.set.Observe(tr.out, pointAt(t, noon.Add(time.Hour), values{"total_time": 3.0}), noon)
	tr.see(time.Minute, values{"total_time": 3.0})
	tr.see(2*time.Minute, values{"total_time": 3.0})
	tr.want("00:00 pending, 02:00 firing")
	if s := tr.machine.Stats(); s.Skew != 1 || s.Late != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestUpdatesAreForRulesThatAskForThem(t *testing.T) {
	for _, updates := range []bool{false, true} {
		tr := try(t, Spec{Name: "u", When: parse(t, "total_time > 2"), Updates: updates})
		p := pointAt(t, noon, values{"total_time": 3.0})
		p.Update = !updates
		tr.out = tr.set.Observe(tr.out, p, noon)
		tr.want("")
		p.Update = updates
		tr.out = tr.set.Observe(tr.out, p, noon)
		tr.want("00:00 firing")
	}
}

func TestAboveTheLimitNewInstancesAreRefusedAndTheOthersGoOn(t *testing.T) {
	tr := try(t, with(slow(t), func(s *Spec) { s.Limit = 2 }))
	for minute := range 4 {
		for _, target := range []string{"a", "b", "c", "d"} {
			tr.see(time.Duration(minute)*time.Minute, values{"target": target, "total_time": 3.0})
		}
	}
	tr.want("00:00 pending, 00:00 pending, 00:00 full, 02:00 firing, 02:00 firing")
	if s := tr.machine.Stats(); s.Refused != 8 {
		t.Errorf("counted %+v", s)
	}
}

func TestAnInstanceIsForgottenAfterLongSilence(t *testing.T) {
	tr := try(t, with(slow(t), func(s *Spec) { s.Forget = time.Hour }))
	tr.run("total_time", "3x3", values{"target": "gone"})
	tr.see(2*time.Minute, values{"target": "well", "total_time": 1.0})
	tr.tick(61 * time.Minute)
	if n := len(tr.machine.Instances(noon.Add(61 * time.Minute))); n != 2 {
		t.Errorf("there are %d instances", n)
	}
	tr.tick(62 * time.Minute)
	tr.want("00:00 pending, 02:00 firing, 62:00 forgotten")
	if n := len(tr.machine.Instances(noon.Add(62 * time.Minute))); n != 0 {
		t.Errorf("there are %d instances", n)
	}
	tr.see(63*time.Minute, values{"target": "gone", "total_time": 1.0})
	if list := tr.machine.Instances(noon.Add(63 * time.Minute)); len(list) != 1 || list[0].State != OK {
		t.Errorf("when it comes back the instances are %+v", list)
	}
}

func TestAnInstanceThatIsSilentIsStale(t *testing.T) {
	tr := try(t, slow(t))
	tr.run("total_time", "3x4", nil)
	for minutes, want := range map[int]bool{4: false, 5: false, 6: true} {
		s := tr.machine.Instances(noon.Add(time.Duration(minutes)*time.Minute + time.Second))[0]
		if s.Stale != want || s.State != Firing || clock(s.Heard) != "03:00" || clock(s.Fired) != "02:00" {
			t.Errorf("after %d minutes: %+v", minutes, s)
		}
	}
}

func TestAnInstanceSaysByWhichSampleItGoesOn(t *testing.T) {
	for script, want := range map[string]string{
		"3x2": "", "3x3": "02:00", "3x5": "04:00", "3x4 1": "", "3x4 1 3": "05:00", "3x4 1 ?": "", "3x4 ? 3": "05:00", "3x3 1x3": "",
		// Neither bad nor recovered.
		"3x3 1.8": "03:00",
	} {
		tr := try(t, slow(t))
		tr.run("total_time", script, nil)
		got := ""
		if at := tr.machine.Instances(noon.Add(10 * time.Minute))[0].BadAt; !at.IsZero() {
			got = clock(at)
		}
		if got != want {
			t.Errorf("%s: it goes on by the sample of %q, want %q", script, got, want)
		}
	}
}

func TestWhatSaysNothingIsStaleButNotForgotten(t *testing.T) {
	tr := try(t, with(slow(t), func(s *Spec) { s.Forget = 10 * time.Minute }))
	tr.run("total_time", "3x4 ?x30", values{"http_code": 200})
	list := tr.machine.Instances(noon.Add(33 * time.Minute))
	if len(list) != 1 || !list[0].Stale || list[0].State != Firing || clock(list[0].Heard) != "03:00" {
		t.Errorf("the instances are %+v", list)
	}
}

func TestFlappingIsToldOnceAtItsBeginningAndItsEnd(t *testing.T) {
	tr := try(t, Spec{Name: "f", When: parse(t, "total_time > 2"), Flap: Flap{Changes: 4, Within: time.Hour, Calm: 30 * time.Minute}})
	tr.run("total_time", "3 1 3 1 3 1 3x40", nil)
	tr.want("00:00 firing, 01:00 ok, 02:00 firing, 03:00 ok, 03:00 flap begins, 04:00 firing, 05:00 ok, 06:00 firing, 36:00 flap ends")
	told := 0
	for _, tn := range tr.out {
		if !tn.Flapping || tn.Reason == FlapBegins {
			told++
		}
	}
	if told != 5 {
		t.Errorf("%d are told, want three changes, the beginning and the end", told)
	}
	if last := tr.out[len(tr.out)-1]; last.To != Firing || clock(last.Fired) != "06:00" {
		t.Errorf("the end tells %+v", last)
	}
}

func TestSlowChangesAreNoFlapping(t *testing.T) {
	tr := try(t, Spec{Name: "f", When: parse(t, "total_time > 2"), Flap: Flap{Changes: 4, Within: 10 * time.Minute, Calm: 30 * time.Minute}})
	tr.run("total_time", strings.Repeat("3x4 1x4 ", 8), nil)
	if strings.Contains(tr.story(), "flap") {
		t.Error(tr.story())
	}
}

func TestTransitionsSayWhatTheyAreAbout(t *testing.T) {
	tr := try(t, slow(t))
	tr.run("total_time", "3 4 5 1 1", values{"target": "shop"})
	var got []string
	for _, tn := range tr.out {
		got = append(got, fmt.Sprintf("%s→%s %v %d/%d", tn.From, tn.To, tn.Value, tn.Bad, tn.Of))
	}
	if want := "ok→pending 3 1/3, pending→firing 5 3/3, firing→ok 1 0/3"; strings.Join(got, ", ") != want {
		t.Errorf("they are %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestAWindowIsJudgedEveryNowAndThenAndResolvesOnlyWhenItIsCovered(t *testing.T) {
	spec := Spec{
		Name: "rate", By: names("target"), Over: 5 * time.Minute, Every: time.Minute,
		When:    parse(t, "ratio(http_code >= 500) > 0.3 && count() >= 10"),
		Recover: Recover{When: parse(t, "ratio(http_code >= 500) < 0.1")},
	}
	tr := try(t, spec)
	second := 0
	give := func(code, n int) {
		for range n {
			tr.see(time.Duration(second)*time.Second, values{"target": "shop", "http_code": code})
			second += 10
		}
	}
	give(500, 8) // too few to judge by
	tr.want("")
	give(500, 8)
	tr.want("02:00 firing")
	give(200, 60)
	tr.want("02:00 firing, 08:00 ok")
	give(500, 15)
	tr.want("02:00 firing, 08:00 ok, 15:00 firing")
	if got := tr.out[2].Value; math.Abs(got-0.5) > 1e-9 {
		t.Errorf("it fires for a ratio of %v", got)
	}
	// Nothing for an hour, then a few good samples: they are not five good minutes.
	second += 3600
	give(200, 29)
	tr.want("02:00 firing, 08:00 ok, 15:00 firing")
	give(200, 8)
	if !strings.HasSuffix(tr.story(), " ok") || strings.Count(tr.story(), "ok") != 2 {
		t.Error(tr.story())
	}
}

func TestARuleOnSilence(t *testing.T) {
	spec := Spec{Name: "silent", By: names("host"), Absent: 10 * time.Minute, Expect: []string{"web-1", "web-2"}, Forget: 24 * time.Hour}
	tr := try(t, spec)
	tr.see(time.Minute, values{"host": "web-1", "total_time": 1.0})
	tr.see(2*time.Minute, values{"host": "db-1", "total_time": 1.0})
	for minute := range 13 {
		tr.tick(time.Duration(minute) * time.Minute)
	}
	tr.want("10:00 silent, 11:00 silent, 12:00 silent")
	if first := tr.out[0]; first.Values[0] != "web-2" || first.Value != 600 {
		t.Errorf("the first is %+v", first)
	}
	tr.see(13*time.Minute, values{"host": "web-1", "total_time": 1.0})
	tr.see(2*time.Minute, values{"host": "db-1", "total_time": 1.0}) // one that arrives again
	tr.want("10:00 silent, 11:00 silent, 12:00 silent, 13:00 heard")
	tr.out = nil
	tr.tick(26 * time.Hour)
	tr.want("1560:00 forgotten, 1560:00 silent")
	if left := tr.machine.Instances(noon.Add(26 * time.Hour)); len(left) != 2 {
		t.Errorf("%d instances are left: those that are expected are never forgotten", len(left))
	}
}

// TestADangerousCommandIsAnEvent has the patterns of examples, over what people type.
func TestADangerousCommandIsAnEvent(t *testing.T) {
	constants := &hcl.EvalContext{Variables: map[string]cty.Value{"local": cty.ObjectVal(map[string]cty.Value{
		"rm_rf_root": cty.StringVal(`(^|[;&|]\s*|sudo\s+)rm\s+(-\S+\s+)*-\S*[rR]\S*\s+(-\S+\s+)*(--\s+)?/(\s|\*|$)`),
		"mkfs":       cty.StringVal(`(^|[;&|]\s*|sudo\s+)mkfs(\.\w+)?\s`),
	})}}
	spec := Spec{
		Name: "dangerous", Context: constants, By: names("host"), Event: true,
		When: parse(t, "http_code == 0 && (matches(command, local.rm_rf_root) || matches(command, local.mkfs))"),
	}
	for command, want := range map[string]bool{
		"rm -rf /": true, "rm -rf /*": true, "sudo rm -r -f /": true, "cd /tmp; rm -fr -- /": true, "true && rm -R /": true, "rm --no-preserve-root -rf /": true,
		"mkfs.ext4 /dev/sda1": true, "sudo mkfs /dev/sdb": true,
		"rm -rf /tmp/x": false, "rm -f /": false, "echo rm -rf /": false, "ls /": false, "man mkfs": false, "farm -rf /": false,
	} {
		tr := try(t, spec)
		tr.see(0, values{"host": "a", "command": command, "http_code": 0})
		tr.see(time.Second, values{"host": "a", "command": command, "http_code": 1000})
		if got := tr.story() == "00:00 happened"; got != want || !want && tr.story() != "" {
			t.Errorf("%s: %q", command, tr.story())
		}
	}
}

func TestEventsAreToldAndThoseThatFollowAreFolded(t *testing.T) {
	tr := try(t, Spec{Name: "rm", By: names("host"), Event: true, Fold: 5 * time.Minute, When: parse(t, `matches(command, "rm -rf /")`)})
	hit, miss := values{"host": "a", "command": "rm -rf /"}, values{"host": "a", "command": "ls"}
	tr.see(0, hit)
	tr.see(time.Second, miss)
	tr.see(3*time.Second, hit)
	tr.see(2*time.Second, hit) // of another shell, and read later
	tr.see(2*time.Second, hit) // again
	tr.tick(4 * time.Minute)
	tr.want("00:00 happened")
	tr.tick(5 * time.Minute)
	tr.want("00:00 happened, 00:02 more")
	if more := tr.out[1]; more.Count != 2 || more.To != OK {
		t.Errorf("it is %+v", more)
	}
	tr.tick(20 * time.Minute)
	tr.see(21*time.Minute, hit)
	tr.want("00:00 happened, 00:02 more, 21:00 happened")
	if s := tr.machine.Stats(); s.Late != 1 {
		t.Errorf("counted %+v", s)
	}
}
