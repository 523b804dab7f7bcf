package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// beatInterval is how often a session gives a sign of life.
const beatInterval = 5 * time.Second

// session runs a configured plugin for as long as the daemon wants: one goroutine ticks, one reads what the daemon
// says, and the caller of run sends. What is sent and not yet acknowledged is bounded by the window.
type session struct {
	stream grpc.BidiStreamingServer[wire.Control, wire.Batch]
	out    *outbox
	ticker *ticker
	window int

	seq      uint64
	inFlight int
}

// run returns nil when the daemon asked the session to stop and everything that was emitted is acknowledged.
func (s *session) run() error {
	ctx, cancel := context.WithCancel(s.stream.Context())
	defer cancel()

	ticking, stopTicking := context.WithCancel(ctx)
	defer stopTicking()
	ticked := make(chan struct{})
	go func() {
		defer close(ticked)
		s.ticker.run(ticking)
	}()

	controls := make(chan *wire.Control)
	failed := make(chan error, 1)
	go func() { failed <- s.receive(ctx, controls) }()

	beat := time.NewTicker(beatInterval)
	defer beat.Stop()
	lingering := time.NewTimer(0)
	defer lingering.Stop()

	for drained := false; ; {
		wait, err := s.sendDue(drained)
		if err != nil {
			return err
		}
		if drained && s.inFlight == 0 {
			return nil
		}
		if wait > 0 {
			lingering.Reset(wait)
		}
		select {
		case <-s.out.wake:
		case <-lingering.C:
		case <-beat.C:
			if err := s.sendBeat(); err != nil {
				return err
			}
		case c := <-controls:
			switch {
			case c.GetAck() != nil:
				s.inFlight--
			case c.GetStop() != nil:
				stopTicking()
			}
		case <-ticked:
			// Nothing is emitted any more: what is left is sent without lingering.
			drained, ticked = true, nil
		case err := <-failed:
			return err
		}
	}
}

// sendDue sends all batches that are due, as far as the window allows. If what is left only lingers, it returns for how
// long; if it returns with nothing in flight, nothing is left.
func (s *session) sendDue(now bool) (wait time.Duration, err error) {
	for s.inFlight < s.window {
		b, wait := s.out.take(now)
		if b.points == 0 {
			return wait, nil
		}
		s.seq++
		msg := protowire.AppendTag(b.body, wireBatchSeq, protowire.VarintType)
		if err := s.stream.SendMsg(encoded(protowire.AppendVarint(msg, s.seq))); err != nil {
			return 0, fmt.Errorf("sending batch %d: %w", s.seq, err)
		}
		s.inFlight++
	}
	return 0, nil
}

func (s *session) sendBeat() error {
	points, dropped := s.out.counts()
	beat, err := proto.Marshal(&wire.Beat{
		LastTick:      s.ticker.last.Load(),
		Ticks:         s.ticker.ticks.Load(),
		SkippedTicks:  s.ticker.skipped.Load(),
		Points:        points,
		DroppedPoints: dropped,
	})
	if err != nil {
		return err
	}
	msg := protowire.AppendTag(nil, wireBatchBeat, protowire.BytesType)
	if err := s.stream.SendMsg(encoded(protowire.AppendBytes(msg, beat))); err != nil {
		return fmt.Errorf("sending a beat: %w", err)
	}
	return nil
}

func (s *session) receive(ctx context.Context, controls chan<- *wire.Control) error {
	for {
		c, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the daemon ended the session without asking the plugin to stop")
		}
		if err != nil {
			return fmt.Errorf("receiving from the daemon: %w", err)
		}
		select {
		case controls <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
