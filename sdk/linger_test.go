package sdk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// emitted puts n points into the outbox.
func emitted(o *outbox, n int) {
	for range n {
		o.put(context.Background(), NewPoint("m").Int("v", 1), time.Unix(1, 0))
	}
}

func TestAQuietPluginsPointsGoAtOnceAndABusyOnesInFewMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(batchBytes)
		sent := func(lingers time.Duration) (points int, wait time.Duration) {
			b, wait := o.take(lingers)
			return b.points, wait
		}
		emitted(o, 3)
		if n, wait := sent(gather); n != 0 || wait != gather {
			t.Errorf("%d points went at once, the others wait %v", n, wait)
		}
		time.Sleep(gather)
		if n, _ := sent(linger); n != 0 {
			t.Errorf("%d points went while a batch is under way", n)
		}
		if n, _ := sent(gather); n != 3 {
			t.Errorf("%d points went after %v", n, gather)
		}
		emitted(o, 2)
		time.Sleep(linger)
		if n, _ := sent(linger); n != 2 {
			t.Errorf("%d points went after %v, with a batch under way", n, linger)
		}
		emitted(o, batchPoints)
		if n, _ := sent(linger); n != batchPoints {
			t.Errorf("%d points of a full batch went at once", n)
		}
		// In a steady stream points wait a little longer, although each batch is acknowledged at once.
		for range 2 {
			time.Sleep(steady / 2)
			emitted(o, 4)
			time.Sleep(gather)
			if n, wait := sent(gather); n != 0 || wait != pace-gather {
				t.Errorf("%d points of a steady stream went after %v, the others wait %v", n, gather, wait)
			}
			time.Sleep(pace - gather)
			if n, _ := sent(gather); n != 4 {
				t.Errorf("%d points of a steady stream went after %v", n, pace)
			}
		}
		emitted(o, 1)
		if n, _ := sent(0); n != 1 {
			t.Errorf("%d points went when nothing lingers", n)
		}
		time.Sleep(steady)
		emitted(o, 1)
		time.Sleep(gather)
		if n, _ := sent(gather); n != 1 {
			t.Errorf("%d points of a quiet plugin went after %v", n, gather)
		}
	})
}
