package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// beatInterval is how often a session gives a sign of life.
const beatInterval = 5 * time.Second

// session runs a configured plugin for as long as the daemon wants: one goroutine for each of its parts, one that reads
// what the daemon says, and the caller of run, who sends. What is sent and not yet acknowledged is bounded by the window.
type session struct {
	stream grpc.BidiStreamingServer[wire.Control, wire.Batch]
	out    *outbox
	// ticker and streamer are nil in a plugin that is no collector or no streamer.
	ticker   *ticker
	streamer Streamer
	window   int

	seq      uint64
	inFlight []sent // oldest first
}

// sent is a batch that waits for its acknowledgement, or for that of one before it.
type sent struct {
	points int
	ack    *wire.Ack
}

// run returns nil when the daemon asked the session to stop and everything that was emitted is acknowledged.
func (s *session) run() error {
	ctx, cancel := context.WithCancel(s.stream.Context())
	defer cancel()

	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	worked := make(chan error, 1)
	go func() { worked <- s.work(working) }()

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
		if drained && len(s.inFlight) == 0 {
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
				s.acknowledged(c.GetAck())
			case c.GetStop() != nil:
				stopWorking()
			}
		case err := <-worked:
			if err != nil {
				return err
			}
			// Nothing is emitted any more: what is left is sent without lingering.
			drained, worked = true, nil
		case err := <-failed:
			return err
		}
	}
}

// work runs the plugin's parts until ctx ends and they have returned.
func (s *session) work(ctx context.Context) error {
	var ticking sync.WaitGroup
	defer ticking.Wait()
	if s.ticker != nil {
		ticking.Go(func() { s.ticker.run(ctx) })
	}
	if s.streamer == nil {
		<-ctx.Done()
		return nil
	}
	err := stream(ctx, s.streamer, s.out)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("it returned before it was stopped")
	}
	return fmt.Errorf("the stream failed: %w", err)
}

// acknowledged settles the batches that are acknowledged together with all before them.
func (s *session) acknowledged(ack *wire.Ack) {
	oldest := s.seq - uint64(len(s.inFlight)) + 1
	if ack.Seq < oldest || ack.Seq > s.seq {
		return
	}
	s.inFlight[ack.Seq-oldest].ack = ack
	for len(s.inFlight) > 0 && s.inFlight[0].ack != nil {
		s.out.settle(s.inFlight[0].points, s.inFlight[0].ack.Refused)
		s.inFlight = s.inFlight[1:]
	}
}

// sendDue sends all batches that are due, as far as the window allows; when nothing is emitted any more, all are. If what
// is left only lingers, it returns for how long; if it returns with nothing in flight, nothing is left.
func (s *session) sendDue(drained bool) (wait time.Duration, err error) {
	for len(s.inFlight) < s.window {
		lingers := linger
		switch {
		case drained:
			lingers = 0
		case len(s.inFlight) == 0:
			lingers = gather
		}
		b, wait := s.out.take(lingers)
		if b.points == 0 {
			return wait, nil
		}
		s.seq++
		msg := protowire.AppendTag(b.body, wireBatchSeq, protowire.VarintType)
		if err := s.stream.SendMsg(encoded(protowire.AppendVarint(msg, s.seq))); err != nil {
			return 0, fmt.Errorf("sending batch %d: %w", s.seq, err)
		}
		s.inFlight = append(s.inFlight, sent{points: b.points})
	}
	return 0, nil
}

// beat is what the session has to say of itself.
func (s *session) beat() *wire.Beat {
	points, dropped := s.out.counts()
	beat := &wire.Beat{Points: points, DroppedPoints: dropped}
	if ticks := ticksOf(s.streamer); !ticks.Last.IsZero() {
		beat.LastTick, beat.Ticks, beat.SkippedTicks = ticks.Last.UnixNano(), ticks.Started, ticks.Skipped
	}
	if s.ticker != nil {
		beat.LastTick, beat.Ticks, beat.SkippedTicks = s.ticker.last.Load(), s.ticker.ticks.Load(), s.ticker.skipped.Load()
	}
	return beat
}

func (s *session) sendBeat() error {
	encodedBeat, err := proto.Marshal(s.beat())
	if err != nil {
		return err
	}
	msg := protowire.AppendTag(nil, wireBatchBeat, protowire.BytesType)
	if err := s.stream.SendMsg(encoded(protowire.AppendBytes(msg, encodedBeat))); err != nil {
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
