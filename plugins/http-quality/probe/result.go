package probe

import "time"

// Result is what one probe found. Its strings are fit for output.
type Result struct {
	Start   time.Time // wall clock, for the record; all durations are of the monotonic clock
	Outcome Outcome
	Err     error // nil if the outcome is ok, else an *Error
	Hops    []Hop // at least one
	Total   time.Duration

	// Failed has all expectations that an answer failed: status, header, header_regex, body, first_line, body_regex, json,
	// cert_days, slow.
	Failed []string

	// BodyMatched tells whether the body is as the target expects, if BodyChecked; without an expectation, or a whole body to
	// check it on, there is nothing to tell.
	BodyChecked, BodyMatched bool
}

// Lag is by how much the prober itself was late in all: see Hop.
func (r *Result) Lag() Span {
	var lag Span
	for i := range r.Hops {
		lag.add(r.Hops[i].Lag)
	}
	return lag
}

// Retrans is how many segments were sent again, -1 if that is unknown of all connections.
func (r *Result) Retrans() int {
	n := -1
	for i := range r.Hops {
		if seen := r.Hops[i].Retrans; seen >= 0 {
			n = max(n, 0) + seen
		}
	}
	return n
}

// Last is the hop that gave the answer or failed to.
func (r *Result) Last() *Hop { return &r.Hops[len(r.Hops)-1] }

// Downgraded tells whether a redirect led from https to http.
func (r *Result) Downgraded() bool {
	for i := 1; i < len(r.Hops); i++ {
		if r.Hops[i-1].Secure && !r.Hops[i].Secure {
			return true
		}
	}
	return false
}

// fail sets the outcome, unless the probe failed already.
func (r *Result) fail(err *Error) {
	if r.Err == nil {
		r.Outcome, r.Err = err.Outcome, err
	}
}
