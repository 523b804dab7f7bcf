package coverage

import (
	"fmt"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// BenchmarkEachProgram is what the watch takes for a program that a shell runs, its file being looked at.
func BenchmarkEachProgram(b *testing.B) {
	w := New(NewHost())
	now := time.Now()
	w.Kernel(kernel.Exec{At: now, PID: 1, Birth: 7, Terminal: "pts/1", Path: "/bin/bash", Args: []string{"bash", "-i"}}, now)
	w.Heard(0, record.Record{Kind: record.Hello, Shell: "bash", PID: 1, Birth: 7, Seq: 1}, now)
	e := kernel.Exec{At: now, PID: 1 << 22, Parent: 1, Birth: 8, Terminal: "pts/1", Path: "/bin/ls", Args: []string{"ls"}}
	for b.Loop() {
		w.Kernel(e, now)
	}
}

// BenchmarkTick is with many shells.
func BenchmarkTick(b *testing.B) {
	for _, n := range []int{100, maxShells} {
		b.Run(fmt.Sprintf("shells=%d", n), func(b *testing.B) {
			s := newStage()
			for i := range n {
				hooked(s, 100+i)
			}
			for b.Loop() {
				s.Tick(s.now)
			}
		})
	}
}
