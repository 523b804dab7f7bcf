package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

const (
	// window is how many batches of a plugin may be without acknowledgement: so many that small ones share a sync of the disk.
	// How many bytes they have is bounded apart.
	window = 32
	// beatInterval is how often a plugin owes a sign of life. After two of them it is degraded, after three it hangs.
	beatInterval = 5 * time.Second
	// lookInterval is how often the daemon looks whether one is missing.
	lookInterval = 500 * time.Millisecond
	// drainTime is how long a plugin may take to send what it holds before it is stopped.
	drainTime = 2 * time.Second
)

// Window is how many batches of a plugin may be without acknowledgement, and so wait with its Intake.
const Window = window

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
	// longestTick is how old the last tick of a healthy collector may be; 0 in a plugin that does not tick.
	longestTick time.Duration
	// beat is told of each sign of life, quiet that one is missing.
	beat  func(*wire.Beat)
	quiet func(since time.Duration)

	lastTick int64 // as the last beat said
	sameTick int   // how many beats before it said the same
}

// hung is the error of a plugin that lives and does nothing.
type hung struct{ error }

// errDrained says that the plugin has sent all that it had after it was asked to stop.
var errDrained = errors.New("drained")

// breach is the error of a plugin that breaks the protocol.
func breach(format string, args ...any) error {
	return fmt.Errorf("the plugin broke the protocol: "+format, args...)
}

// run speaks the session until the plugin ends it or breaks the rules. When ctx ends it asks the plugin to stop and
// gives it time to drain: a clean end is errDrained.
func (s *session) run(ctx context.Context) error {
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stream, err := s.client.Session(streamCtx, grpc.ForceCodecV2(newRawCodec()))
	if err != nil {
		cancel()
		return fmt.Errorf("opening the session: %w", err)
	}
	d := newDialogue(s)
	var streaming sync.WaitGroup
	defer streaming.Wait()
	defer cancel()
	messages := make(chan []byte)
	ended, untold := make(chan error, 1), make(chan error, 1)
	streaming.Go(func() { ended <- receive(streamCtx, stream, messages) })
	streaming.Go(func() { untold <- d.speak(streamCtx, stream) })

	listening := time.NewTicker(lookInterval)
	defer listening.Stop()
	stop := ctx.Done()
	var drain <-chan time.Time
	for {
		from := messages
		if !d.listens() {
			// What comes waits within gRPC, and then with the plugin.
			from = nil
		}
		select {
		case msg := <-from:
			if err := d.message(msg); err != nil {
				return err
			}
		case <-d.rest:
			d.rested()
		case t := <-d.acks:
			d.acknowledge(t)
		case c := <-d.told:
			d.hears(c)
		case err := <-untold:
			return s.end(ctx, messages, ended, err)
		case <-stop:
			stop = nil
			drain = time.After(drainTime)
			d.tell(&wire.Control{Kind: &wire.Control_Stop{Stop: &wire.Stop{}}})
		case <-drain:
			return fmt.Errorf("the plugin did not drain within %s", drainTime)
		case err := <-ended:
			return s.end(ctx, nil, nil, err)
		case now := <-listening.C:
			if err := d.signOfLife(now); err != nil {
				return err
			}
		}
	}
}

// checkTick finds a collector that beats and collects no more: it says the same of its last tick again and again. Beats are
// counted, and no clock is asked, because they may have waited while this process stood still.
func (s *session) checkTick(b *wire.Beat) error {
	if s.longestTick == 0 || b.LastTick == 0 {
		return nil
	}
	if b.LastTick != s.lastTick {
		s.lastTick, s.sameTick = b.LastTick, 0
		return nil
	}
	s.sameTick++
	if lasts := time.Duration(s.sameTick) * beatInterval; lasts > s.longestTick {
		return hung{fmt.Errorf("the plugin's last tick began more than %s ago", lasts)}
	}
	return nil
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
