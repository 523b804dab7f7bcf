package alert

import (
	"strings"
	"time"
)

// Summary is how the alerts are at a glance.
type Summary struct {
	Rules, Firing, Suppressed, Acked, Waiting int
	// Failing are the channels that take nothing.
	Failing []string
	Problem string
}

// Summary is that of the last second. It waits for nothing.
func (e *Engine) Summary() Summary {
	if s := e.summary.Load(); s != nil {
		return *s
	}
	return Summary{}
}

func (e *Engine) summarize(now time.Time) {
	s := &Summary{}
	for _, a := range e.policy.Alerts {
		if !strings.HasPrefix(a.Name, beatPrefix) {
			s.Rules++
		}
	}
	open, _ := e.dispatch.Incidents()
	for _, i := range open {
		if !i.State.Open() {
			continue
		}
		s.Firing++
		if len(i.Suppressed) > 0 {
			s.Suppressed++
		}
		if i.Ack != nil {
			s.Acked++
		}
	}
	for _, q := range e.Queues(now) {
		s.Waiting += q.Depth
		if q.Open {
			s.Failing = append(s.Failing, q.Channel)
		}
	}
	if e.failed {
		s.Problem = notKept
	}
	e.summary.Store(s)
}

// notKept is what people are told while the state can not be written.
const notKept = "what becomes of alerts can not be kept; nothing is told until it can: see the daemon's log"
