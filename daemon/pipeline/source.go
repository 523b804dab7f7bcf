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

// blockBytes is the size at which a new block begins: stamping can make a batch of many small points much longer.
const blockBytes = 1 << 20

// Source takes the points of one plugin. It is safe for concurrent use.
type Source struct {
	pipeline *Pipeline
	logger   hclog.Logger

	mu     sync.Mutex
	tags   []point.Tag
	point  point.Point
	counts Counts
	// contract is what the points are held against; reasons are why some were refused, or fields of them left out.
	contract contract
	reasons  tally.Tally
	logged   time.Time // when a refusal was logged last
	refused  uint64    // since then
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

// Source returns the intake of a plugin whose points get these tags, unless they have them.
func (p *Pipeline) Source(tags []point.Tag, logger hclog.Logger) *Source {
	return &Source{pipeline: p, tags: tags, logger: logger}
}

// SetTags changes the tags that points get from now on.
func (s *Source) SetTags(tags []point.Tag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.EqualFunc(s.tags, tags, func(a, b point.Tag) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	}) {
		// Each series becomes another one.
		s.contract.forget()
	}
	s.tags = tags
}

// Counts returns the counts of this moment.
func (s *Source) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Reasons = s.reasons.Top()
	return counts
}

// Take stores points that are encoded as in a batch. done is called once they are on disk.
func (s *Source) Take(points [][]byte, done func(refused []*wire.Refusal)) {
	blocks, refused := s.blocks(points)
	if len(blocks) == 0 {
		done(refused)
		return
	}
	var left atomic.Int64
	left.Store(int64(len(blocks)))
	for _, b := range blocks {
		b.done = func() {
			s.accepted(b.points)
			if left.Add(-1) == 0 {
				done(refused)
			}
		}
		s.pipeline.store(b)
	}
}

func (s *Source) accepted(points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Accepted += uint64(points)
}

// blocks writes the points into blocks, most often one, and says which points were refused.
func (s *Source) blocks(points [][]byte) (blocks []block, refused []*wire.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var current block
	for i, raw := range points {
		lines, err := s.appendPoint(current.lines, raw)
		if err != nil {
			s.counts.LastReason = err.Error()
			s.reasons.Add(err.Error())
			refused = append(refused, &wire.Refusal{Index: uint32(i), Reason: err.Error()})
			continue
		}
		current.lines = lines
		current.points++
		if len(lines) >= blockBytes {
			blocks = append(blocks, current)
			current = block{}
		}
	}
	if current.points > 0 {
		blocks = append(blocks, current)
	}
	s.counts.Refused += uint64(len(refused))
	s.logRefusals(len(refused))
	return blocks, refused
}

// appendPoint appends the point to the lines, or says why not.
func (s *Source) appendPoint(lines, raw []byte) ([]byte, error) {
	if err := s.point.Unmarshal(raw); err != nil {
		return nil, err
	}
	s.point.Stamp(s.tags)
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
	return appendLine(lines, s.point.AppendLine), nil
}

func (s *Source) logRefusals(n int) {
	s.refused += uint64(n)
	if n > 0 && time.Since(s.logged) > refusalLogInterval {
		s.logger.Warn("refused points", "points", s.refused, "last_reason", s.counts.LastReason)
		s.logged, s.refused = time.Now(), 0
	}
}
