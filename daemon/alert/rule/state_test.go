package rule

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/soak"
)

// store is what was written of a machine, as whoever keeps it has it.
type store map[string][]byte

// write takes what has changed, a few instances at a time.
func (s store) write(m *Machine) {
	for _, key := range m.Removed() {
		delete(s, key)
	}
	for more := true; more; {
		more = m.Changed(3, func(key string, state []byte) bool {
			s[key] = state
			return true
		})
	}
}

// states are in no order.
func (s store) states() iter.Seq2[string, []byte] { return maps.All(s) }

// restart ends the machine and makes another one of what was written, after a time, with a rule that may have changed. The daemon listens
// from then on.
func (tr *trial) restart(after time.Duration, spec Spec) {
	tr.t.Helper()
	tr.restartListening(after, after, spec)
}

func (tr *trial) restartListening(after, listening time.Duration, spec Spec) {
	tr.t.Helper()
	kept := store{}
	tr.machine.Touch()
	kept.write(tr.machine)
	layout := expression.NewLayout(quality)
	r, diags := Compile(layout, spec)
	if diags.HasErrors() {
		tr.t.Fatal(diags)
	}
	m, damaged := RestoreMachine(r, noon.Add(after), noon.Add(listening), kept.states())
	if len(damaged) > 0 {
		tr.t.Fatal(damaged)
	}
	tr.rule, tr.machine, tr.set = r, m, NewSet(layout, m)
}

// kinds are rules of all kinds, for what has to hold for each.
func kinds(t testing.TB) []Spec {
	return append(four(t), slow(t),
		with(slow(t), func(s *Spec) {
			s.Name, s.Fire.For, s.Recover.For, s.Interval = "long", time.Minute, time.Minute, 20*time.Second
		}),
		Spec{Name: "silent", By: names("target"), Absent: 5 * time.Minute, Expect: []string{"t2", "t9"}, Forget: 20 * time.Minute},
		Spec{Name: "all", When: parse(t, "total_time > 2"), Forget: 7 * time.Minute},
		Spec{Name: "lines", By: names("isp"), When: parse(t, "!available"), Where: parse(t, `target != "t1"`), Forget: 9 * time.Minute, Limit: 2},
		Spec{Name: "event", By: names("target", "isp"), Event: true, Fold: time.Minute, When: parse(t, "http_code >= 500"), Forget: 8 * time.Minute},
		Spec{Name: "flap", By: names("target"), When: parse(t, "total_time > 2"), Flap: Flap{Changes: 3, Within: 5 * time.Minute, Calm: 3 * time.Minute}, Forget: 6 * time.Minute},
		Spec{Name: "every", By: names("target"), Over: 2 * time.Minute, Every: 20 * time.Second, When: parse(t, "avg(total_time) > 1.9"), Recover: Recover{For: time.Minute}},
		Spec{Name: "missing", By: names("target"), When: parse(t, "!available"), Quorum: &QuorumSpec{
			Tag: Name{Text: "isp"}, Need: 2, Of: []string{"ct", "cu", "cm"}, Fresh: time.Minute, MissingIsBad: true,
		}},
		Spec{Name: "renamed", Where: parse(t, "cert_days > 5"), When: parse(t, "total_time > 2")},
	)
}

