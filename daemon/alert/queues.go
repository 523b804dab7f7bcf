package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
)

// Queues say how every channel is, also those that take the whole set and have no queue.
func (e *Engine) Queues(now time.Time) []outbox.Stats {
	var all []outbox.Stats
	for _, s := range e.box.Stats(now) {
		if e.channels[s.Channel].Syncs && s.Depth == 0 {
			continue
		}
		if !strings.HasPrefix(s.Channel, beatPrefix) {
			all = append(all, s)
		}
	}
	for name, s := range e.syncs {
		one := outbox.Stats{Channel: name, Left: -1, LastError: s.err}
		if s.failures > 0 {
			one.Depth, one.Oldest, one.Open, one.Failing = 1, now.Sub(s.failing), s.failures >= brokenAfter, now.Sub(s.failing)
		}
		if s.underWay {
			one.InFlight = 1
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b outbox.Stats) int { return strings.Compare(a.Channel, b.Channel) })
	return all
}
