package pipeline

import (
	"errors"
	"slices"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/spool"
)

// small are the bounds of a spool that is full after a few batches.
var small = Options{MaxBytes: 64 << 10, Window: 100}

func TestAFullSpoolHoldsBatchesUntilThereIsRoomAndLosesNone(t *testing.T) {
	p := newPipeline(t, small)
	s := p.testSource()
	var answers []*answer
	var want []string
	const batches = 60
	for n := range batches {
		a, b := noise(2*n, 2000), noise(2*n+1, 2000)
		answers = append(answers, take(s, encode(t, withText(2*n, a), withText(2*n+1, b))))
		want = append(want, lineOf(2*n, a), lineOf(2*n+1, b))
	}
	acknowledged := func() (n int) {
		for _, a := range answers {
			if times := a.acknowledged(); times > 1 {
				t.Fatalf("a batch was acknowledged %d times", times)
			} else {
				n += times
			}
		}
		return n
	}
	waitFor(t, "each batch to be on disk or held", func() bool {
		p.samples.mu.Lock()
		defer p.samples.mu.Unlock()
		return acknowledged()+len(p.samples.held) == batches
	})
	waitFor(t, "acknowledgements of what is on disk", func() bool { return acknowledged() == int(p.samples.spool.Stats().Records) })
	waitFor(t, "the pipeline to say that it holds batches", func() bool { _, by := p.Held(); return by != nil })
	since, by := p.Held()
	if since.IsZero() || !errors.Is(by, spool.ErrFull) {
		t.Errorf("held since %v by %v", since, by)
	}
	if n := acknowledged(); n == 0 || n >= batches {
		t.Errorf("%d of %d batches fit into a small spool", n, batches)
	}

	store := new(memory)
	r := start(t, p, store)
	waitFor(t, "all acknowledgements", func() bool { return acknowledged() == batches })
	waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
	r.stop(t)
	if since, by := p.Held(); !since.IsZero() || by != nil {
		t.Errorf("held since %v by %v, when all is stored", since, by)
	}
	got := store.lines()
	slices.Sort(got)
	slices.Sort(want)
	wantLines(t, got, want...)
	if n := p.samples.spool.Stats().LastSeq; n != batches {
		t.Errorf("%d batches became %d records", batches, n)
	}
}

func TestNothingOvertakesABatchThatIsHeld(t *testing.T) {
	p := newPipeline(t, small)
	p.inOrder()
	s := p.testSource()
	mustTake(t, s, encode(t, withText(0, noise(0, 50<<10))))
	large := take(s, encode(t, withText(1, noise(1, 20<<10))))
	tiny := take(s, encode(t, numbered(2)))
	waitFor(t, "both batches to be held", func() bool {
		p.samples.mu.Lock()
		defer p.samples.mu.Unlock()
		return p.samples.waiting == 2
	})
	since, _ := p.Held()
	later := take(s, encode(t, numbered(3)))
	if now, by := p.Held(); now != since || by == nil {
		t.Errorf("held since %v by %v, and before the next batch since %v", now, by, since)
	}
	store := new(memory)
	r := start(t, p, store)
	waitFor(t, "all acknowledgements", func() bool {
		return large.acknowledged() == 1 && tiny.acknowledged() == 1 && later.acknowledged() == 1
	})
	waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
	r.stop(t)
	if since, by := p.Held(); !since.IsZero() || by != nil {
		t.Errorf("held since %v by %v, when all is stored", since, by)
	}
	wantLines(t, store.lines(), lineOf(0, noise(0, 50<<10)), lineOf(1, noise(1, 20<<10)), lineOf(2, ""), lineOf(3, ""))
}

// A session that ends leaves its batches behind. Nobody is told what becomes of them, and as long as they were not
// accepted they need not be kept.
func TestAPluginThatIsStartedAgainAndAgainHoldsNoMoreThanAWindow(t *testing.T) {
	const window = 8
	p := newPipeline(t, Options{MaxBytes: 64 << 10, Window: window})
	p.inOrder()
	s := p.testSource()
	mustTake(t, s, encode(t, withText(0, noise(0, 50<<10))))
	var answers []*answer
	var newest []string
	const sessions = 50
	for n := 1; n <= sessions*window; n++ {
		text := noise(n, 10<<10)
		answers = append(answers, take(s, encode(t, withText(n, text))))
		if n > (sessions-1)*window {
			newest = append(newest, lineOf(n, text))
		}
	}
	held := func() (n, waiting int) {
		p.samples.mu.Lock()
		defer p.samples.mu.Unlock()
		return len(p.samples.held), p.samples.waiting
	}
	waitFor(t, "the spool to refuse all", func() bool {
		n, waiting := held()
		return n == window && waiting == window
	})
	store := new(memory)
	r := start(t, p, store)
	waitFor(t, "the acknowledgements of the last session", func() bool {
		for _, a := range answers[len(answers)-window:] {
			if a.acknowledged() != 1 {
				return false
			}
		}
		return true
	})
	waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
	r.stop(t)
	for i, a := range answers[:len(answers)-window] {
		if a.acknowledged() != 0 {
			t.Errorf("batch %d, which nobody waits for, was acknowledged", i)
		}
	}
	if n, waiting := held(); n != 0 || waiting != 0 {
		t.Errorf("%d batches are held and %d wait when all is stored", n, waiting)
	}
	wantLines(t, store.lines()[1:], newest...)
}

func TestRunEndsWhileBatchesAreHeld(t *testing.T) {
	p := newPipeline(t, small)
	s := p.testSource()
	mustTake(t, s, encode(t, withText(0, noise(0, 50<<10))))
	held := take(s, encode(t, withText(1, noise(1, 20<<10))))
	waitFor(t, "a batch to be held", func() bool { _, by := p.Held(); return by != nil })
	store := &memory{permit: make(chan struct{})}
	r := start(t, p, store)
	waitFor(t, "the delivery", func() bool { return store.begun() == 1 })
	r.stop(t)
	if held.acknowledged() != 0 {
		t.Error("a batch was acknowledged that is nowhere")
	}
}
