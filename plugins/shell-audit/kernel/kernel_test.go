package kernel

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

const patience = 30 * time.Second

// heard collects the events of a source while a test runs.
type heard struct {
	source *Source
	stop   func()

	mu     sync.Mutex
	events []Event
	slow   time.Duration // after each event
}

func listen(t testing.TB, o Options, slow time.Duration) *heard {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the kernel tells root alone what is run: run this test as root")
	}
	s, err := Open(o, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{source: s, slow: slow}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(e Event) {
			h.mu.Lock()
			h.events = append(h.events, e)
			h.mu.Unlock()
			if h.slow > 0 && ctx.Err() == nil {
				time.Sleep(h.slow)
			}
		})
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { h.stop(); s.Close() })
	return h
}

// execs are those so far for which want holds.
func (h *heard) execs(want func(Exec) bool) (found []Exec) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e, ok := e.(Exec); ok && want(e) {
			found = append(found, e)
		}
	}
	return found
}

func (h *heard) exits(want func(Exit) bool) (found []Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e, ok := e.(Exit); ok && want(e) {
			found = append(found, e)
		}
	}
	return found
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func ofPID(pid int) func(Exec) bool { return func(e Exec) bool { return e.PID == pid } }

// program copies a program into a directory of the test, so that others do not run it meanwhile.
func program(t testing.TB, path, name string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}
