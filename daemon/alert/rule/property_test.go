package rule

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/soak"
)

// TestWhatIsNoSampleChangesNothing gives the same samples to two rules: the second also gets unknown ones, repeats, late ones and
// the clock between them. Both have the same story.
func TestWhatIsNoSampleChangesNothing(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		spec := Spec{
			Name: "p", When: parse(t, "total_time > 2"), Interval: time.Minute,
			Fire:    Fire{Bad: 1 + r.IntN(3), For: time.Duration(r.IntN(4)) * time.Minute},
			Recover: Recover{When: parse(t, "total_time < 1.5"), Good: 1 + r.IntN(3), For: time.Duration(r.IntN(4)) * time.Minute},
		}
		spec.Fire.Of = spec.Fire.Bad + r.IntN(3)
		clean, disturbed := try(t, spec), try(t, spec)
		at := time.Duration(0)
		for range 80 {
			at += time.Duration(1+r.IntN(3)) * time.Minute
			if r.IntN(20) == 0 {
				at += time.Hour
			}
			sample := values{"total_time": []float64{1, 1.8, 3}[r.IntN(3)]}
			clean.see(at, sample)
			disturbed.see(at, sample)
			for range r.IntN(4) {
				switch r.IntN(4) {
				case 0:
					disturbed.see(at+time.Duration(r.IntN(50))*time.Second, values{"http_code": 1})
				case 1:
					disturbed.see(at, values{"total_time": 3.0})
				case 2:
					late := pointAt(t, noon.Add(at-time.Duration(r.IntN(600))*time.Second), values{"total_time": 1.0})
					disturbed.out = disturbed.set.Observe(disturbed.out, late, noon.Add(at))
				case 3:
					disturbed.tick(at + time.Second)
				}
			}
		}
		var kept []Transition
		for _, tn := range disturbed.out {
			if tn.Reason != Broken && tn.Reason != Mended {
				kept = append(kept, tn)
			}
		}
		disturbed.out = kept
		if clean.story() != disturbed.story() {
			t.Fatalf("seed %d, %+v:\n  %s\n  %s", seed, spec.Fire, clean.story(), disturbed.story())
		}
		if len(clean.out) == 0 {
			t.Fatalf("seed %d: nothing happens", seed)
		}
	}
}

// TestNothingResolvesWithoutGoodSamples holds the first promise over random samples: between a fire and its end there are enough
// good ones in a row, and before a fire enough bad ones.
func TestNothingResolvesWithoutGoodSamples(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		spec := Spec{Name: "p", When: parse(t, "total_time > 2"), Fire: Fire{Bad: 1 + r.IntN(3)}, Recover: Recover{Good: 1 + r.IntN(3)}}
		spec.Fire.Of = spec.Fire.Bad + r.IntN(3)
		tr := try(t, spec)
		var history []bool // of the bad ones, since the last change
		firing := false
		for minute := range 100 {
			v := values{"total_time": []float64{1, 3}[r.IntN(2)]}
			unknown := r.IntN(5) == 0
			if unknown {
				v = values{"http_code": 200}
			} else {
				history = append(history, v["total_time"] == 3.0)
			}
			tr.see(time.Duration(minute)*time.Minute, v)
			tr.tick(time.Duration(minute) * time.Minute)
			want := firing
			if bad := count(history, spec.Fire.Of, true); !firing && bad >= spec.Fire.Bad {
				want = true
			}
			if !unknown && firing && len(history) >= spec.Recover.Good && count(history, spec.Recover.Good, false) == spec.Recover.Good {
				want = false
			}
			if got := tr.machine.Instances(noon.Add(time.Duration(minute) * time.Minute))[0].State == Firing; got != want {
				t.Fatalf("seed %d, minute %d: it fires: %t, want %t after %v", seed, minute, got, want, history)
			}
			if want != firing {
				history, firing = nil, want
			}
		}
	}
}

// TestSoakRulesOfASetDoNotDisturbEachOther gives points to rules that stand in one set, and to each of them alone: they tell the same.
func TestSoakRulesOfASetDoNotDisturbEachOther(t *testing.T) {
	specs := append(four(t), slow(t),
		Spec{Name: "silent", By: names("target"), Absent: 5 * time.Minute, Expect: []string{"t2", "t9", "t9"}, Forget: 20 * time.Minute},
		Spec{Name: "all", When: parse(t, "total_time > 2"), Forget: 7 * time.Minute},
		Spec{Name: "lines", By: names("isp"), When: parse(t, "!available"), Where: parse(t, `target != "t1"`), Forget: 9 * time.Minute, Limit: 2},
		Spec{Name: "event", By: names("target", "isp"), Event: true, Fold: time.Minute, When: parse(t, "http_code >= 500"), Forget: 8 * time.Minute},
		Spec{Name: "flap", By: names("target"), When: parse(t, "total_time > 2"), Flap: Flap{Changes: 3, Within: 5 * time.Minute, Calm: 3 * time.Minute}, Forget: 6 * time.Minute},
	)
	together := set(t, specs)
	var alone []*Set
	for _, spec := range specs {
		alone = append(alone, set(t, []Spec{spec}))
	}
	var got, want []Transition
	r := rand.New(rand.NewPCG(8, 9))
	at := noon
	for range soak.Rounds(6_000, 500_000) {
		at = at.Add(time.Duration(r.IntN(20)) * time.Second)
		if r.IntN(300) == 0 {
			at = at.Add(time.Duration(r.IntN(15)) * time.Minute)
		}
		if r.IntN(4) == 0 {
			got = together.Tick(got, at)
			for _, s := range alone {
				want = s.Tick(want, at)
			}
			continue
		}
		p := pointAt(t, at, values{
			"target": []string{"t1", "t2", "t3", "t4"}[r.IntN(4)], "isp": []string{"ct", "cu", "cm"}[r.IntN(3)], "available": r.IntN(3) > 0,
			"http_code": 200 + 300*(r.IntN(4)/3), "total_time": []float64{1, 1.8, 3}[r.IntN(3)], "cert_days": float64(r.IntN(40)),
		})
		got = together.Observe(got, p, at)
		for _, s := range alone {
			want = s.Observe(want, p, at)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d transitions together, %d alone", len(got), len(want))
	}
	seen := map[Reason]int{}
	for i := range got {
		seen[got[i].Reason]++
		if a, b := told(got[i]), told(want[i]); a != b {
			t.Fatalf("transition %d is %s together, and %s alone", i, a, b)
		}
	}
	for reason := range Full + 1 {
		if seen[reason] == 0 && reason != Broken && reason != Mended {
			t.Errorf("nothing is told for the reason %q", reason)
		}
	}
}

func told(t Transition) string {
	return fmt.Sprint(t.Rule.Name, t.Values, t.From, t.To, t.Reason, t.Level, t.At, t.Fired, t.Value, t.Bad, t.Of, t.Count, t.Flapping)
}

// count is how many of the last n are want.
func count(history []bool, n int, want bool) int {
	found := 0
	for _, bad := range history[max(0, len(history)-n):] {
		if bad == want {
			found++
		}
	}
	return found
}
