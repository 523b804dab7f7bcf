package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/spool"
)

// retryInterval is how long points that could not be put on disk wait for the next try, unless room is made before.
const retryInterval = time.Second

// lane is one of the two ways through the pipeline.
type lane struct {
	spool  *spool.Spool
	logger hclog.Logger
	packer *packer
	// packFrom is how large the spool is when new blocks are compressed: see backlogBytes.
	packFrom int64
	// full is how many points a delivery has at most, atOnce how many deliveries are under way.
	full, atOnce int
	// freed is called when a delivery has made room.
	freed func()

	wake chan struct{} // holds a token after a block was held
	room chan struct{} // holds a token after room was made

	// order keeps new blocks from coming between those that are tried again: held for writing while these are appended,
	// and for reading while a new one is.
	order sync.RWMutex

	mu      sync.Mutex
	held    []*block  // oldest first
	waiting int       // blocks that are held, or were and are being tried again
	since   time.Time // zero while none waits
	by      error
}

// block is what goes into a record of the spool.
type block struct {
	lane    *lane
	batch   *batch
	payload []byte
	points  int
	waits   bool   // it was held and is not on disk yet
	seen    []seen // copies of points that somebody watches
}

// size is how much of its points' waiting shows on disk.
func (l *lane) backlog() bool { return l.spool.Size() > l.packFrom }

// store puts the block on disk and settles it then. A block that the spool does not take is held and tried again, before
// all that come after it, until the spool takes it, its batch is given up, or the daemon ends.
func (l *lane) store(b *block) {
	l.order.RLock()
	defer l.order.RUnlock()
	if !l.holdBehind(b) {
		l.append(b)
	}
}

func (l *lane) append(b *block) {
	l.spool.Append(b.payload, b.points, func(err error) {
		switch {
		case err == nil:
			l.took(b)
			b.batch.settle(b)
		case !errors.Is(err, spool.ErrClosed):
			l.hold(b, err)
		}
	})
}

// holdBehind holds a new block if others wait, and says whether it did.
func (l *lane) holdBehind(b *block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 {
		return false
	}
	l.keep(b)
	return true
}

// hold keeps a block that the spool has refused.
func (l *lane) hold(b *block, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.batch.givenUp.Load() {
		l.passed(b)
		return
	}
	if l.since.IsZero() {
		l.logger.Error("points can not be put on disk and wait with their plugins", "error", err)
		l.since = time.Now()
	}
	l.by = err
	l.keep(b)
}

// keep adds a block to those that are held. The caller holds mu.
func (l *lane) keep(b *block) {
	if !b.waits {
		b.waits = true
		l.waiting++
	}
	l.held = append(l.held, b)
	signal(l.wake)
}

// took notes that a block is on disk.
func (l *lane) took(b *block) {
	if !b.waits {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passed(b)
}

// passed notes that a block waits no more. The caller holds mu.
func (l *lane) passed(b *block) {
	if !b.waits {
		return
	}
	b.waits = false
	if l.waiting--; l.waiting == 0 {
		l.logger.Info("points are put on disk again", "held_for", time.Since(l.since).Round(time.Second))
		l.since, l.by = time.Time{}, nil
	}
}

// forget lets go of the held blocks of batches that are given up.
func (l *lane) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.held[:0]
	for _, b := range l.held {
		if b.batch.givenUp.Load() {
			l.passed(b)
		} else {
			kept = append(kept, b)
		}
	}
	clear(l.held[len(kept):])
	l.held = kept
}

// retry puts held blocks on disk as soon as there may be room, until ctx ends.
func (l *lane) retry(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-l.room:
		case <-time.After(retryInterval):
		}
		l.order.Lock()
		l.mu.Lock()
		held := l.held
		l.held = nil
		l.mu.Unlock()
		l.spool.Resume()
		for _, b := range held {
			l.append(b)
		}
		l.order.Unlock()
	}
}

// signal leaves a token in a channel that has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
