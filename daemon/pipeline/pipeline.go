package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/spool"
)

const (
	// retryInterval is how long points that could not be put on disk wait for the next try.
	retryInterval = time.Second
	// deliveryPoints and deliveryBytes bound what is delivered at once.
	deliveryPoints = 5000
	deliveryBytes  = 4 << 20
)

// Store takes lines for good: it returns when every line is stored or set aside, or when ctx ends.
type Store interface {
	Write(ctx context.Context, lines [][]byte) (influx.Result, error)
}

// Pipeline is the way from the plugins' batches to InfluxDB. It is made by New and works while Run runs.
type Pipeline struct {
	spool  *spool.Spool
	logger hclog.Logger

	wake chan struct{} // holds a token after a block was held

	mu        sync.Mutex
	held      []block
	waiting   int       // blocks that are held, or were and are being tried again
	heldSince time.Time // zero while none waits
	heldBy    error
}

// block is what goes into a record of the spool.
type block struct {
	lines  []byte
	points int
	done   func()
	waits  bool // it was held and is not on disk yet
}

// New returns a pipeline through an open spool.
func New(s *spool.Spool, logger hclog.Logger) *Pipeline {
	return &Pipeline{spool: s, logger: logger, wake: make(chan struct{}, 1)}
}

// Held says since when points can not be put on disk, and why. While all is well the time is zero.
func (p *Pipeline) Held() (since time.Time, by error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heldSince, p.heldBy
}

// store puts the block on disk and calls its done then. A block that the spool does not take is held and tried again
// until it does or the daemon ends; then done is never called.
func (p *Pipeline) store(b block) {
	p.spool.Append(b.lines, b.points, func(err error) {
		switch {
		case err == nil:
			if b.waits {
				p.took()
			}
			b.done()
		case !errors.Is(err, spool.ErrClosed):
			p.hold(b, err)
		}
	})
}

// took notes that a block that waited is on disk. A small one may find room where a large one still does not, so that
// one is stored does not mean that all is well.
func (p *Pipeline) took() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.logger.Info("points are put on disk again", "held_for", time.Since(p.heldSince).Round(time.Second))
		p.heldSince, p.heldBy = time.Time{}, nil
	}
}

func (p *Pipeline) hold(b block, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heldSince.IsZero() {
		p.logger.Error("points can not be put on disk and wait with their plugins", "error", err)
		p.heldSince = time.Now()
	}
	if !b.waits {
		b.waits = true
		p.waiting++
	}
	p.heldBy = err
	p.held = append(p.held, b)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run delivers what is in the spool to the store, and tries again to put on disk what is held, until ctx ends or the
// spool is closed. It is called once for an open spool: what it has read and the store did not take is read again only
// after the spool was opened anew, and a second Run would commit it with what comes after.
func (p *Pipeline) Run(ctx context.Context, store Store) error {
	ctx, cancel := context.WithCancel(ctx)
	var retrying sync.WaitGroup
	retrying.Go(func() { p.retry(ctx) })
	defer retrying.Wait()
	defer cancel()
	err := p.deliver(ctx, store)
	if ctx.Err() != nil || errors.Is(err, spool.ErrClosed) {
		return nil
	}
	return err
}

func (p *Pipeline) retry(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryInterval):
		}
		p.mu.Lock()
		held := p.held
		p.held = nil
		p.mu.Unlock()
		for _, b := range held {
			p.store(b)
		}
	}
}

func (p *Pipeline) deliver(ctx context.Context, store Store) error {
	var lines [][]byte
	for {
		records, err := p.read(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, spool.ErrClosed):
			return err
		case err != nil:
			p.logger.Error("the spool can not be read; trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryInterval):
			}
			continue
		}
		lines = lines[:0]
		for _, r := range records {
			if lines, err = splitBlock(lines, r.Payload); err != nil {
				p.logger.Error("a record of the spool can not be read and is passed over",
					"record", r.Seq, "points", r.Points, "error", err)
			}
		}
		if _, err := store.Write(ctx, lines); err != nil {
			return err
		}
		if err := p.spool.Commit(records[len(records)-1].Seq); err != nil {
			p.logger.Warn("what is delivered could not be marked so; after a restart it is delivered again", "error", err)
		}
	}
}

// read waits for a record and returns it with those that are there already, as far as they fit into a delivery.
func (p *Pipeline) read(ctx context.Context) ([]spool.Record, error) {
	first, err := p.spool.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the spool: %w", err)
	}
	records, points, size := []spool.Record{first}, first.Points, len(first.Payload)
	for points < deliveryPoints && size < deliveryBytes {
		next, ok, err := p.spool.TryRead()
		if err != nil || !ok {
			// What was read is delivered first; an error that lasts comes again with the next read.
			break
		}
		records = append(records, next)
		points += next.Points
		size += len(next.Payload)
	}
	return records, nil
}
