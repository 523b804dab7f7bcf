package pipeline

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestABatchIsAcknowledgedOnlyWhenItsPointsAreInTheSpool(t *testing.T) {
	p := newPipeline(t, Options{})
	const sources, batches, each = 4, 25, 10
	var all sync.WaitGroup
	for range sources {
		s := p.testSource()
		all.Go(func() {
			var batch []*wire.Point
			for n := range each {
				batch = append(batch, numbered(n))
			}
			raw := encode(t, batch...)
			for range batches {
				answered := make(chan uint64, 1)
				before := p.samples.spool.Stats().Points
				s.Take(raw, func([]*wire.Refusal) { answered <- p.samples.spool.Stats().Points })
				if now := <-answered; now < before+each {
					t.Errorf("acknowledged with %d points in the spool, which had %d before", now, before)
				}
			}
		})
	}
	all.Wait()
	if got := len(delivered(t, p)); got != sources*batches*each {
		t.Errorf("delivered %d points of %d", got, sources*batches*each)
	}
}

func TestNothingIsAcknowledgedThatAClosedSpoolDidNotTake(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	mustTake(t, s, encode(t, numbered(1)))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	// A closed spool answers at once.
	if late := take(s, encode(t, numbered(2))); late.acknowledged() != 0 {
		t.Error("a batch was acknowledged that is nowhere")
	}
}

func TestRefusedPointsAreListedAndTheOthersStored(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	raw := encode(t,
		numbered(0),
		&wire.Point{Measurement: "m", Time: 1},
		&wire.Point{Time: 1, Fields: numbered(1).Fields},
		numbered(3),
		&wire.Point{Measurement: "m", Fields: numbered(1).Fields},
	)
	raw = append(raw, []byte{0xff}, raw[0])
	a := mustTake(t, s, raw)

	want := []struct {
		index  uint32
		reason string
	}{{1, "no fields"}, {2, "measurement"}, {4, "time"}, {5, "malformed"}}
	if len(a.refused) != len(want) {
		t.Fatalf("refused %v, want %v", a.refused, want)
	}
	for i, w := range want {
		if r := a.refused[i]; r.Index != w.index || !strings.Contains(r.Reason, w.reason) {
			t.Errorf("refusal %d is %v, want point %d with %q", i, r, w.index, w.reason)
		}
	}
	if c := s.Counts(); c.Accepted != 3 || c.Refused != 4 || !strings.Contains(c.LastReason, "malformed") {
		t.Errorf("counts are %+v", c)
	}
	wantLines(t, delivered(t, p), lineOf(0, ""), lineOf(3, ""), lineOf(0, ""))
}

func TestABatchOfNothingThatCanBeStoredIsAcknowledgedAtOnce(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	for name, batch := range map[string][][]byte{
		"refused points only": {{0xff}, encode(t, &wire.Point{Measurement: "m"})[0]},
		"no points":           nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := take(s, batch)
			if a.acknowledged() != 1 || len(a.refused) != len(batch) {
				t.Errorf("acknowledged %d times with refusals %v", a.acknowledged(), a.refused)
			}
		})
	}
	if n := p.samples.spool.Stats().LastSeq; n != 0 {
		t.Errorf("the spool has %d records", n)
	}
}

func TestFieldsWithoutAFiniteValueAreDroppedAndCounted(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource()
	inf := numbered(7)
	zero := 0.0
	inf.Fields = append(inf.Fields, &wire.Field{Key: "f", Value: &wire.Field_Float{Float: 1 / zero}})
	mustTake(t, s, encode(t, inf))
	if c := s.Counts(); c.Accepted != 1 || c.DroppedFields != 1 {
		t.Errorf("counts are %+v", c)
	}
	wantLines(t, delivered(t, p), lineOf(7, ""))
}

func TestPointsGetTheTagsOfTheVantagePointUnlessTheyHaveThem(t *testing.T) {
	p := newPipeline(t, Options{})
	s := p.testSource(tag("host", "a b"), tag("isp", "ct"))
	point := func(tags ...*wire.Tag) *wire.Point {
		n := numbered(0)
		n.Tags = tags
		return n
	}
	mustTake(t, s, encode(t,
		point(),
		point(&wire.Tag{Key: "isp", Value: "cu"}, &wire.Tag{Key: "app", Value: "商城"}),
		point(&wire.Tag{Key: "isp"}),
	))
	fields := strings.TrimPrefix(lineOf(0, ""), "m")
	wantLines(t, delivered(t, p),
		`m,host=a\ b,isp=ct`+fields,
		`m,app=商城,host=a\ b,isp=cu`+fields,
		`m,host=a\ b,isp=ct`+fields,
	)
}

func TestABatchLongerThanABlockIsSplitAndAcknowledgedOnce(t *testing.T) {
	p := newPipeline(t, Options{})
	p.inOrder()
	// Stamping is what makes a batch so much longer than its message.
	s := p.testSource(tag("host", strings.Repeat("x", 5000)))
	var batch []*wire.Point
	const points = 700
	for n := range points {
		batch = append(batch, numbered(n))
	}
	raw := encode(t, batch...)
	raw[points/2] = []byte{0xff}
	a := mustTake(t, s, raw)
	if len(a.refused) != 1 || a.refused[0].Index != points/2 {
		t.Errorf("refused %v", a.refused)
	}
	if st := p.samples.spool.Stats(); st.LastSeq < 3 || st.Points != points-1 {
		t.Errorf("the spool has %d records with %d points when the batch is acknowledged", st.LastSeq, st.Points)
	}
	lines := delivered(t, p)
	if len(lines) != points-1 {
		t.Fatalf("delivered %d lines", len(lines))
	}
	for i, line := range lines {
		n := i
		if i >= points/2 {
			n++
		}
		if !strings.HasSuffix(line, fmt.Sprintf(" %d", n+1)) {
			t.Fatalf("line %d is not of point %d: …%s", i, n, line[len(line)-40:])
		}
	}
	if a.acknowledged() != 1 {
		t.Errorf("acknowledged %d times", a.acknowledged())
	}
}
