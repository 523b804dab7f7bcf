package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// inbox is what has come of a user and is no row yet. The hook writes a record to its file before it sends the copy: so when a
// copy has come the record is there, and the other way round a record waits a moment for the copy that attests it.
type inbox struct {
	found    []waiting
	attested map[record.Record]time.Time // copies, and when they came
	bytes    int                         // of the copies
}

type waiting struct {
	drop.Found
	until time.Time
}

const (
	// patience is how long a record waits for its copy, or for the one before it.
	patience = 400 * time.Millisecond
	// lone is how long a copy waits for its record before it is one itself: then the hook could not write to the spool.
	lone = 2 * time.Second
	// copiesBytes bounds the copies of a user that are kept. More come only while records wait in the spool, where they should all be.
	copiesBytes = 4 << 20
	// mostFound bounds the records of a user that have been read and are no rows yet.
	mostFound = 500
)

func (c *collector) inboxOf(uid int) *inbox {
	b := c.inbox[uid]
	if b == nil {
		b = &inbox{attested: map[record.Record]time.Time{}}
		c.inbox[uid] = b
	}
	return b
}

// attest takes a copy of a record. It returns how many others it had to forget, for which there was no room: if they are in the
// spool, as they should be, they are recorded all the same.
func (b *inbox) attest(r record.Record) (forgotten int) {
	if b.bytes > copiesBytes {
		forgotten = len(b.attested)
		clear(b.attested)
		b.bytes = 0
	}
	if _, twice := b.attested[r]; !twice {
		b.bytes += sizeOf(r)
	}
	b.attested[r] = time.Now()
	return forgotten
}

func (b *inbox) forget(r record.Record) {
	if _, ok := b.attested[r]; ok {
		delete(b.attested, r)
		b.bytes -= sizeOf(r)
	}
}

// sizeOf is about how much memory a record takes.
func sizeOf(r record.Record) int { return 200 + len(r.Cwd) + len(r.Command) }

// found takes what was read from the spool.
func (c *collector) found(f drop.Found, now time.Time) {
	c.spend(f.UID)
	if f.Boxed {
		c.admit(f.UID)
	}
	b := c.inboxOf(f.UID)
	b.found = append(b.found, waiting{f, now.Add(patience)})
}

// release makes rows of what has waited long enough, or needs not wait. Of one file nothing goes before what was in front of it.
func (c *collector) release(now time.Time) error {
	for uid, b := range c.inbox {
		for again := len(b.found) > 0; again; {
			again = false
			held := map[drop.Place]bool{}
			kept := b.found[:0]
			for _, w := range b.found {
				level, wait := c.waits(uid, b, w, now)
				if wait || held[w.Place] {
					held[w.Place] = true
					kept = append(kept, w)
					continue
				}
				again = true // another one may have waited for this
				if err := c.record(uid, w.Item.Record, level, w.Found, now); err != nil {
					return err
				}
			}
			clear(b.found[len(kept):])
			b.found = kept
		}
		if err := c.releaseLone(uid, b, now); err != nil {
			return err
		}
		if len(b.found) == 0 && len(b.attested) == 0 {
			delete(c.inbox, uid)
		}
	}
	return nil
}

// releaseLone makes rows of copies whose record is in no file: the hook could not write there. They come in the order of their
// shells, and no faster than what is read.
func (c *collector) releaseLone(uid int, b *inbox, now time.Time) error {
	if len(b.attested) == 0 || len(b.found) > 0 || !c.drop.Drained(uid) {
		return nil
	}
	var due []record.Record
	for r, came := range b.attested {
		if now.Sub(came) > lone {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b record.Record) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Birth, b.Birth), cmp.Compare(a.Started, b.Started), cmp.Compare(a.Seq, b.Seq))
	})
	for _, r := range due[:min(len(due), c.allowed(uid, now))] {
		b.forget(r)
		c.spend(uid)
		if err := c.record(uid, r, ofProcess, drop.Found{UID: uid}, now); err != nil {
			return err
		}
	}
	return nil
}

// waits says whether a record has to wait: for its copy, which attests it, or for one before it, which may be in another file.
func (c *collector) waits(uid int, b *inbox, w waiting, now time.Time) (attestation, bool) {
	if w.Bad != nil {
		return ofUser, false
	}
	s, level := c.shells[shellKey{uid, w.Record.PID, w.Record.Birth}], ofUser
	if _, ok := b.attested[w.Record]; ok {
		level = ofProcess
	}
	late := !now.Before(w.until)
	last := int64(0)
	if s != nil {
		last = s.seq
	}
	switch {
	case !late && w.Record.Seq > last+1:
		return level, true
	case level == ofProcess:
		b.forget(w.Record)
		return level, false
	}
	return level, !late && s != nil && s.connected
}

// settled says that all that was read is a row.
func (c *collector) settled() bool {
	for _, b := range c.inbox {
		if len(b.found) > 0 {
			return false
		}
	}
	return len(c.ledger.waiting) == 0
}

// nextRelease is how long it is until something may have waited long enough, if anything waits.
func (c *collector) nextRelease() (wait time.Duration, some bool) {
	if !c.room {
		return 0, false // it is looked for room now and then
	}
	if c.more {
		return 0, true
	}
	for _, b := range c.inbox {
		if len(b.found) > 0 {
			return patience / 4, true
		}
	}
	return 0, false
}
