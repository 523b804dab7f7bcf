package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/bench/load"
)

const batch = 5000

func lineLength() int {
	total := 0
	for i := range 1000 {
		p := load.At(i, time.Unix(1_700_000_000, 0))
		total += len(p.Append(nil))
	}
	return total / 1000
}

// bare posts the load over one connection, and does nothing else.
func (b *bench) bare(ctx context.Context, database string) (result, error) {
	if err := b.influx.database(database); err != nil {
		return result{}, err
	}
	defer b.influx.drop(database)
	client := http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	used := ownCPU()
	began := time.Now()
	var body []byte
	for i := 0; i < b.points; {
		body = body[:0]
		for end := min(i+batch, b.points); i < end; i++ {
			p := load.At(i, began)
			body = p.Append(body)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.influx.url+"/write?db="+database, bytes.NewReader(body))
		if err != nil {
			return result{}, err
		}
		request.Header.Set("Authorization", "Token "+token)
		r, err := client.Do(request)
		if err != nil {
			return result{}, err
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusNoContent {
			return result{}, fmt.Errorf("the bare loop got %s", r.Status)
		}
	}
	r := result{took: time.Since(began), points: b.points, cpu: ownCPU() - used}
	return r, b.influx.check(ctx, database, b.points)
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
