package main

import (
	"context"
	"errors"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/socket"
)

const (
	// scanned is how often the spool is read whether or not anything has changed, and what else is due is done.
	scanned = 500 * time.Millisecond
	// gathered is how long changes are gathered: reading and syncing for each would cost more than it brings.
	gathered = 10 * time.Millisecond
)

// run collects until ctx ends.
func (c *collector) run(ctx context.Context) error {
	if err := replace(c.config.heard(), []byte(c.heard()+"\n")); err != nil {
		c.trouble("keeping for status what is heard from the kernel", err)
	}
	began := "the collector begins, version " + version + "; " + c.heard()
	if m := c.ledger.memory; m.Seq > 0 && !m.Stopped {
		began += "; the one before it ended without saying so"
	}
	if err := c.event(event{kind: "start", detail: began}); err != nil {
		return err
	}
	scan := time.NewTicker(scanned)
	defer scan.Stop()
	// Something has happened, or waits: soon it is time to collect.
	soon := time.NewTimer(0)
	defer soon.Stop()
	pending := true
	in := func(d time.Duration) {
		if !pending {
			pending = true
			soon.Reset(d)
		}
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return c.leave()
		case e := <-c.events:
			err = c.take(e)
			in(gathered)
		case e := <-c.execs:
			err = c.exec(e, time.Now())
			in(gathered)
		case <-c.woken:
			in(gathered)
		case <-scan.C:
			in(0)
		case <-soon.C:
			pending = false
			err = c.collect(time.Now())
			if wait, some := c.nextRelease(); some {
				in(wait)
			}
		}
		if err != nil {
			return err
		}
	}
}

// collect reads what is new, makes rows of it, and brings them to disk.
func (c *collector) collect(now time.Time) error {
	room, err := c.ledger.hasRoom()
	if err != nil {
		return err
	}
	c.room = room
	if room {
		if err := c.tellMissed(); err != nil {
			return err
		}
		if err := c.read(now); err != nil {
			return err
		}
		if err := c.release(now); err != nil {
			return err
		}
		if err := c.look(now); err != nil {
			return err
		}
		if err := c.tellRepeats(now); err != nil {
			return err
		}
		c.forget(now)
	}
	if err := c.ledger.sync(); err != nil {
		return err
	}
	if room && !c.more && c.settled() && c.drop.AllDrained() {
		c.ledger.memory.Seen = now
	}
	if room && c.settled() {
		gone, err := c.drop.Settle()
		if err != nil {
			c.trouble("tidying the spool", err)
		}
		for _, place := range gone {
			delete(c.ledger.memory.Read, place)
		}
	}
	if err := c.ledger.keep(now); err != nil {
		c.trouble("keeping the memory", err)
	}
	if err := c.ledger.journal.Prune(now); err != nil {
		c.trouble("tidying the journal", err)
	}
	return nil
}

// leave makes rows of what is there, and says that nothing more comes.
func (c *collector) leave() error {
	if err := c.collect(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := c.event(event{kind: "stop", detail: "the collector ends"}); err != nil {
		return err
	}
	return c.ledger.sync()
}

// tellMissed tells of what could not be kept while the journal had no room. Records are not among it: they wait in the spool.
func (c *collector) tellMissed() error {
	if c.missed == 0 {
		return nil
	}
	count := c.missed
	c.missed = 0
	return c.event(event{kind: "drop", detail: "programs and events that came while the journal had no room", count: count})
}

// read reads the spool.
func (c *collector) read(now time.Time) error {
	more, err := c.drop.Read(func(uid int) int { return c.allowed(uid, now) }, func(f drop.Found) { c.found(f, now) })
	if err != nil {
		c.trouble("reading the spool", err)
	}
	c.more = more
	return c.tellHeldBack(now)
}

// trouble logs what goes on by itself, once a minute.
func (c *collector) trouble(doing string, err error) {
	if now := time.Now(); now.Sub(c.troubles[doing]) >= time.Minute {
		c.troubles[doing] = now
		c.logger.Error("what the audit does beside its work fails", "doing", doing, "error", err)
	}
}

// take takes what has happened at the socket.
func (c *collector) take(e socket.Event) error {
	switch e.Kind {
	case socket.Message:
		key := shellKey{e.UID, e.Record.PID, e.Record.Birth}
		s := c.shellOf(key, e.Record)
		if !s.known && e.Peer.Birth != 0 {
			s.process, s.known = e.Peer.Process, true
		}
		s.connected = true
		c.admit(e.UID)
		if n := c.inboxOf(e.UID).attest(e.Record); n > 0 {
			return c.repeated(repeatKey{kind: "drop", uid: e.UID, detail: "copies came over the socket faster than records are taken from the spool, and were forgotten"}, int64(n), time.Now())
		}
	case socket.Closed:
		for _, s := range c.shells {
			if s.key.PID == e.Peer.PID && s.key.Birth == e.Peer.Birth {
				s.connected = false
			}
		}
		if e.Alive {
			return c.tell(c.watch.Closed(e.Peer.PID, e.Peer.Birth, time.Now()))
		}
	case socket.Violation:
		kind := "drop"
		if errors.Is(e.Err, socket.ErrMismatch) {
			kind = "credential_mismatch"
		}
		return c.repeated(repeatKey{kind: kind, uid: e.Peer.UID, detail: e.Err.Error()}, 1, time.Now())
	}
	return nil
}
