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
	LastRefusal string        // why the last lines were set aside
	LastRefused time.Time     // when that was
	LastSuccess time.Time     // of the last lines stored
	Latency     time.Duration // of the last request that InfluxDB judged

	Connections int    // open now
	Batches     uint64 // calls of Write that have settled all of their lines
	Requests    uint64
	Judged      uint64        // requests that InfluxDB judged
	Waited      time.Duration // for the answers to these, in all
	Retries     uint64        // requests that were, or are to be, sent again
	Bytes       uint64        // of bodies, as sent
	Stored      uint64        // lines
	Rejected    uint64        // lines: dead letters
	Expired     uint64        // lines

	// Poisons are the fields that come with a wrong type, the most recent first.
	Poisons []Poison
}

// State may be called at any time, also while Write runs.
func (w *Writer) State() State {
	poisons, connections := w.poisons.list(), int(w.connections.Load())
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	s := w.state.State
	s.Poisons, s.Connections = poisons, connections
	return s
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
	t.Judged++
	t.Waited += latency
	if stored {
		t.LastSuccess = now
	}
}
