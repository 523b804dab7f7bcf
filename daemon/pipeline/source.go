package pipeline

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/tally"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// refusalLogInterval bounds how often refused points of one plugin are logged; they are counted always.
const refusalLogInterval = 10 * time.Second

// Source takes the points of one plugin. It is safe for concurrent use.
type Source struct {
	pipeline *Pipeline
	logger   hclog.Logger

	mu      sync.Mutex
	terms   Terms
	records map[string]bool // the measurements of the lane of records
	point   point.Point
	counts  Counts
	// contract is what the points are held against; reasons are why some were refused, or fields of them left out.
	contract contract
	reasons  tally.Tally
	logged   time.Time // when a refusal was logged last
	refused  uint64    // since then
	open     []*batch  // not settled, oldest first
}

// Terms say what becomes of a plugin's points.
type Terms struct {
	// Tags are put on points that do not have them.
	Tags []point.Tag
	// Measurements are those that the plugin's manifest declares. Those that are not declared as records are samples.
	Measurements []wire.Measurement
	// MaxSeries is how many series the plugin may make. With it points are held against Measurements; without it
	// everything that can be stored is taken.
	MaxSeries int
}

// Counts say what became of a plugin's points.
type Counts struct {
	// Accepted points were put on disk.
	Accepted uint64
	// Refused points could not be stored, for LastReason the last time.
	Refused    uint64
	LastReason string
	// DroppedFields had no finite value.
	DroppedFields uint64
	// Reasons are why points were refused, or fields of them left out that the manifest does not declare.
	Reasons []tally.Entry
}

// Source returns the intake of a plugin.
func (p *Pipeline) Source(t Terms, logger hclog.Logger) *Source {
	s := &Source{pipeline: p, logger: logger}
	s.SetTerms(t)
	return s
}

// SetTerms changes the terms for points from now on.
func (s *Source) SetTerms(t Terms) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.EqualFunc(s.terms.Tags, t.Tags, func(a, b point.Tag) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	}) {
		// Each series becomes another one.
		s.contract.forget()
	}
	s.terms, s.records = t, map[string]bool{}
	for _, m := range t.Measurements {
		if m.Record {
			s.records[m.Name] = true
		}
	}
	s.contract.set(t.Measurements, t.MaxSeries)
}

// Counts returns the counts of this moment.
func (s *Source) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Reasons = s.reasons.Top()
	return counts
}

// batch is what a plugin has sent at once. It is settled when all its blocks are on disk.
type batch struct {
	source  *Source
	refused []*wire.Refusal
	done    func(refused []*wire.Refusal)
	left    atomic.Int64 // blocks that are not on disk, and one for what the rules have to keep
	// alarms says that something follows from its points for the rules.
	alarms bool
	// givenUp says that its session has ended: nobody waits for it, and what the spool does not take need not be kept.
	givenUp atomic.Bool
}

// Take stores points that are encoded as in a batch. done is called once they are on disk.
func (s *Source) Take(points [][]byte, done func(refused []*wire.Refusal)) {
	b := &batch{source: s, done: done}
	blocks := s.blocks(b, points)
	if len(blocks) == 0 {
		done(b.refused)
		return
	}
	waits := int64(len(blocks))
	if b.alarms {
		waits++
	}
	b.left.Store(waits)
	s.begin(b)
	for _, block := range blocks {
		block.lane.store(block)
	}
	if b.alarms {
		s.pipeline.rules.Settle(func() { b.settled(0) })
	}
}

// begin notes that the batch is under way. A plugin never has more batches without acknowledgement than its window. If
// there are more, the oldest are of a session that has ended: they were never accepted, and go, so that a plugin which is
// started again and again while the disk is full takes no more memory than one.
func (s *Source) begin(b *batch) {
	s.mu.Lock()
	s.open = append(s.open, b)
	var old []*batch
	if extra := len(s.open) - s.pipeline.window; extra > 0 {
		old = slices.Clone(s.open[:extra])
		s.open = slices.Delete(s.open, 0, extra)
	}
	s.mu.Unlock()
	for _, b := range old {
		b.givenUp.Store(true)
	}
	if len(old) > 0 {
		s.pipeline.samples.forget()
		s.pipeline.records.forget()
	}
}

