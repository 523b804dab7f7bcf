package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// startsPerProcessor is how many plain probes a second one processor does with time to spare.
const startsPerProcessor = 1200

// given is how many processors the runtime may use of this machine, or of the part of it that the process has.
var given = runtime.GOMAXPROCS(0)

// useProcessors takes as many processors as these targets need, which is one for most plugins: probes wait for the network nearly
// all of the time, and threads that look for work beside the one that has it cost a fifth as much again. Looking into bodies may
// take long, so it does not keep others from starting. Where the environment has GOMAXPROCS that holds.
func useProcessors(targets []*target) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	if n := processors(targets, given); n != runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(n)
	}
}

// processors are how many targets need, of so many that there are.
func processors(targets []*target, given int) int {
	starts, bodies := 0.0, 0 // plain ones a second, and processors for bodies
	for _, t := range targets {
		starts += t.prober.Effort() / t.interval.Seconds()
		if t.prober.OpensBody() {
			bodies = 1
		}
	}
	return min(given, 1+int(starts/startsPerProcessor)+bodies)
}

// collectEvery is for how long garbage may gather, within bounds in percent of what is live. The lower one is that of all plugins, and
// the upper one keeps a heap that suddenly grows from growing to a multiple.
const (
	collectEvery = 200 * time.Millisecond
	leastPercent = 50
	mostPercent  = 150
)

// tuneCollector lets garbage gather for collectEvery until ctx ends. What is right for many targets that make little of it is too little
// for few that make much, as those with TLS do. Where the environment has GOGC that holds.
func tuneCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	const every = 10 * time.Second
	again := time.NewTicker(every)
	defer again.Stop()
	for before := allocated(); ; {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		now := allocated()
		debug.SetGCPercent(collectorPercent((now-before)*uint64(collectEvery)/uint64(every), live()))
		before = now
	}
}

// collectorPercent is what makes the collector begin after that much garbage, beside a live heap.
func collectorPercent(garbage, live uint64) int {
	return int(min(max(100*garbage/max(live, 1), leastPercent), mostPercent))
}

// allocated is how many bytes were allocated since the start, and live how many were found in use when garbage was collected last.
func allocated() uint64 { return read("/gc/heap/allocs:bytes") }
func live() uint64      { return read("/gc/heap/live:bytes") }

func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
