// Package backoff says how long to wait before the next try of something that keeps failing: exponentially longer, and
// with full jitter, so that many who failed together do not try again together.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Backoff counts failures. Its zero value waits not at all; it is not safe for concurrent use.
type Backoff struct {
	// Base bounds the first wait, Max every later one; each bound is twice the one before.
	Base, Max time.Duration

	failures int
}

// Next counts one more failure and returns how long to wait: a random time between a tenth of the bound and the bound.
// The tenth keeps an unlucky draw from becoming a hot loop.
func (b *Backoff) Next() time.Duration {
	b.failures++
	return b.Wait(b.failures - 1)
}

// Wait is how long to wait after one more failure than so many, counted by somebody else.
func (b *Backoff) Wait(failures int) time.Duration {
	bound := b.Max
	if shifted := b.Base << failures; failures < 32 && shifted > 0 && shifted < b.Max {
		bound = shifted
	}
	if bound <= 0 {
		return 0
	}
	floor := bound / 10
	return floor + rand.N(bound-floor+1)
}

// Reset forgets the failures.
func (b *Backoff) Reset() { b.failures = 0 }
