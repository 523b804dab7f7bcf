// Package load is the load that all contestants carry: the same points, at the same moments.
package load

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Host is the tag that the vantage point adds to points of plugins; the other contestants send it along.
const Host = "bench"

// Series is how many series the points belong to.
const Series = 100

// Point is one point of the load.
type Point struct {
	Target, Region string
	A, B           float64
	N              int64
	Time           time.Time
}

// At returns the i-th point of a load that began at a time. No two share series and time.
func At(i int, began time.Time) Point {
	return Point{
		Target: targets[i%Series], Region: regions[i%len(regions)],
		A: float64(i%1000) / 8, B: float64(i%777) / 3, N: int64(i), Time: began.Add(time.Duration(i)),
	}
}

var (
	targets = func() (names [Series]string) {
		for i := range names {
			names[i] = fmt.Sprintf("target-%02d", i)
		}
		return names
	}()
	regions = []string{"guangzhou", "shanghai", "beijing", "chengdu"}
)

// Append appends the point as line protocol.
func (p *Point) Append(b []byte) []byte {
	b = append(b, "load,host="+Host+",region="...)
	b = append(b, p.Region...)
	b = append(b, ",target="...)
	b = append(b, p.Target...)
	b = append(b, " a="...)
	b = strconv.AppendFloat(b, p.A, 'g', -1, 64)
	b = append(b, ",b="...)
	b = strconv.AppendFloat(b, p.B, 'g', -1, 64)
	b = append(b, ",n="...)
	b = strconv.AppendInt(b, p.N, 10)
	b = append(b, "i "...)
	b = strconv.AppendInt(b, p.Time.UnixNano(), 10)
	return append(b, '\n')
}

// Wait waits until a file is there: the sign to begin.
func Wait(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Pace calls emit for each of n points: as fast as it goes, or at a rate a second.
func Pace(n int, rate float64, emit func(i int, at time.Time)) {
	began := time.Now()
	for i := range n {
		if rate == 0 {
			emit(i, began)
			continue
		}
		time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		// Of this moment, so that its age can be told when it is stored.
		emit(i, time.Now().Add(-time.Duration(i)))
	}
}
