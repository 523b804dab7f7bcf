package spool

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

const (
	benchPoints = 100
	benchPoint  = "cpu,host=web-01.example.com,isp=ct,idc=gz1 usage=12.345678,load=0.123456789,procs=417i " +
		"1700000000000000000\n" // 107 bytes
)

func benchPayload() []byte {
	var b []byte
	for range benchPoints {
		b = append(b, benchPoint...)
	}
	return b
}

// BenchmarkAppend appends batches of 100 points from several producers. Each has a window of 8 unanswered batches, like
// a plugin's session.
func BenchmarkAppend(b *testing.B) {
	for _, producers := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			s, _ := mustOpen(b, b.TempDir(), Options{MaxBytes: 64 << 30})
			payload := benchPayload()
			b.SetBytes(int64(len(payload)))
			var wg sync.WaitGroup
			for p := range producers {
				wg.Go(func() {
					window := make(chan struct{}, 8)
					for range (b.N + p) / producers {
						window <- struct{}{}
						s.Append(payload, benchPoints, func(err error) {
							if err != nil {
								b.Error(err)
							}
							<-window
						})
					}
					for range cap(window) {
						window <- struct{}{}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			st := s.Stats()
			b.ReportMetric(float64(b.N)*benchPoints/b.Elapsed().Seconds(), "points/s")
			b.ReportMetric(float64(st.Appended)/float64(st.Syncs), "records/sync")
		})
	}
}

// BenchmarkRead reads batches of 100 points back and commits every hundredth.
func BenchmarkRead(b *testing.B) {
	s, _ := mustOpen(b, b.TempDir(), Options{MaxBytes: 64 << 30})
	payload := benchPayload()
	var wg sync.WaitGroup
	wg.Add(b.N)
	for range b.N {
		s.Append(payload, benchPoints, func(err error) {
			if err != nil {
				b.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		rec, err := s.Read(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if i%100 == 99 {
			if err := s.Commit(rec.Seq); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*benchPoints/b.Elapsed().Seconds(), "points/s")
}