// TestSoakARestartChangesNothing gives the same random points to two machines of each kind. One of them is written and read back again and
// again, in the midst of everything that a rule waits for. Both tell the same.
func TestSoakARestartChangesNothing(t *testing.T) {
	for _, spec := range kinds(t) {
		t.Run(spec.Name, func(t *testing.T) {
			steady, restarted := try(t, spec), try(t, spec)
			kept := store{}
			r := rand.New(rand.NewPCG(12, 34))
			at := time.Duration(0)
			for range soak.Rounds(4_000, 200_000) {
				at += time.Duration(r.IntN(20)) * time.Second
				if r.IntN(300) == 0 {
					at += time.Duration(r.IntN(15)) * time.Minute
				}
				switch r.IntN(8) {
				case 0, 1:
					steady.tick(at)
					restarted.tick(at)
				case 2:
					layout := expression.NewLayout(quality)
					rule, diags := Compile(layout, spec)
					if diags.HasErrors() {
						t.Fatal(diags)
					}
					if r.IntN(2) == 0 {
						restarted.machine.Touch()
					}
					kept.write(restarted.machine)
					m, damaged := RestoreMachine(rule, noon.Add(at), noon, kept.states())
					if len(damaged) > 0 {
						t.Fatal(damaged)
					}
					restarted.machine, restarted.set = m, NewSet(layout, m)
				default:
					v := values{
						"target": []string{"t1", "t2", "t3", "t4"}[r.IntN(4)], "isp": []string{"ct", "cu", "cm"}[r.IntN(3)], "available": r.IntN(3) > 0,
						"http_code": 200 + 300*(r.IntN(4)/3), "total_time": []float64{1, 1.8, 3}[r.IntN(3)], "cert_days": float64(r.IntN(40)),
					}
					if at%(40*time.Minute) < 5*time.Minute {
						delete(v, "cert_days")
						delete(v, "total_time")
					}
					p, now := pointAt(t, noon.Add(at), v), noon.Add(at)
					steady.out = steady.set.Observe(steady.out, p, now)
					restarted.out = restarted.set.Observe(restarted.out, p, now)
				}
				if len(steady.out) != len(restarted.out) {
					t.Fatalf("%d transitions, and with restarts %d:\n%s\n%s", len(steady.out), len(restarted.out), steady.story(), restarted.story())
				}
			}
			for i, a := range steady.out {
				b := restarted.out[i]
				if a, b := told(a)+extras(a), told(b)+extras(b); a != b {
					t.Fatalf("transition %d is\n  %s, and with restarts\n  %s", i, a, b)
				}
			}
			if len(steady.out) < 10 {
				t.Errorf("only %d transitions", len(steady.out))
			}
			now := noon.Add(at)
			if a, b := fmt.Sprint(steady.machine.Instances(now)), fmt.Sprint(restarted.machine.Instances(now)); a != b {
				t.Errorf("the instances are\n  %s, and with restarts\n  %s", a, b)
			}
		})
	}
}

// extras are what a notice shows of a transition.
func extras(t Transition) string {
	sample := "none"
	if t.Sample != nil {
		sample = string(t.Sample.AppendLine(nil))
	}
	return fmt.Sprintf(" %q %v %v %s", t.Key, t.Who, t.Recent, sample)
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	tests := []struct {
		name          string
		spec          Spec
		before        string
		down          time.Duration
		after         string
		told, andThen string
	}{
		{"pending", slow(t), "1 2.5 2.5", 0, "2.5", "01:00 pending", "03:00 firing"},
		{"firing", slow(t), "2.5x3", 0, "1 1", "00:00 pending, 02:00 firing", "04:00 ok"},
		{"firing, and bad all the time", slow(t), "2.5x3", time.Hour, "2.5x3", "00:00 pending, 02:00 firing", ""},
		{"recovering", slow(t), "2.5x3 1", 0, "1", "00:00 pending, 02:00 firing", "04:00 ok"},
		{"for is not over time that nobody saw", with(slow(t), func(s *Spec) { s.Fire = Fire{For: 5 * time.Minute} }), "1 2.5 2.5", time.Hour, "2.5x6", "01:00 pending", "68:00 firing"},
		{"nor is recovery", with(slow(t), func(s *Spec) { s.Fire = Fire{}; s.Recover = Recover{For: 3 * time.Minute} }), "1 2.5 1 1", time.Hour, "1x4", "01:00 firing", "67:00 ok"},
		{"flapping", Spec{Name: "f", When: parse(t, "total_time > 2"), Flap: Flap{Changes: 3, Within: time.Hour, Calm: 10 * time.Minute}}, "3 1 3", 5 * time.Minute, "3x12", "00:00 firing, 01:00 ok, 02:00 firing, 02:00 flap begins", "18:00 flap ends"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tr := try(t, tc.spec)
			tr.run("total_time", tc.before, values{"target": "shop"})
			tr.want(tc.told)
			tr.out = nil
			from := time.Duration(len(strings.Fields(strings.ReplaceAll(tc.before, "x3", " . .")))) * time.Minute
			tr.restart(from+tc.down, tc.spec)
			tr.runFrom(from+tc.down, "total_time", tc.after, values{"target": "shop"})
			tr.want(tc.andThen)
		})
	}
}

