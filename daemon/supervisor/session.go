package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

const (
	// window is how many batches of a plugin may be without acknowledgement.
	window = 8
	// silence is how long a plugin may give no sign of life: it owes one every five seconds.
	silence = 20 * time.Second
	// drainTime is how long a plugin may take to send what it holds before it is stopped.
	drainTime = 2 * time.Second
)

// Intake takes the points of one plugin.
type Intake interface {
	// Take stores points, encoded as in a batch. It calls done once, from any goroutine, when all of them are on disk
	// but for those that were refused for good. It may keep points until then, and calls done never if it can not
	// store them before the daemon ends.
	Take(points [][]byte, done func(refused []*wire.Refusal))
}

// session is the daemon's side of a session.
type session struct {
	client wire.PluginClient
	intake Intake
	beat   func(*wire.Beat)
}

// errDrained says that the plugin has sent all that it had after it was asked to stop.
var errDrained = errors.New("drained")

// run speaks the session until the plugin ends it or breaks the rules. When ctx ends it asks the plugin to stop and
// gives it time to drain: a clean end is errDrained.
func (s *session) run(ctx context.Context) error {
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stream, err := s.client.Session(streamCtx, grpc.ForceCodecV2(newRawCodec()))
	if err != nil {
		return fmt.Errorf("opening the session: %w", err)
	}
	messages := make(chan []byte)
	ended := make(chan error, 1)
	go func() { ended <- receive(streamCtx, stream, messages) }()

	// The plugin keeps the window, or the session ends: so an acknowledgement always finds room.
	acks := make(chan *wire.Ack, window)
	inFlight, seq := 0, uint64(0)
	alive := time.NewTimer(silence)
	defer alive.Stop()
	stop := ctx.Done()
	var drain <-chan time.Time
	for {
		select {
		case msg := <-messages:
			alive.Reset(silence)
			batch, err := point.ParseBatch(msg)
			if err != nil {
				return err
			}
			if batch.Beat != nil {
				s.beat(batch.Beat)
			}
			if batch.Seq == 0 {
				continue
			}
			if seq++; batch.Seq != seq {
				return fmt.Errorf("the plugin broke the protocol: batch %d came where %d was due", batch.Seq, seq)
			}
			if inFlight++; inFlight > window {
				return fmt.Errorf("the plugin broke the protocol: more than %d batches without acknowledgement", window)
			}
			s.intake.Take(batch.Points, func(refused []*wire.Refusal) {
				acks <- &wire.Ack{Seq: batch.Seq, Refused: refused}
			})
		case ack := <-acks:
			inFlight--
			if err := stream.Send(&wire.Control{Kind: &wire.Control_Ack{Ack: ack}}); err != nil {
				return s.end(ctx, messages, ended, err)
			}
		case <-stop:
			stop = nil
			drain = time.After(drainTime)
			if err := stream.Send(&wire.Control{Kind: &wire.Control_Stop{Stop: &wire.Stop{}}}); err != nil {
				return s.end(ctx, messages, ended, err)
			}
		case <-drain:
			return fmt.Errorf("the plugin did not drain within %s", drainTime)
		case err := <-ended:
			return s.end(ctx, nil, nil, err)
		case <-alive.C:
			return fmt.Errorf("the plugin gave no sign of life for %s", silence)
		}
	}
}

// end says why the session is over. What a stream says when it is received from is better than what it says when it is
// sent on.
func (s *session) end(ctx context.Context, messages <-chan []byte, ended <-chan error, err error) error {
	patience := time.After(time.Second)
	for waiting := ended != nil; waiting; {
		select {
		case <-messages: // too late
		case err = <-ended:
			waiting = false
		case <-patience:
			waiting = false
		}
	}
	switch {
	case errors.Is(err, io.EOF) && ctx.Err() != nil:
		return errDrained
	case errors.Is(err, io.EOF):
		return errors.New("the plugin ended the session")
	case ctx.Err() != nil:
		return fmt.Errorf("draining the plugin: %w", err)
	}
	return fmt.Errorf("the session broke: %w", err)
}

func receive(ctx context.Context, stream grpc.BidiStreamingClient[wire.Control, wire.Batch], messages chan<- []byte) error {
	for {
		var msg []byte
		if err := stream.RecvMsg(&msg); err != nil {
			return err
		}
		select {
		case messages <- msg:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
