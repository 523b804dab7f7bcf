package pipeline

import (
	"strings"
	"sync"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/point"
)

// heldRules are rules for which something follows from every point with an even number, and that keep it when they are told to.
type heldRules struct {
	mu    sync.Mutex
	seen  []string
	holds []func()
}

func (r *heldRules) Observe(p *point.Point) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, string(p.AppendLine(nil)))
	return p.Time%2 == 1
}

func (r *heldRules) Settle(done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds = append(r.holds, done)
}

func (r *heldRules) release() {
	r.mu.Lock()
	holds := r.holds
	r.holds = nil
	r.mu.Unlock()
	for _, done := range holds {
		done()
	}
}

func TestABatchIsAcknowledgedWhenWhatFollowsFromItIsKept(t *testing.T) {
	rules := new(heldRules)
	p := newPipeline(t, Options{})
	p.Judge(rules)
	s := p.testSource(tag("host", "h1"))
	mustTake(t, s, encode(t, numbered(1)))
	alarming := take(s, encode(t, numbered(2), numbered(3)))
	waitFor(t, "the points of both on disk", func() bool { return p.Stats().Samples.Points == 3 })
	if alarming.acknowledged() > 0 {
		t.Fatal("the batch is acknowledged before what follows from it is kept")
	}
	rules.release()
	waitFor(t, "its acknowledgement", func() bool { return alarming.acknowledged() == 1 })
	if got := strings.Join(rules.seen, "\n"); !strings.HasPrefix(got, "m,host=h1 n=1i") || strings.Count(got, "\n") != 2 {
		t.Errorf("the rules have seen %s", got)
	}
}

func TestRulesDoNotSeeWhatIsRefused(t *testing.T) {
	rules := new(heldRules)
	p := newPipeline(t, Options{})
	p.Judge(rules)
	s := p.testSource()
	bad := numbered(2)
	bad.Measurement = ""
	got := mustTake(t, s, encode(t, bad, numbered(1)))
	if len(rules.seen) != 1 || len(got.refused) != 1 {
		t.Errorf("the rules have seen %q, refused are %v", rules.seen, got.refused)
	}
}
