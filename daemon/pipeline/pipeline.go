package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/spool"
)

// Store takes lines for good: it returns when every line is stored or set aside, or when ctx ends. It is called again
// while a call is under way. It stores the lines of a call in their order where they are of one series and time.
type Store interface {
	Write(ctx context.Context, lines [][]byte) (influx.Result, error)
}

// Stores are where the points of the lanes go.
type Stores struct {
	Samples Store
	Records Store
}

// Rules judge points on their way: an outage of InfluxDB or a full disk stops no alarm. A batch is acknowledged only when what follows
// from its points is kept, so that a point whose alarm was lost in a crash comes again.
type Rules interface {
	// Observe gives them a point, which is theirs until it returns, and reports whether something follows from it.
	Observe(p *point.Point) bool
	// Settle calls done once everything is kept that has followed so far.
	Settle(done func())
}

// Pipeline is the way from the plugins' batches to InfluxDB. It is made by Open and delivers while Run runs.
type Pipeline struct {
	lock             io.Closer
	samples, records *lane
	window           int
	rules            Rules
	drops            drops
	buffers          sync.Pool                  // of *[]byte
	watchers         atomic.Pointer[[]*Watcher] // nil while nobody watches
	watching         sync.Mutex                 // held while the list of watchers is changed
}

// Judge lets rules see the points. It is called before there is a source.
func (p *Pipeline) Judge(rules Rules) { p.rules = rules }

// Held says since when points can not be put on disk, and why. While all is well the time is zero.
func (p *Pipeline) Held() (since time.Time, by error) {
	for _, l := range []*lane{p.samples, p.records} {
		l.mu.Lock()
		if l.by != nil && (since.IsZero() || l.since.Before(since)) {
			since, by = l.since, l.by
		}
		l.mu.Unlock()
	}
	return since, by
}

// Stats say what waits in the lanes.
type Stats struct {
	Samples spool.Stats
	Records spool.Stats
}

// Stats returns the state of this moment.
func (p *Pipeline) Stats() Stats {
	return Stats{Samples: p.samples.spool.Stats(), Records: p.records.spool.Stats()}
}

// Run delivers what is in the spools to the stores, and tries again to put on disk what is held, until ctx ends or the
// pipeline is closed. It is called once: what it has read and a store did not take is read again only after the pipeline
// was opened anew, and a second Run would commit it with what comes after.
func (p *Pipeline) Run(ctx context.Context, stores Stores) error {
	inner, cancel := context.WithCancelCause(ctx)
	var delivering, retrying sync.WaitGroup
	run := func(l *lane, store Store) {
		retrying.Go(func() { l.retry(inner) })
		delivering.Go(func() {
			// A failure ends both lanes. When the spools are closed each ends when its deliveries are over.
			if err := l.deliver(inner, store); !errors.Is(err, spool.ErrClosed) {
				cancel(err)
			}
		})
	}
	run(p.samples, stores.Samples)
	run(p.records, stores.Records)
	delivering.Wait()
	cancel(spool.ErrClosed)
	retrying.Wait()
	if err := context.Cause(inner); ctx.Err() == nil && !errors.Is(err, spool.ErrClosed) {
		return err
	}
	return nil
}

// Close closes the spools. It returns when what was taken is on disk.
func (p *Pipeline) Close() error {
	errs := []error{p.records.spool.Close(), p.samples.spool.Close()}
	p.drops.end(p.Stats())
	return errors.Join(append(errs, p.lock.Close())...)
}
