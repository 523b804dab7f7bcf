package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Limits that a session gives to a plugin, as the daemon does.
const (
	window   = 8
	maxBatch = 2 << 20
)

// session is the daemon's side of a session, which notes every breach of the contract.
type session struct {
	stream grpc.BidiStreamingClient[wire.Control, wire.Batch]
	// hold keeps batches without acknowledgement.
	hold bool

	sending sync.Mutex // a stream has one sender at a time

	mu       sync.Mutex
	changed  chan struct{} // closed, and replaced, when something below changes
	points   []*wire.Point
	beats    int
	unacked  []uint64
	seq      uint64
	breaches []string
	ended    bool
	err      error // how the stream ended; nil after a clean end
}

func newSession(stream grpc.BidiStreamingClient[wire.Control, wire.Batch], hold bool) *session {
	s := &session{stream: stream, hold: hold, changed: make(chan struct{})}
	go s.receive()
	return s
}

func (s *session) receive() {
	for {
		b, err := s.stream.Recv()
		s.mu.Lock()
		if err != nil {
			s.ended = true
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
		} else {
			s.take(b)
		}
		close(s.changed)
		s.changed = make(chan struct{})
		var due []uint64
		if !s.hold {
			due, s.unacked = s.unacked, nil
		}
		s.mu.Unlock()
		for _, seq := range due {
			s.acknowledge(seq)
		}
		if err != nil {
			return
		}
	}
}

// take notes a batch. The caller holds mu.
func (s *session) take(b *wire.Batch) {
	if b.Beat != nil {
		s.beats++
	}
	if b.Seq == 0 {
		if len(b.Points) > 0 {
			s.breach("a batch without a number has %d points", len(b.Points))
		}
		return
	}
	if s.seq++; b.Seq != s.seq {
		s.breach("batch %d came where %d was due", b.Seq, s.seq)
	}
	s.unacked = append(s.unacked, b.Seq)
	if len(s.unacked) > window {
		s.breach("%d batches were without acknowledgement, and the window is %d", len(s.unacked), window)
	}
	s.points = append(s.points, b.Points...)
}

func (s *session) breach(format string, args ...any) {
	s.breaches = append(s.breaches, fmt.Sprintf(format, args...))
}

func (s *session) acknowledge(seq uint64) {
	s.send(&wire.Control{Kind: &wire.Control_Ack{Ack: &wire.Ack{Seq: seq}}})
}

// release acknowledges what was held, and from now on every batch at once.
func (s *session) release() {
	s.mu.Lock()
	s.hold = false
	due := s.unacked
	s.unacked = nil
	s.mu.Unlock()
	for _, seq := range due {
		s.acknowledge(seq)
	}
}

func (s *session) stop() { s.send(&wire.Control{Kind: &wire.Control_Stop{Stop: &wire.Stop{}}}) }

// send ignores an error: what ended the stream is known from receiving.
func (s *session) send(c *wire.Control) {
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.stream.Send(c)
}

// until waits for a condition on the session's state.
func (s *session) until(ctx context.Context, condition func() bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !condition() {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			s.mu.Lock()
			return ctx.Err()
		}
		s.mu.Lock()
	}
	return nil
}