func TestAnEventThatWasFoldedIsToldAfterARestart(t *testing.T) {
	spec := Spec{Name: "rm", By: names("host"), Event: true, Fold: 5 * time.Minute, When: parse(t, `matches(command, "rm -rf")`)}
	tr := try(t, spec)
	tr.see(0, values{"host": "a", "command": "rm -rf /"})
	tr.see(time.Minute, values{"host": "a", "command": "rm -rf /tmp"})
	tr.see(2*time.Minute, values{"host": "a", "command": "rm -rf /var"})
	tr.restart(3*time.Minute, spec)
	tr.see(4*time.Minute, values{"host": "a", "command": "rm -rf /var"})
	tr.see(2*time.Minute, values{"host": "a", "command": "rm -rf /var"}) // one that arrives again
	tr.tick(5*time.Minute - time.Second)
	tr.want("00:00 happened")
	tr.restart(time.Hour, spec)
	tr.tick(time.Hour)
	tr.want("00:00 happened, 04:00 more")
	more := tr.out[1]
	if more.Count != 3 || more.Sample == nil || !strings.Contains(string(more.Sample.AppendLine(nil)), "rm -rf /var") || strings.Join(more.Values, "") != "a" {
		t.Errorf("it is %+v", more)
	}
}

func TestWhoDiedWhileNobodyListenedIsToldAndNobodyElse(t *testing.T) {
	spec := Spec{Name: "silent", By: names("host"), Absent: 10 * time.Minute, Expect: []string{"never"}, Forget: 48 * time.Hour}
	tr := try(t, spec)
	for minute := range 5 {
		for _, host := range []string{"well", "dead"} {
			tr.see(time.Duration(minute)*time.Minute, values{"host": host, "http_code": 1})
		}
		tr.tick(time.Duration(minute) * time.Minute)
	}
	tr.restart(3*time.Hour, spec)
	for minute := range 13 {
		at := 3*time.Hour + time.Duration(minute)*time.Minute
		tr.tick(at)
		if minute%2 == 1 {
			tr.see(at, values{"host": "well", "http_code": 1})
		}
	}
	tr.want("190:00 silent, 190:00 silent")
	var who []string
	for _, tn := range tr.out {
		who = append(who, fmt.Sprintf("%s for %s", tn.Values[0], time.Duration(tn.Value)*time.Second))
	}
	slices.Sort(who)
	if got := strings.Join(who, ", "); got != "dead for 3h6m0s, never for 3h10m0s" {
		t.Errorf("silent are %s", got)
	}
	// A reload is no restart: whoever is silent has no more time.
	tr = try(t, spec)
	tr.restartListening(6*time.Minute, 0, spec)
	tr.tick(9 * time.Minute)
	tr.want("")
	tr.tick(10 * time.Minute)
	tr.want("10:00 silent")
}

func TestNobodyIsForgottenRightAfterALongRest(t *testing.T) {
	spec := with(slow(t), func(s *Spec) { s.Forget = 24 * time.Hour })
	tr := try(t, spec)
	tr.run("total_time", "3x3", values{"target": "shop"})
	tr.restart(72*time.Hour, spec)
	tr.tick(72*time.Hour + 59*time.Minute)
	tr.want("00:00 pending, 02:00 firing")
	tr.tick(73 * time.Hour)
	tr.want("00:00 pending, 02:00 firing, 4380:00 forgotten")
}