// settle notes that a block of the batch is on disk.
func (b *batch) settle(block *block) {
	p := b.source.pipeline
	p.putBuffer(block.payload)
	p.show(block)
	b.settled(block.points)
}

// settled notes that one of those things is on disk that the batch waits for.
func (b *batch) settled(points int) {
	s := b.source
	last := b.left.Add(-1) == 0
	s.mu.Lock()
	s.counts.Accepted += uint64(points)
	if last {
		if i := slices.Index(s.open, b); i >= 0 {
			s.open = slices.Delete(s.open, i, i+1)
		}
	}
	s.mu.Unlock()
	if last {
		b.done(b.refused)
	}
}

// draft is a block that is being written.
type draft struct {
	lane   *lane
	buf    []byte
	points int
	seen   []seen
}

// blocks writes the points into blocks, most often one, and notes in the batch which were refused.
func (s *Source) blocks(b *batch, points [][]byte) (blocks []*block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	drafts := [2]draft{{lane: s.pipeline.samples}, {lane: s.pipeline.records}}
	watchers := s.pipeline.watchers.Load()
	for i, raw := range points {
		d, err := s.appendPoint(b, &drafts, raw)
		if err != nil {
			s.counts.LastReason = err.Error()
			s.reasons.Add(err.Error())
			b.refused = append(b.refused, &wire.Refusal{Index: uint32(i), Reason: err.Error()})
			continue
		}
		d.see(watchers, &s.point)
		if len(d.buf) >= blockBytes {
			blocks = append(blocks, s.pipeline.finish(d, b))
		}
	}
	for i := range drafts {
		if drafts[i].points > 0 {
			blocks = append(blocks, s.pipeline.finish(&drafts[i], b))
		}
	}
	s.counts.Refused += uint64(len(b.refused))
	s.logRefusals(len(b.refused))
	return blocks
}

// appendPoint appends the point to the draft of its lane, or says why not.
func (s *Source) appendPoint(b *batch, drafts *[2]draft, raw []byte) (*draft, error) {
	if err := s.point.Unmarshal(raw); err != nil {
		return nil, err
	}
	s.point.Stamp(s.terms.Tags)
	dropped, err := s.point.Check()
	s.counts.DroppedFields += uint64(dropped)
	if err != nil {
		return nil, err
	}
	leftOut, err := s.contract.hold(&s.point)
	if err != nil {
		return nil, err
	}
	if leftOut != nil {
		s.reasons.Add("left out a field: " + leftOut.Error())
	}
	if s.pipeline.rules != nil && s.pipeline.rules.Observe(&s.point) {
		b.alarms = true
	}
	d := &drafts[0]
	if s.records[string(s.point.Measurement)] {
		d = &drafts[1]
	}
	if d.points == 0 {
		d.buf = startBlock(s.pipeline.buffer())
	}
	d.buf = appendLine(d.buf, s.point.AppendLine)
	d.points++
	if s.point.Update {
		d.buf[0] |= holdsUpdates
	}
	return d, nil
}

func (s *Source) logRefusals(n int) {
	s.refused += uint64(n)
	if n > 0 && time.Since(s.logged) > refusalLogInterval {
		s.logger.Warn("refused points", "points", s.refused, "last_reason", s.counts.LastReason)
		s.logged, s.refused = time.Now(), 0
	}
}

// finish makes a block of the draft, which is empty afterwards.
func (p *Pipeline) finish(d *draft, b *batch) *block {
	payload := d.buf
	if len(payload) >= packBytes && d.lane.backlog() {
		buf := p.buffer()
		if packed := d.lane.packer.pack(buf, payload); packed != nil {
			buf, payload = payload, packed
		}
		p.putBuffer(buf)
	}
	done := &block{lane: d.lane, batch: b, payload: payload, points: d.points, seen: d.seen}
	*d = draft{lane: d.lane}
	return done
}

// buffer returns memory for a block.
func (p *Pipeline) buffer() []byte {
	if b, ok := p.buffers.Get().(*[]byte); ok {
		return *b
	}
	return nil
}

// putBuffer takes the memory of a block back. A rare huge one is let go.
func (p *Pipeline) putBuffer(b []byte) {
	if cap(b) > 0 && cap(b) <= 2*blockBytes {
		p.buffers.Put(&b)
	}
}
