package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/spool"
)

// small are the bounds of a spool that is full after a few batches.
var small = spool.Options{MaxBytes: 64 << 10, SegmentBytes: 8 << 10}

func TestAFullSpoolHoldsBatchesUntilThereIsRoomAndLosesNone(t *testing.T) {
	p := newPipeline(t, small)
	s := p.testSource()
	text := strings.Repeat("x", 2000)
	var answers []*answer
	var want []string
	const batches = 60
	for n := range batches {
		answers = append(answers, take(s, encode(t, withText(2*n, text), withText(2*n+1, text))))
		want = append(want, lineOf(2*n, text), lineOf(2*n+1, text))
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
	// All appends are answered once the last one is, for they are answered in order.
	waitFor(t, "answers of the spool", func() bool {
		st := p.spool.Stats()
		return st.Appended+st.Refused == batches
	})
	waitFor(t, "acknowledgements of what is on disk", func() bool { return acknowledged() == int(p.spool.Stats().Records) })
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
	waitFor(t, "an empty spool", func() bool { return p.spool.Stats().Records == 0 })
	r.stop(t)
	if since, by := p.Held(); !since.IsZero() || by != nil {
		t.Errorf("held since %v by %v, when all is stored", since, by)
	}
	got := store.lines()
	slices.Sort(got)
	slices.Sort(want)
	wantLines(t, got, want...)
	if n := p.spool.Stats().LastSeq; n != batches {
		t.Errorf("%d batches became %d records", batches, n)
	}
}

func TestTheSpoolCountsAsFullAsLongAsABatchIsHeld(t *testing.T) {
	p := newPipeline(t, small)
	s := p.testSource()
	mustTake(t, s, encode(t, withText(0, strings.Repeat("x", 50<<10))))
	large := take(s, encode(t, withText(1, strings.Repeat("x", 20<<10))))
	waitFor(t, "the large batch to be held", func() bool { _, by := p.Held(); return by != nil })
	since, _ := p.Held()
	mustTake(t, s, encode(t, numbered(2)))
	if now, by := p.Held(); now != since || by == nil {
		t.Errorf("held since %v by %v after a small batch found room, before it since %v", now, by, since)
	}
	r := start(t, p, new(memory))
	waitFor(t, "the large batch's acknowledgement", func() bool { return large.acknowledged() == 1 })
	if since, by := p.Held(); !since.IsZero() || by != nil {
		t.Errorf("held since %v by %v, when all is stored", since, by)
	}
	r.stop(t)
}

func TestRunEndsWhileBatchesAreHeld(t *testing.T) {
	p := newPipeline(t, small)
	s := p.testSource()
	mustTake(t, s, encode(t, withText(0, strings.Repeat("x", 50<<10))))
	held := take(s, encode(t, withText(1, strings.Repeat("x", 20<<10))))
	waitFor(t, "a batch to be held", func() bool { _, by := p.Held(); return by != nil })
	store := &memory{permit: make(chan struct{})}
	r := start(t, p, store)
	waitFor(t, "the delivery", func() bool { return store.begun() == 1 })
	r.stop(t)
	if held.acknowledged() != 0 {
		t.Error("a batch was acknowledged that is nowhere")
	}
}
