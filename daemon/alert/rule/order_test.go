package rule

import (
	"testing"
	"time"
)

// slow is an alert on all points of a measurement.
func slowAnywhere(t *testing.T, fire Fire) *trial {
	return try(t, Spec{Name: "slow", When: parse(t, "total_time > 2"), Fire: fire})
}

func TestPointsOfOneMomentAreAllJudged(t *testing.T) {
	tr := slowAnywhere(t, Fire{Bad: 1, Of: 1})
	tr.see(0, values{"target": "shop", "total_time": 0.4})
	tr.see(0, values{"target": "news", "total_time": 2.5})
	tr.see(0, values{"target": "news", "total_time": 2.5})
	tr.want("00:00 firing")
	if s := tr.machine.Stats(); s.Samples != 2 || s.Late != 1 {
		t.Errorf("%+v, want two samples, and the one that came again as late", s)
	}
}

// A probe that waits for an answer in vain has its point later than one that began after it.
func TestTheSlowestIsJudgedThoughItComesLast(t *testing.T) {
	tr := slowAnywhere(t, Fire{Bad: 1, Of: 1})
	see := func(at, arrives time.Duration, v values) {
		tr.out = tr.set.Observe(tr.out, pointAt(t, noon.Add(at), v), noon.Add(arrives))
	}
	see(time.Second, 2*time.Second, values{"isp": "cu", "total_time": 0.4})
	see(0, 9*time.Second, values{"isp": "ct", "total_time": 9.0})
	see(0, 9*time.Second, values{"isp": "ct", "total_time": 9.0})
	tr.want("00:01 firing")
	if s := tr.machine.Stats(); s.Samples != 2 || s.Late != 1 {
		t.Errorf("%+v, want two samples, and the one that came again as late", s)
	}
}

func TestAWindowHasThePointsOfAllSeries(t *testing.T) {
	tr := try(t, Spec{Name: "slow", Over: 5 * time.Minute, When: parse(t, "count(total_time > 2) >= 3 && count() == 6")})
	for minute := range 2 {
		for _, isp := range []string{"ct", "cu", "cm"} {
			tr.see(time.Duration(minute)*time.Minute, values{"isp": isp, "total_time": map[bool]float64{true: 0.1, false: 2.5}[minute == 0]})
		}
	}
	tr.want("01:00 firing")
}

func TestHitsOfOneMomentAreAllCounted(t *testing.T) {
	tr := try(t, Spec{Name: "hit", Event: true, Fold: time.Minute, When: parse(t, "total_time > 2")})
	for range 2 {
		for _, target := range []string{"shop", "news", "blog"} {
			tr.see(0, values{"target": target, "total_time": 3.0})
		}
	}
	tr.tick(2 * time.Minute)
	if len(tr.out) != 2 || tr.out[1].Count != 2 {
		t.Errorf("%+v, want one told at once, and two more", tr.out)
	}
}

// setBack makes a clock that was an hour ahead right again, also over a restart, after which only what was written is known.
func setBack(t *testing.T, spec Spec, restart bool) *trial {
	t.Helper()
	tr := try(t, spec)
	for i := range 40 {
		tr.see(time.Hour+time.Duration(i)*time.Second, values{"target": "shop", "total_time": 0.4})
	}
	if restart {
		tr.restart(0, spec)
	}
	return tr
}

func TestAClockThatIsSetBackMakesNobodyBlind(t *testing.T) {
	for name, spec := range map[string]Spec{
		"state":  {When: parse(t, "total_time > 2"), Fire: Fire{Bad: 2, Of: 2}},
		"for":    {When: parse(t, "total_time > 2"), Fire: Fire{For: time.Second}},
		"window": {When: parse(t, "avg(total_time) > 2"), Over: time.Minute},
		"quorum": {When: parse(t, "total_time > 2"), Quorum: &QuorumSpec{Tag: Name{Text: "isp"}, Need: 1, Fresh: time.Hour}},
		"event":  {When: parse(t, "total_time > 2"), Event: true},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				spec.Name = name
				tr := setBack(t, spec, restart)
				for i := range 4 {
					tr.see(time.Duration(i)*time.Second, values{"target": "shop", "total_time": 3.0})
				}
				if len(tr.out) == 0 {
					t.Fatalf("restart %t: nothing follows from bad samples: %+v", restart, tr.machine.Stats())
				}
				if last := tr.out[len(tr.out)-1]; last.To != Firing && !spec.Event {
					t.Errorf("restart %t: %s", restart, tr.story())
				}
			})
		}
	}
}

// Events are many at once in the time that never was.
func TestHitsOfAClockThatWasSetBackHideNoOthers(t *testing.T) {
	spec := Spec{Name: "hit", Event: true, When: parse(t, "total_time > 2")}
	tr := try(t, spec)
	for i := range 2 * hitsKept {
		tr.see(time.Hour+time.Duration(i)*time.Second, values{"target": "shop", "total_time": 3.0})
	}
	tr.restart(0, spec)
	before := len(tr.out)
	tr.see(0, values{"target": "shop", "total_time": 3.0})
	if len(tr.out) != before+1 {
		t.Errorf("the hit after the clock was set back is not told: %+v", tr.machine.Stats())
	}
}

// A daemon that ends just after its start has seen a single sample, and finds the same at its next one: nothing has lasted from one to the
// other.
func TestASingleSampleDoesNotLastOverARestart(t *testing.T) {
	spec := Spec{Name: "down", When: parse(t, "!available"), Fire: Fire{For: 30 * time.Second}}
	tr := try(t, spec)
	tr.see(0, values{"available": false})
	tr.restart(2*time.Minute, spec)
	tr.see(2*time.Minute, values{"available": false})
	tr.see(2*time.Minute+10*time.Second, values{"available": true})
	tr.want("00:00 pending, 02:10 ok")
}

// Without fold each is told for itself, and has a time of its own: points of one series and time are one.
func TestHitsOfOneMomentAreToldApart(t *testing.T) {
	tr := try(t, Spec{Name: "hit", Event: true, When: parse(t, "total_time > 2")})
	times := map[time.Time]bool{}
	for _, target := range []string{"shop", "news", "blog"} {
		tr.see(0, values{"target": target, "total_time": 3.0})
	}
	for _, t := range tr.out {
		times[t.At] = true
	}
	if len(times) != 3 {
		t.Errorf("%d times of %d hits, want three: %s", len(times), len(tr.out), tr.story())
	}
}
