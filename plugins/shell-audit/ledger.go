package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/journal"
)

// ledger is the journal with the chain through it: the one truth of what was recorded. What is added is in the chain at once, on
// disk after sync, and is delivered only then; the collector's memory follows from it.
//
// Only the goroutine that adds may use it, but for deliver.
type ledger struct {
	config *config
	logger hclog.Logger

	journal  *journal.Journal
	chain    *chain.Chain
	memory   *memory
	saved    time.Time // when the memory was
	savedSeq uint64    // the last entry that was in it
	told     time.Time // when it was told that the journal is full
	dirty    bool      // something was added and not synced
	// waiting are entries that are in the chain and for which the journal has no room yet.
	waiting []entry

	mu     sync.Mutex
	synced uint64
	grown  chan struct{} // closed and made anew whenever synced grows
}

// The memory is kept so often while something happens, and while nothing does.
const (
	memorySaved = 2 * time.Second
	memoryIdle  = time.Minute
)

// openLedger opens the journal and the chain, or begins both, and learns what the newest entries say.
func openLedger(c *config, logger hclog.Logger) (*ledger, error) {
	if err := os.MkdirAll(string(c.Directory), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the audit: %w", err)
	}
	l := &ledger{config: c, logger: logger, grown: make(chan struct{})}
	var torn int64
	var err error
	if l.journal, torn, err = journal.Open(c.journal(), journal.Options{
		MaxBytes: int64(c.JournalSize), MaxAge: c.JournalAge, SegmentBytes: min(4<<20, int64(c.JournalSize)/8),
	}); err != nil {
		return nil, err
	}
	if torn > 0 {
		logger.Warn("the end of the journal was torn and was cut off: it was not acknowledged to anybody", "bytes", torn)
	}
	if err := l.learn(); err != nil {
		return nil, errors.Join(err, l.journal.Close())
	}
	if err := l.openChain(); err != nil {
		return nil, errors.Join(err, l.journal.Close())
	}
	return l, l.sync()
}

// learn reads what the memory does not have yet.
func (l *ledger) learn() error {
	var err error
	if l.memory, err = loadMemory(l.config.memory()); err != nil {
		l.logger.Warn("what was kept of the journal is read anew from it", "error", err)
	}
	if l.memory.Seq > l.journal.Last() {
		// It is of another journal, which is no more.
		l.memory = newMemory()
	}
	r := journal.Read(l.config.journal(), l.memory.Seq+1)
	defer r.Close()
	for {
		e, err := r.Next()
		var damage journal.Damage
		switch {
		case errors.Is(err, io.EOF):
			l.synced = l.journal.Last()
			return nil
		case errors.As(err, &damage):
			l.logger.Error("entries of the journal are lost", "error", err)
			continue
		case err != nil:
			return err
		}
		read, err := parseEntry(e.Body)
		if err != nil {
			l.logger.Error("an entry of the journal is lost", "entry", e.Seq, "error", err)
			continue
		}
		l.memory.note(read)
		l.memory.Seq = e.Seq
	}
}

func (l *ledger) openChain() error {
	c, how, err := chain.Open(l.config.chain(), l.memory.Head)
	if errors.Is(err, fs.ErrNotExist) {
		if l.memory.Head.Seq > 0 {
			return fmt.Errorf("the chain %s is gone, and the journal is not: put it back, or move the journal away to begin anew", l.config.chain())
		}
		return l.beginChain()
	}
	if err != nil {
		return err
	}
	l.chain = c
	if how.Lost > 0 {
		l.logger.Error("the journal does not reach to where the chain was: its newest entries are lost, and their numbers are left out", "at_most", how.Lost)
	}
	if how.Pending != nil {
		return l.append(*how.Pending, false, origin{})
	}
	return nil
}

// beginChain begins a chain. Its first key is kept until somebody takes it elsewhere.
func (l *ledger) beginChain() error {
	c, key, err := chain.Create(l.config.chain())
	if err != nil {
		return err
	}
	l.chain = c
	if err := replace(l.config.firstKey(), []byte(key.String()+"\n")); err != nil {
		return fmt.Errorf("keeping the first key of the chain: %w", err)
	}
	l.logger.Warn("a new chain begins: take its first key off this host with 'vedette audit key', for whoever has it can forge what was recorded",
		"file", l.config.firstKey())
	return nil
}

