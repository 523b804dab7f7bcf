// Package schedule starts many tasks again and again, each at its own interval.
//
// A task starts at fixed moments of the wall clock: its phase within the interval comes from a hash of its name, so it is the
// same after a restart, and on every machine. Who adds a task wants to see it run: where its first moment is far away it starts
// once before that, soon. The moments do not drift, and the clock's steps are followed. Phases are whole
// multiples of a quantum, so that one or two dozen tasks start together where there are many: waking up for every one of them costs a multiple of the
// processor's time.
//
// A run has a goroutine of its own, and only while it runs. So one that hangs delays no other, and a task never runs twice at
// once: a start that falls due while its task still runs is skipped and counted, never made up for. When as many run as
// may, what is due waits for a place, the longest due first; what waits until its next start is due is skipped, too.
//
// What a task does, and for how long it may, is left to it.
package schedule

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Key tells a task from others.
type Key [16]byte

// Task is what is started again and again. There may be very many, so the schedule keeps nothing of one but where it is, and
// asks it for the rest, which does not change while it is scheduled.
type Task interface {
	Key() Key
	// Name gives the phase: tasks of one name and interval start together.
	Name() string
	Interval() time.Duration
	// Run does it. due is by the wall clock: when it had to start, or when it did if that is later by more than a
	// quantum may be. ctx ends when the schedule does.
	Run(ctx context.Context, due time.Time)
}

// Stats counts what was done since the schedule began.
type Stats struct {
	Last time.Time // start of the last run
	// Started were begun; Overrun were skipped because the task still ran, and Crowded because too many others did.
	Started, Overrun, Crowded uint64
	Running                   int
}

// Schedule starts tasks. Set may be called at any time.
type Schedule struct {
	limit  int
	logger hclog.Logger
	wall   func() time.Time
	began  time.Time

	// changed gets a value when the next start may have become another, or a place free.
	changed chan struct{}

	mu      sync.Mutex
	due     heap // all entries
	waiting queue
	stats   Stats
	clock   clock
	quantum time.Duration
}

// New makes a schedule of which at most limit tasks run at once.
func New(limit int, logger hclog.Logger) *Schedule {
	s := &Schedule{limit: limit, logger: logger, wall: time.Now, began: time.Now(), changed: make(chan struct{}, 1)}
	s.clock.set(s.now(), s.wall())
	return s
}

// moment is a time by the monotonic clock, since the schedule was made.
type moment = time.Duration

func (s *Schedule) now() moment { return time.Since(s.began) }

// Set replaces the tasks. One that was there before, with the same name and interval, keeps its phase, and a run that is under
// way goes on; of a task that is gone the run under way is the last.
func (s *Schedule) Set(tasks []Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.quantum = quantum(tasks)
	old := make(map[Key]*entry, len(s.due))
	for _, e := range s.due {
		old[e.task.Key()] = e
	}
	s.due = make(heap, 0, len(tasks))
	var early int
	var fresh []entry // few pieces for many, and none so long that one of it keeps much of what is gone
	for i, t := range tasks {
		key := t.Key()
		e, known := old[key]
		delete(old, key)
		same := known && e.task.Name() == t.Name() && e.task.Interval() == t.Interval()
		if !known {
			if len(fresh) == 0 {
				fresh = make([]entry, min(max(1, len(tasks)-i-len(old)), entriesAtOnce))
			}
			e, fresh = &fresh[0], fresh[1:]
		}
		e.task = t
		if !same {
			s.waiting.remove(e)
			s.place(e, now)
			if !known && e.next-now > soon {
				e.next, e.early = now+time.Duration(early/batch)*pause, true
				early++
			}
		}
		s.due = append(s.due, e)
	}
	s.due.order()
	for _, e := range old {
		s.waiting.remove(e)
		e.task = nil // the piece that the entry is in may stay
	}
	s.wake()
}

// place puts the next start of an entry where the phase of its task is.
func (s *Schedule) place(e *entry, now moment) {
	interval := e.task.Interval()
	e.next, e.early = s.clock.after(now, interval, phase(e.task.Name(), interval, s.quantum)), false
}

// Stats returns what was done so far.
func (s *Schedule) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run starts tasks until ctx ends and all runs have returned.
func (s *Schedule) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	report := time.NewTicker(reportInterval)
	defer report.Stop()
	var reported Stats
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.changed:
		case <-report.C:
			reported = s.report(reported)
		}
		timer.Reset(s.startDue(ctx, &running))
	}
}

// A new task whose first moment is not soon starts before it: a batch of them at once, and the next after a pause.
const (
	soon  = 10 * time.Second
	pause = 50 * time.Millisecond
)

// idle is how long the schedule sleeps at most: so the clock's steps are noticed.
const idle = 10 * time.Second

// startDue starts what is due, and returns how long it is until the next start.
func (s *Schedule) startDue(ctx context.Context, running *sync.WaitGroup) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if step := s.clock.follow(now, s.wall()); step != 0 {
		s.logger.Warn("the clock was set: all starts move with it", "by", step.String())
		for _, e := range s.due {
			s.place(e, now)
		}
		s.due.order()
	}
	// What has waited goes before what has just become due.
	for s.stats.Running < s.limit && len(s.waiting) > 0 {
		s.start(ctx, running, s.waiting.take(), now)
	}
	for len(s.due) > 0 && s.due[0].next <= now {
		e := s.due[0]
		due, interval := e.next, e.task.Interval()
		// Starts that went by while this process stood still are skipped.
		missed := (now - due) / interval
		due += missed * interval
		e.next = due + interval
		if e.early {
			s.place(e, now)
		}
		s.due.fix()
		if now-due > longestQuantum {
			due = now
		}
		if e.waits {
			s.stats.Crowded += uint64(missed) + 1
			continue
		}
		s.stats.Overrun += uint64(missed)
		switch {
		case e.runs:
			s.stats.Overrun++
		case s.stats.Running < s.limit:
			s.start(ctx, running, e, due)
		default:
			s.waiting.add(e)
		}
	}
	if len(s.due) == 0 {
		return idle
	}
	return min(idle, s.due[0].next-now)
}

func (s *Schedule) start(ctx context.Context, running *sync.WaitGroup, e *entry, due moment) {
	e.runs = true
	s.stats.Running++
	s.stats.Started++
	s.stats.Last = s.clock.wallOf(due)
	task, at := e.task, s.stats.Last
	running.Go(func() {
		defer s.ended(e)
		defer func() {
			// One bad run does not cost the others.
			if r := recover(); r != nil {
				s.logger.Error("panic", "task", task.Name(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			}
		}()
		task.Run(ctx, at)
	})
}

func (s *Schedule) ended(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.runs = false
	s.stats.Running--
	if len(s.waiting) > 0 {
		s.wake()
	}
}

func (s *Schedule) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// reportInterval is how often skipped starts are logged.
const reportInterval = time.Minute

// report logs what was skipped since the last report.
func (s *Schedule) report(before Stats) Stats {
	now := s.Stats()
	if n := now.Overrun - before.Overrun; n > 0 {
		s.logger.Warn("skipped starts, because the run before took longer than the interval", "skipped", n)
	}
	if n := now.Crowded - before.Crowded; n > 0 {
		s.logger.Warn("skipped starts, because too many run at once: raise concurrency", "skipped", n, "concurrency", s.limit)
	}
	return now
}
