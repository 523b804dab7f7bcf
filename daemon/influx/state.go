package influx

import (
	"sync"
	"time"
)

// Condition is how the way to InfluxDB is.
type Condition string

// The conditions of a Writer.
const (
	Idle          Condition = "idle"          // nothing was sent yet
	Connected     Condition = "connected"     // the last request was answered
	Holding       Condition = "holding"       // it does not take lines now; they wait here and are sent again
	Misconfigured Condition = "misconfigured" // as holding, and a person must mend token, grant, database or address
)

// State is what a Writer knows about itself, since it was made.
type State struct {
	Condition   Condition
	Since       time.Time // of the condition
	LastError   string    // in words, without the token; kept after the condition has changed
	LastErrorAt time.Time
	LastSuccess time.Time     // of the last lines stored
	Latency     time.Duration // of the last request that InfluxDB judged

	Requests uint64
	Retries  uint64 // requests that were, or are to be, sent again
	Stored   uint64 // lines
	Rejected uint64 // lines
	Expired  uint64 // lines
}

// State may be called at any time, also while Write runs.
func (w *Writer) State() State {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	return w.state.State
}

type tracker struct {
	mu sync.Mutex
	State
	// changed, if set, is told of each change of the condition, with the last error in words. It is called with mu held.
	changed func(Condition, string)
}

func (t *tracker) count(f func(*State)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.State)
}

func (t *tracker) set(c Condition, now time.Time) {
	if t.Condition != c {
		t.Condition, t.Since = c, now
		if t.changed != nil {
			t.changed(c, t.LastError)
		}
	}
}

func (t *tracker) failed(c Condition, words string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.LastError, t.LastErrorAt = words, now
	t.set(c, now)
}

func (t *tracker) answered(stored bool, latency time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(Connected, now)
	t.Latency = latency
	if stored {
		t.LastSuccess = now
	}
}
