package app

import (
	"testing"
	"time"
)

func TestPointsAreOverdueOnceNobodyHasBroughtAnyForLongerThanItMayTake(t *testing.T) {
	var c collecting
	start := time.Unix(1000, 0)
	for i, step := range []struct {
		points   uint64
		patience time.Duration
		after    time.Duration
		want     time.Duration
	}{
		{0, time.Minute, 0, 0},
		{0, time.Minute, 50 * time.Second, 0},
		{0, time.Minute, 90 * time.Second, 30 * time.Second},
		{7, time.Minute, 100 * time.Second, 0},
		{7, time.Minute, 170 * time.Second, 10 * time.Second},
		{7, 0, 200 * time.Second, 0}, // nobody collects any more
		{7, time.Minute, 210 * time.Second, 0},
		{3, time.Minute, 300 * time.Second, 0}, // a plugin is gone, and with it what it had brought
	} {
		if got := c.overdue(step.points, step.patience, start.Add(step.after)); got != step.want {
			t.Errorf("step %d: overdue for %s, want %s", i, got, step.want)
		}
	}
}