// add links a row into the chain and appends it.
func (l *ledger) add(kind chain.Kind, row chain.Row, update bool, o origin) error {
	if l.chain.Due(time.Now()) && len(l.waiting) == 0 {
		if err := l.evolve(); err != nil {
			return err
		}
	}
	row.Sort()
	head, err := l.chain.Add(kind, row.Canonical(nil, kind))
	if err != nil {
		return fmt.Errorf("linking into the chain: %w", err)
	}
	seq, mac := chain.FieldSeq, chain.FieldMAC
	if kind == chain.End {
		seq, mac = chain.FieldEndSeq, chain.FieldEndMAC
	}
	row.Fields = append(row.Fields[:len(row.Fields):len(row.Fields)], chain.Int(seq, int64(head.Seq)), chain.String(mac, head.MAC.String()))
	return l.append(row, update, o)
}

func (l *ledger) append(row chain.Row, update bool, o origin) error {
	row.Sort()
	e := entry{Row: row, Update: update, Head: l.chain.Head(), Origin: o}
	l.memory.note(e)
	l.waiting = append(l.waiting, e)
	_, err := l.hasRoom()
	return err
}

// hasRoom says whether the journal takes entries. What waits for it goes first; while something does nothing more may be read from
// anywhere.
func (l *ledger) hasRoom() (bool, error) {
	for len(l.waiting) > 0 {
		e := l.waiting[0]
		body, err := e.marshal()
		if err != nil {
			return false, err
		}
		seq, err := l.journal.Append('R', time.Unix(0, e.Row.Time), body)
		if errors.Is(err, journal.ErrFull) {
			if now := time.Now(); now.Sub(l.told) > time.Minute {
				l.told = now
				l.logger.Error("the journal of the audit takes no more: records wait in the spool", "error", err)
			}
			return false, nil
		}
		if err != nil {
			return false, err
		}
		l.memory.Seq = seq
		l.dirty = true
		l.waiting = l.waiting[1:]
	}
	return true, nil
}

// evolve gives the chain its next key.
func (l *ledger) evolve() error {
	if err := l.sync(); err != nil {
		return err
	}
	row, err := l.chain.Evolve(time.Unix(0, l.timeOf(chain.Row{Measurement: chain.Checkpoints}, time.Now(), time.Now())), l.chain.Head().Seq)
	if err != nil {
		return err
	}
	if err := l.append(row, false, origin{}); err != nil {
		return err
	}
	return l.sync()
}

// timeOf is the time of a new row: its own, or later by what keeps it apart from the one before of its series. Where that one is in
// the future, because the clock was set back since, the row is not drawn there: between whole microseconds, in which hooks
// measure, it meets none either.
func (l *ledger) timeOf(row chain.Row, at, now time.Time) int64 {
	const ahead, between = 5 * time.Second, 501
	series := seriesOf(row)
	last := l.memory.Last[series]
	if last > now.Add(ahead).UnixNano() && last > at.UnixNano() {
		l.memory.Last[series] = 0
		return at.UnixNano() + between
	}
	return max(at.UnixNano(), last+1)
}

// sync brings what was added to disk, for it to be delivered.
func (l *ledger) sync() error {
	if !l.dirty {
		return nil
	}
	if err := l.journal.Sync(l.journal.Last()); err != nil {
		return err
	}
	l.dirty = false
	l.mu.Lock()
	l.synced = l.journal.Last()
	close(l.grown)
	l.grown = make(chan struct{})
	l.mu.Unlock()
	return nil
}

// keep keeps the memory, if it is time.
func (l *ledger) keep(now time.Time) error {
	often := memoryIdle
	if l.memory.Seq != l.savedSeq {
		often = memorySaved
	}
	if l.dirty || len(l.waiting) > 0 || now.Sub(l.saved) < often {
		return nil
	}
	l.saved, l.savedSeq = now, l.memory.Seq
	if err := l.memory.save(l.config.memory()); err != nil {
		return fmt.Errorf("keeping what was read: %w", err)
	}
	return nil
}

// await waits until more than that is on disk, and returns up to where.
func (l *ledger) await(ctx context.Context, than uint64) (uint64, error) {
	for {
		l.mu.Lock()
		synced, grown := l.synced, l.grown
		l.mu.Unlock()
		if synced > than {
			return synced, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-grown:
		}
	}
}

// close syncs, keeps the memory and lets all go.
func (l *ledger) close() error {
	err := l.sync()
	l.saved = time.Time{}
	return errors.Join(err, l.keep(time.Now()), l.chain.Close(), l.journal.Close())
}
