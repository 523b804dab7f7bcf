package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/daemon/spool"
)

const (
	// deliveryPoints and deliveryBytes bound what is delivered at once. A single block may have more points.
	deliveryPoints = 5000
	deliveryBytes  = 2 << 20
	// deliveriesAtOnce is how many are under way in a lane, so that InfluxDB has something to do while the next is read,
	// compressed and sent.
	deliveriesAtOnce = 2
	// unmarked bounds how many are done, or under way, and not marked as delivered because one before them is not done:
	// one with bad points takes long, and need not hold up the others.
	unmarked = 32
	// fillTime is how long a delivery that is not full waits for more while another one is under way.
	fillTime = 20 * time.Millisecond
)

// delivery is what goes to the store at once.
type delivery struct {
	last    uint64 // the record up to which it goes
	lines   [][]byte
	scratch []byte // of which lines may be parts
	points  int
	size    int
	updates bool
	done    bool
}

// deliveries are those of a lane.
type deliveries struct {
	lane   *lane
	cancel context.CancelCauseFunc // ends the lane's delivery

	blank *delivery     // for the next
	next  *spool.Record // read, but too much for the delivery before

	mu       sync.Mutex
	ordered  []*delivery   // not marked as delivered, in the order of their records
	underWay int           // those of them that are not done
	changed  chan struct{} // closed, and replaced, when one is done
	hurry    context.CancelFunc
	spare    []*delivery
}

// deliver brings what is in the lane's spool to the store, several deliveries at once, until ctx ends, the spool is
// closed or the store fails. The spool's cursor goes over a delivery when it and all before it are done.
//
// An update must come after the point that it completes, also if either is sent again. So a delivery that holds updates
// begins when all before it are done.
func (l *lane) deliver(ctx context.Context, store Store) error {
	ctx, cancel := context.WithCancelCause(ctx)
	u := &deliveries{lane: l, cancel: cancel, changed: make(chan struct{})}
	var writing sync.WaitGroup
	defer writing.Wait()
	defer cancel(nil)
	for {
		// Records are read when their delivery may begin, so that it holds all that have come until then.
		if err := u.wait(ctx, l.atOnce-1, unmarked-1); err != nil {
			return err
		}
		d, err := u.gather(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, spool.ErrClosed):
			// What is under way may still be stored, though it can not be marked so.
			return errors.Join(u.wait(ctx, 0, unmarked), err)
		case err != nil:
			l.logger.Error("the spool can not be read; trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryInterval):
			}
			continue
		}
		if d.updates {
			if err := u.wait(ctx, 0, 0); err != nil {
				return err
			}
		}
		u.begin(d)
		writing.Go(func() {
			_, err := store.Write(ctx, d.lines)
			u.end(d, err)
		})
	}
}

// wait waits until at most so many deliveries are under way and not marked.
func (u *deliveries) wait(ctx context.Context, underWay, notMarked int) error {
	for {
		u.mu.Lock()
		met, changed := u.underWay <= underWay && len(u.ordered) <= notMarked, u.changed
		u.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if met {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (u *deliveries) begin(d *delivery) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ordered = append(u.ordered, d)
	u.underWay++
	u.blank = nil
}

// end notes what became of a delivery and marks as delivered what now is. Where one was not stored, nothing behind it is
// marked.
func (u *deliveries) end(d *delivery, err error) {
	if err != nil {
		u.cancel(err)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(d.lines)
	u.spare = append(u.spare, &delivery{lines: d.lines[:0], scratch: d.scratch[:0]})
	d.lines, d.scratch, d.done = nil, nil, true
	u.underWay--
	var last uint64
	for len(u.ordered) > 0 && u.ordered[0].done {
		last = u.ordered[0].last
		u.ordered = u.ordered[1:]
	}
	if last > 0 {
		u.lane.commit(last)
	}
	close(u.changed)
	u.changed = make(chan struct{})
	if u.underWay == 0 && u.hurry != nil {
		u.hurry()
	}
}

// commit marks the records up to seq as delivered.
func (l *lane) commit(seq uint64) {
	before := l.spool.Size()
	if err := l.spool.Commit(seq); err != nil {
		l.logger.Warn("what is delivered could not be marked so; after a restart it is delivered again", "error", err)
	}
	if l.spool.Size() < before {
		l.freed()
	}
}

// gather waits for a record and returns a delivery of it and those that are there already, as far as they fit. While
// another delivery is under way it waits a little for this one to be full.
func (u *deliveries) gather(ctx context.Context) (*delivery, error) {
	d := u.empty()
	if u.next == nil {
		first, err := u.lane.spool.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the spool: %w", err)
		}
		u.next = &first
	}
	filling, hurry := context.WithTimeout(ctx, fillTime)
	defer hurry()
	u.hurryWith(hurry)
	defer u.hurryWith(nil)
	for {
		if len(d.lines) > 0 && d.points+u.next.Points > u.lane.full {
			return d, nil
		}
		u.lane.unpack(d, u.next)
		u.next = nil
		if d.points >= u.lane.full || d.size > deliveryBytes-blockBytes {
			return d, nil
		}
		r, ok, err := u.lane.spool.TryRead()
		if !ok && err == nil {
			r, err = u.lane.spool.Read(filling)
		}
		if err != nil {
			// What was read is delivered first; an error that lasts comes again with the next read.
			return d, nil
		}
		u.next = &r
	}
}

// hurryWith sets what is called when no delivery is under way; it is called at once if none is.
func (u *deliveries) hurryWith(hurry context.CancelFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hurry = hurry
	if hurry != nil && u.underWay == 0 {
		hurry()
	}
}

// empty returns a delivery without lines, with the memory of an earlier one.
func (u *deliveries) empty() *delivery {
	if u.blank != nil {
		return u.blank // of a read that failed
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.blank = &delivery{}
	if n := len(u.spare); n > 0 {
		u.blank, u.spare = u.spare[n-1], u.spare[:n-1]
	}
	return u.blank
}

// unpack adds the lines of a record to the delivery. A record that makes no sense is passed over.
func (l *lane) unpack(d *delivery, r *spool.Record) {
	lines, u, err := l.packer.unpack(d.lines, r.Payload, d.scratch)
	if err != nil {
		l.logger.Error("a record of the spool can not be read and is passed over",
			"record", r.Seq, "points", r.Points, "error", err)
	}
	for _, line := range lines[len(d.lines):] {
		d.size += len(line) + 1
	}
	d.lines, d.scratch = lines, u.scratch
	d.points += r.Points
	d.updates = d.updates || u.updates
	d.last = r.Seq
}
