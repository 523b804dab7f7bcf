package vitals

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Runtime is how the daemon's own process is.
type Runtime struct {
	Version         string
	Uptime          time.Duration
	CPU             time.Duration
	Memory, Heap    int64
	Goroutines      int
	FileDescriptors int
	// Overdue is for how long no plugin has brought the points that it collects, above the time that it may take.
	Overdue time.Duration
}

var runtimeVital = vital[Runtime]{
	name: "vedette_runtime",
	doc:  "The daemon's own process, every 10 s.",
	fields: []field[Runtime]{
		text("version", "of the daemon", func(r *Runtime) string { return r.Version }),
		seconds("uptime", "since the daemon started", func(r *Runtime) time.Duration { return r.Uptime }),
		seconds("cpu_time", "processor time used since then, by the user and the system", func(r *Runtime) time.Duration { return r.CPU }),
		integer("memory", "bytes", "resident memory", func(r *Runtime) int64 { return r.Memory }),
		integer("heap", "bytes", "memory of live and not yet collected objects", func(r *Runtime) int64 { return r.Heap }),
		integer("goroutines", "", "goroutines", func(r *Runtime) int { return r.Goroutines }),
		integer("file_descriptors", "", "open file descriptors", func(r *Runtime) int { return r.FileDescriptors }),
		seconds("overdue", "how long the next point of any plugin that collects at an interval is overdue; 0 if none is, or if there is no such plugin",
			func(r *Runtime) time.Duration { return r.Overdue }),
	},
}

// ReadRuntime measures this process.
func ReadRuntime(version string, started time.Time) Runtime {
	r := Runtime{Version: version, Uptime: time.Since(started), Memory: Resident(os.Getpid()), Goroutines: runtime.NumGoroutine()}
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		r.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	if heap[0].Value.Kind() == metrics.KindUint64 {
		r.Heap = int64(heap[0].Value.Uint64())
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.FileDescriptors = len(open) - 1 // but for the one that reads
	}
	return r
}

// Resident is the resident memory of a process in bytes, or 0 if it can not be told.
func Resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	pages := strings.Fields(string(text))
	if len(pages) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(pages[1], 10, 64)
	if err != nil {
		return 0
	}
	return n * int64(os.Getpagesize())
}