func TestAQuorumGoesOnAfterARestart(t *testing.T) {
	for _, missing := range []bool{false, true} {
		tr := down(t, func(q *QuorumSpec) { q.MissingIsBad = missing })
		tr.minutes(0, "ct=bbb", "cu=bbb", "cm=ggg")
		spec := tr.rule.spec
		tr.restart(time.Hour, spec)
		tr.tick(time.Hour)
		tr.want("00:00 pending, 01:00 firing")
		tr.minutes(60, "ct=bggg", "cu=bbbb", "cm=gggg")
		tr.want("00:00 pending, 01:00 firing, 61:00 pending")
	}
}

// TestAReloadWithOtherThresholdsLeavesWhatFiresToTheNextVerdicts has rules whose when or fire has changed while an instance was firing,
// pending or well.
func TestAReloadWithOtherThresholdsLeavesWhatFiresToTheNextVerdicts(t *testing.T) {
	higher := with(slow(t), func(s *Spec) { s.When = parse(t, "total_time > 4") })
	tests := []struct {
		name, before, after, story string
		change                     Spec
	}{
		{"it is well by the new one", "2.5x3", "2 1.2 1.2", "00:00 pending, 02:00 firing, 05:00 ok", higher},
		{"it is bad by both", "5x3", "5 5 5", "00:00 pending, 02:00 firing", higher},
		{"recovery begins anew", "2.5x3 1", "1 1", "00:00 pending, 02:00 firing, 05:00 ok", higher},
		{"what was pending needs new bad samples", "2.5 2.5 _", "5 5 5", "00:00 pending, 05:00 firing", higher},
		{"or is well with the next one", "2.5 2.5 _", "2.5", "00:00 pending, 03:00 ok", higher},
		{"what is well begins anew", "1 1 1", "5 5 5", "03:00 pending, 05:00 firing", higher},
		{"another number of samples", "2.5 2.5 _", "2.5", "00:00 pending, 03:00 firing", with(slow(t), func(s *Spec) { s.Fire = Fire{Bad: 1} })},
		{"levels", "2.5x3", "1.2 5 5 5", "00:00 pending, 02:00 firing, 06:00 worse", with(slow(t), func(s *Spec) {
			s.When, s.Severity = nil, Name{}
			s.Levels = []LevelSpec{{Name{Text: "info"}, parse(t, "total_time > 2")}, {Name{Text: "critical"}, parse(t, "total_time > 4")}}
		})},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			before := slow(t)
			if tc.name == "levels" {
				before.Severity.Text = "warning"
			}
			tr := try(t, before)
			tr.run("total_time", tc.before, values{"target": "shop"})
			from := max(tr.set.observed.point.Time-noon.UnixNano()+int64(time.Minute), int64(3*time.Minute))
			tr.restartListening(time.Duration(from), 0, tc.change)
			if tc.change.Name != tr.rule.Name {
				t.Fatal("the rule is another")
			}
			tr.runFrom(time.Duration(from), "total_time", tc.after, values{"target": "shop"})
			tr.want(tc.story)
		})
	}
}

func TestAReloadThatChangesNothingButNamesOrSilenceKeepsWhatWasCounted(t *testing.T) {
	tr := try(t, slow(t))
	tr.run("total_time", "1 3 3", values{"target": "shop"})
	tr.restartListening(3*time.Minute, 0, with(slow(t), func(s *Spec) {
		s.When, s.Limit, s.Forget, s.Flap = parse(t, "(total_time>2.0)"), 7, time.Hour, Flap{Changes: 5, Within: time.Hour, Calm: time.Minute}
	}))
	tr.runFrom(3*time.Minute, "total_time", "3", values{"target": "shop"})
	tr.want("01:00 pending, 03:00 firing")
}

