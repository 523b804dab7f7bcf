package sdk

import (
	"context"
	"testing"
	"time"
)

func BenchmarkEmit(b *testing.B) {
	o := newOutbox(batchBytes)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-o.wake:
				for {
					batch, _ := o.take(0)
					if batch.points == 0 {
						break
					}
				}
			}
		}
	}()
	e := openEmitter{context.Background(), o}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		e.Emit(NewPoint("load").Tag("region", "guangzhou").Tag("target", "target-01").Float("a", 1.5).Float("b", 2.5).Int("n", 7).At(now))
	}
	close(done)
}
