package window

import (
	"testing"
	"time"
)

// steps gives the intervals to p, in seconds, and writes H for each hole.
func steps(p *Pace, tolerance time.Duration, seconds ...float64) string {
	out := ""
	for _, s := range seconds {
		if p.Step(time.Duration(s*float64(time.Second)), tolerance) {
			out += "H"
		} else {
			out += "."
		}
	}
	return out
}

func TestAPaceTellsAHoleFromAnInterval(t *testing.T) {
	tests := map[string]struct {
		tolerance time.Duration
		seconds   []float64
		want      string
	}{
		"steady":                            {0, []float64{60, 61, 59, 60}, "...."},
		"one sample lost":                   {0, []float64{60, 60, 120, 60}, "...."},
		"two samples lost":                  {0, []float64{60, 60, 180, 60}, "...."},
		"ten minutes lost":                  {0, []float64{60, 60, 600, 60}, "..H."},
		"tolerated":                         {10 * time.Minute, []float64{60, 60, 600, 60}, "...."},
		"a longer interval from now on":     {0, []float64{60, 60, 600, 600, 600, 600}, "..HH.."},
		"two holes far apart":               {0, []float64{60, 600, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 600}, ".H...........H"},
		"three vantage points in turn":      {0, []float64{60, 0.1, 0.1, 60, 0.1, 0.1, 60, 0.1, 0.1, 60}, ".........."},
		"that begin with the short ones":    {0, []float64{0.1, 0.1, 60, 0.1, 0.1, 60, 0.1, 0.1, 60, 0.1, 0.1, 60}, "..H..H......"},
		"and fifty of them":                 {0, append(append([]float64{60}, repeat(0.01, 50)...), 60, 0.01, 60), "...................................................." + ".."},
		"a hole after vantage points":       {0, []float64{60, 0.1, 60, 0.1, 60, 0.1, 400, 0.1}, "......H."},
		"slowly longer":                     {0, []float64{60, 100, 150, 200, 250, 300}, "......"},
		"the interval falls after a reload": {0, []float64{600, 10, 10, 10, 10}, "....."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := steps(new(Pace), tc.tolerance, tc.seconds...); got != tc.want {
				t.Errorf("holes are %s, want %s", got, tc.want)
			}
		})
	}
}

func repeat(v float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = v
	}
	return list
}

func TestAPaceThatIsKnownBeforehandTellsTheFirstHole(t *testing.T) {
	var p Pace
	p.SetUsual(time.Minute)
	if got := steps(&p, 0, 600, 60); got != "H." {
		t.Errorf("holes are %s", got)
	}
}