func TestAReloadWithOtherColumnsBeginsWithAnEmptyWindow(t *testing.T) {
	spec := Spec{Name: "w", By: names("target"), Over: 10 * time.Minute, When: parse(t, "sum(total_time) > 9 && count() >= 3")}
	tr := try(t, spec)
	tr.run("total_time", "3x3", values{"target": "shop", "cert_days": 4.0})
	tr.restartListening(3*time.Minute, 0, with(spec, func(s *Spec) { s.Over = 20 * time.Minute }))
	tr.see(3*time.Minute, values{"target": "shop", "total_time": 1.0})
	tr.want("03:00 firing")
	tr.restartListening(4*time.Minute, 0, with(spec, func(s *Spec) { s.When = parse(t, "sum(cert_days) > 9 && count() >= 3") }))
	tr.runFrom(4*time.Minute, "total_time", "3 3", values{"target": "shop", "cert_days": 4.0})
	if s := tr.machine.Instances(noon.Add(5 * time.Minute))[0]; s.State != Firing || s.Ring != "g" {
		t.Errorf("the instance is %+v: with two samples three can not be counted", s)
	}
	tr.runFrom(6*time.Minute, "total_time", "3", values{"target": "shop", "cert_days": 4.0})
	if s := tr.machine.Instances(noon.Add(6 * time.Minute))[0]; s.State != Firing || s.Ring != "b" {
		t.Errorf("the instance is %+v", s)
	}
}

func TestADamagedStateCostsItsInstance(t *testing.T) {
	tr := try(t, slow(t))
	for _, target := range []string{"a", "b", "c"} {
		tr.run("total_time", "3x3", values{"target": target})
	}
	kept := store{}
	kept.write(tr.machine)
	whole := kept["b"]
	for n := range whole {
		kept["b"] = whole[:n]
		m, damaged := RestoreMachine(tr.rule, noon, noon, kept.states())
		if len(damaged) != 1 || damaged[0].Key != "b" || !strings.Contains(damaged[0].Err.Error(), `reading the state of "b" of alert "slow": it is damaged`) || len(m.instances) != 2 {
			t.Fatalf("with %d bytes of %d: %v, %d instances", n, len(whole), damaged, len(m.instances))
		}
	}
	for i := range 8 * len(whole) {
		flipped := slices.Clone(whole)
		flipped[i/8] ^= 1 << (i % 8)
		kept["b"] = flipped
		if _, damaged := RestoreMachine(tr.rule, noon, noon, kept.states()); len(damaged) != 1 {
			t.Fatalf("with bit %d turned: %v", i, damaged)
		}
	}
	kept["b"] = whole
	other := try(t, with(slow(t), func(s *Spec) { s.By = names("isp") }))
	m, damaged := RestoreMachine(other.rule, noon, noon, kept.states())
	if len(damaged) != 3 || len(m.instances) != 0 || !strings.Contains(fmt.Sprint(damaged), ErrOtherRule.Error()) {
		t.Errorf("for a rule with another by: %v", damaged)
	}
}

func TestWhatIsWrittenNowAndThenIsComplete(t *testing.T) {
	tr := try(t, with(slow(t), func(s *Spec) { s.Forget = time.Hour }))
	kept := store{}
	for i := range 50 {
		tr.see(time.Minute, values{"target": fmt.Sprintf("t%d", i), "total_time": 3.0})
	}
	calls := 0
	for more := true; more; calls++ {
		n := 0
		more = tr.machine.Changed(20, func(key string, state []byte) bool {
			n++
			kept[key] = state
			return true
		})
		if n > 20 {
			t.Fatalf("%d at once", n)
		}
	}
	if calls != 3 || len(kept) != 50 {
		t.Errorf("%d instances in %d calls", len(kept), calls)
	}
	// What is not taken comes again, and nothing else does.
	tr.see(2*time.Minute, values{"target": "t7", "total_time": 3.0})
	for range 2 {
		if !tr.machine.Changed(20, func(string, []byte) bool { return false }) {
			t.Error("there is nothing more")
		}
	}
	var keys []string
	tr.machine.Changed(20, func(key string, state []byte) bool {
		keys = append(keys, key)
		if string(state) != string(tr.machine.State(nil, key)) {
			t.Error("State is another one")
		}
		return true
	})
	if fmt.Sprint(keys) != "[t7]" {
		t.Errorf("what has changed is %q", keys)
	}
	tr.see(30*time.Minute, values{"target": "t8", "total_time": 3.0})
	tr.tick(70 * time.Minute)
	if got := tr.machine.Removed(); len(got) != 49 || tr.machine.Removed() != nil || tr.machine.State(nil, "t7") != nil || tr.machine.State(nil, "t8") == nil {
		t.Errorf("%d are removed", len(got))
	}
}

