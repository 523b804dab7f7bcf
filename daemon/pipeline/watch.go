package pipeline

import (
	"context"
	"slices"
	"sync"

	"github.com/vedette-monitor/vedette/daemon/point"
)

// watchedBytes bounds what waits for one watcher.
const watchedBytes = 4 << 20

// Watcher gets copies of points once they are on disk, as they are stored. It holds nobody back: what finds no place while
// it does not take them is counted, and gone for it.
type Watcher struct {
	pipeline     *Pipeline
	measurements map[string]bool

	wake chan struct{} // holds a token while something waits

	mu     sync.Mutex
	points []*point.Point
	bytes  int
	lost   uint64
}

// seen is a copy of a point that somebody watches.
type seen struct {
	point *point.Point
	bytes int
}

// Watch begins to watch these measurements: points that are taken from now on.
func (p *Pipeline) Watch(measurements []string) *Watcher {
	w := &Watcher{pipeline: p, measurements: map[string]bool{}, wake: make(chan struct{}, 1)}
	for _, m := range measurements {
		w.measurements[m] = true
	}
	p.changeWatchers(func(all []*Watcher) []*Watcher { return append(all, w) })
	return w
}

// Close ends the watching.
func (w *Watcher) Close() {
	w.pipeline.changeWatchers(func(all []*Watcher) []*Watcher {
		return slices.DeleteFunc(all, func(o *Watcher) bool { return o == w })
	})
}

// changeWatchers puts another list in the place of the one that is there: whoever reads that needs no lock.
func (p *Pipeline) changeWatchers(change func([]*Watcher) []*Watcher) {
	p.watching.Lock()
	defer p.watching.Unlock()
	var all []*Watcher
	if old := p.watchers.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = change(all); len(all) == 0 {
		p.watchers.Store(nil)
		return
	}
	p.watchers.Store(&all)
}

// Next waits for points, and returns all that have come, with the number of those behind them that found no place. It is
// for one goroutine.
func (w *Watcher) Next(ctx context.Context) (points []*point.Point, lost uint64, err error) {
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-w.wake:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	points, lost = w.points, w.lost
	w.points, w.bytes, w.lost = nil, 0, 0
	return points, lost, nil
}

// offer gives the watcher what it watches.
func (w *Watcher) offer(all []seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range all {
		if !w.measurements[string(s.point.Measurement)] {
			continue
		}
		// Once one is lost all are, until some were taken: so it is known where they are missing.
		if w.lost > 0 || w.bytes+s.bytes > watchedBytes {
			w.lost++
		} else {
			w.points = append(w.points, s.point)
			w.bytes += s.bytes
		}
		signal(w.wake)
	}
}

// see copies the point for those who watch it, to be shown when it is on disk. They are nobody, most often.
func (d *draft) see(watchers *[]*Watcher, p *point.Point) {
	if watchers == nil || !slices.ContainsFunc(*watchers, func(w *Watcher) bool { return w.measurements[string(p.Measurement)] }) {
		return
	}
	var s seen
	s.point, s.bytes = p.Clone()
	d.seen = append(d.seen, s)
}

// show gives those who watch what they watch of a block that is on disk.
func (p *Pipeline) show(b *block) {
	if len(b.seen) == 0 {
		return
	}
	if watchers := p.watchers.Load(); watchers != nil {
		for _, w := range *watchers {
			w.offer(b.seen)
		}
	}
	b.seen = nil
}
