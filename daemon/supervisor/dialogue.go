package supervisor

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// What a plugin may do within a session.
const (
	// maxInFlight is how many bytes of batches may be without acknowledgement before no more are read. The window alone
	// would let it be a window of the longest messages.
	maxInFlight = 1 << 20
	// maxBeats is how many beats may come within a beatInterval.
	maxBeats = 100
	// A plugin that sends more than paceMessages within paceTime waits: who makes batches never does.
	paceMessages = 500
	paceTime     = 100 * time.Millisecond
)

// dialogue is what a session keeps in mind: what is under way in both directions. A plugin may do with its side whatever
// it likes; here it costs little, and ends where the rules do.
type dialogue struct {
	session *session

	// telling are controls on their way to the plugin; told are those that it may know of. A plugin may read nothing, so
	// that sending takes for ever: that is left to a goroutine of its own. There are never more than the acknowledgements
	// of a window and a stop, so the channels never block.
	telling, told chan *wire.Control
	untold        int
	untoldSince   time.Time

	// acks are of batches that the intake is done with: no more than the window has.
	acks     chan taken
	inFlight int // batches whose acknowledgement the plugin can not know yet
	bytes    int // of batches that the intake is not done with
	seq      uint64
	beats    int // since beatsSince

	heard, listened time.Time
	beatsSince      time.Time
	paced           int // messages since pacedSince
	pacedSince      time.Time
	rest            <-chan time.Time // not nil while nothing is read
}

// taken is a batch that its intake is done with.
type taken struct {
	ack  *wire.Ack
	size int
}

func newDialogue(s *session) *dialogue {
	now := time.Now()
	return &dialogue{
		session: s, telling: make(chan *wire.Control, window+1), told: make(chan *wire.Control, window+1),
		acks: make(chan taken, window), heard: now, listened: now, beatsSince: now, pacedSince: now,
	}
}

// listens says whether a message may come in now.
func (d *dialogue) listens() bool { return d.bytes < maxInFlight && d.rest == nil }

// rested ends a pause.
func (d *dialogue) rested() { d.rest, d.pacedSince = nil, time.Now() }

// message takes a message of the plugin.
func (d *dialogue) message(msg []byte) error {
	d.heard = time.Now()
	if d.paced++; d.paced == paceMessages {
		if early := paceTime - d.heard.Sub(d.pacedSince); early > 0 {
			d.rest = time.After(early)
		}
		d.paced, d.pacedSince = 0, d.heard
	}
	batch, err := point.ParseBatch(msg)
	if err != nil {
		return breach("%w", err)
	}
	if batch.Beat != nil || batch.Seq == 0 {
		if d.beats++; d.beats > maxBeats {
			return breach("more than %d beats came within %s", maxBeats, beatInterval)
		}
	}
	if batch.Beat != nil {
		d.session.beat(batch.Beat)
		if err := d.session.checkTick(batch.Beat); err != nil {
			return err
		}
	}
	if batch.Seq == 0 {
		if len(batch.Points) > 0 {
			return breach("a batch without a number has %d points", len(batch.Points))
		}
		return nil
	}
	if d.seq++; batch.Seq != d.seq {
		return breach("batch %d came where %d was due", batch.Seq, d.seq)
	}
	for len(d.told) > 0 {
		// What the plugin may know counts before what it sends then.
		d.hears(<-d.told)
	}
	if d.inFlight++; d.inFlight > window {
		return breach("more than %d batches without acknowledgement", window)
	}
	d.bytes += len(msg)
	d.session.intake.Take(batch.Points, func(refused []*wire.Refusal) {
		d.acks <- taken{&wire.Ack{Seq: batch.Seq, Refused: refused}, len(msg)}
	})
	return nil
}

// acknowledge tells the plugin that the intake is done with a batch.
func (d *dialogue) acknowledge(t taken) {
	d.bytes -= t.size
	d.tell(&wire.Control{Kind: &wire.Control_Ack{Ack: t.ack}})
}

func (d *dialogue) tell(c *wire.Control) {
	if d.untold++; d.untold == 1 {
		d.untoldSince = time.Now()
	}
	d.telling <- c
}

// hears notes that the plugin may know of a control from now on.
func (d *dialogue) hears(c *wire.Control) {
	d.untold, d.untoldSince = d.untold-1, time.Now()
	if c.GetAck() != nil {
		d.inFlight--
	}
}

// speak tells the plugin what comes. It notes each before it is told, so that the note is there before the plugin answers.
func (d *dialogue) speak(ctx context.Context, stream grpc.BidiStreamingClient[wire.Control, wire.Batch]) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-d.telling:
			d.told <- c
			if err := stream.Send(c); err != nil {
				return err
			}
		}
	}
}

// signOfLife looks at the clock, every lookInterval.
func (d *dialogue) signOfLife(now time.Time) error {
	if now.Sub(d.beatsSince) >= beatInterval {
		d.beats, d.beatsSince = 0, now
	}
	if now.Sub(d.listened) > beatInterval || d.bytes >= maxInFlight {
		// It was this process that stood still, or that does not listen: what the plugin said meanwhile is yet to be heard.
		d.heard = now
	}
	d.listened = now
	if since := time.Since(d.untoldSince); d.untold > 0 && since > 3*beatInterval {
		return hung{fmt.Errorf("the plugin has read nothing of what it was told for %s", since.Round(time.Second))}
	}
	switch since := time.Since(d.heard); {
	case since > 3*beatInterval:
		return hung{fmt.Errorf("the plugin gave no sign of life for %s", since.Round(time.Second))}
	case since > 2*beatInterval:
		d.session.quiet(since)
	}
	return nil
}