func TestWhatWasToldOfTheRuleItselfIsKnownAfterARestart(t *testing.T) {
	spec := with(slow(t), func(s *Spec) { s.Where, s.Limit = parse(t, "cert_days > 1"), 1 })
	tr := try(t, spec)
	tr.see(0, values{"target": "a", "cert_days": 3.0, "total_time": 1.0})
	tr.see(0, values{"target": "b", "cert_days": 3.0, "total_time": 1.0})
	tr.runFrom(time.Minute, "total_time", "3x5", values{"target": "a"})
	tr.want("00:00 full, 05:00 broken")
	tr.restart(6*time.Minute, spec)
	tr.see(6*time.Minute, values{"target": "b", "cert_days": 3.0, "total_time": 1.0})
	tr.want("00:00 full, 05:00 broken, 06:00 mended")
}

// FuzzRestoreMachine holds that whatever is in a state whose sum is right makes a machine that goes on, or is refused.
func FuzzRestoreMachine(f *testing.F) {
	specs := kinds(f)
	for i, spec := range specs {
		tr := try(f, spec)
		for minute := range 6 {
			tr.see(time.Duration(minute)*20*time.Second, values{"target": "t1", "isp": "ct", "available": false, "http_code": 500, "total_time": 3.0, "cert_days": 6.0})
		}
		for key, state := range tr.machine.States() {
			f.Add(uint8(i), key, state[:len(state)-4])
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, key string, raw []byte) {
		tr := try(t, specs[int(kind)%len(specs)])
		m, _ := RestoreMachine(tr.rule, noon, noon.Add(-time.Hour), func(yield func(string, []byte) bool) { yield(key, (&state{b: raw}).sum(0)) })
		layout := expression.NewLayout(quality)
		rule, _ := Compile(layout, tr.rule.spec)
		m.rule = rule
		tr.machine, tr.set = m, NewSet(layout, m)
		for minute := range 8 {
			at := time.Duration(minute) * time.Minute
			tr.see(at, values{"target": "t1", "isp": "ct", "available": minute%2 == 0, "http_code": 500, "total_time": 3.0, "cert_days": 6.0})
			tr.tick(at)
		}
		tr.tick(24 * time.Hour)
		tr.machine.Instances(noon.Add(24 * time.Hour))
		tr.restart(48*time.Hour, tr.rule.spec)
	})
}

func TestTenThousandInstancesAndNoMore(t *testing.T) {
	tr := try(t, slow(t))
	for minute := range 4 {
		for i := range DefaultLimit + 500 {
			tr.see(time.Duration(minute)*time.Minute, values{"target": fmt.Sprintf("t%d", i), "total_time": 3.0})
		}
	}
	reasons := map[Reason]int{}
	for _, tn := range tr.out {
		reasons[tn.Reason]++
	}
	if s := tr.machine.Stats(); s.Refused != 4*500 || reasons[Full] != 1 || reasons[Bad] != 2*DefaultLimit {
		t.Errorf("counted %+v, told %v", s, reasons)
	}
	kept := store{}
	kept.write(tr.machine)
	m, damaged := RestoreMachine(tr.rule, noon.Add(4*time.Minute), noon.Add(4*time.Minute), kept.states())
	if len(damaged) != 0 || len(m.instances) != DefaultLimit {
		t.Errorf("%d instances are restored, %d damaged", len(m.instances), len(damaged))
	}
}
