package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/redact"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/text"
)

// attestation says how sure it is who a record is of.
type attestation int64

const (
	ofUser    attestation = 2 // the kernel let this user alone write it, beside root
	ofProcess attestation = 3 // the kernel names the process that sent it
)

// record makes a row of a record, or completes one.
func (c *collector) record(uid int, r record.Record, level attestation, f drop.Found, now time.Time) error {
	var o origin
	if f.Place.Inode != 0 {
		o.From, o.End = &f.Place, f.End
	}
	if f.Bad != nil {
		return c.repeated(repeatKey{kind: "drop", uid: uid, detail: "what is no record: " + f.Bad.Error()}, 1, now)
	}
	if err := c.tell(c.watch.Heard(uid, r, now)); err != nil {
		return err
	}
	s := c.shellOf(shellKey{uid, r.PID, r.Birth}, r)
	s.seq = r.Seq
	s.identify()
	s.proven = level == ofProcess
	if s.proven && s.known && s.process.Attested {
		c.trusted[s.process.Session] = true
	}
	o.Shell = &s.key
	switch r.Kind {
	case record.Hello:
		s.learn(r)
		return c.event(event{kind: "hello", level: level, detail: "the shell reports, version " + text.Cut(text.Clean(r.Claim("version")), 40), shell: s, seq: r.Seq, origin: o})
	case record.Lost:
		count := int64(1)
		_, _ = fmt.Sscanf(r.Claim("count"), "%d", &count)
		return c.event(event{kind: "drop", detail: "the shell could not write records: " + text.Cut(text.Clean(r.Claim("reason")), 80),
			count: max(1, count), shell: s, seq: r.Seq, origin: o})
	case record.End:
		return c.end(s, r, o, now)
	}
	row, err := c.command(s, r, level, now)
	if err != nil {
		return err
	}
	if r.Kind == record.Complete {
		end := ending(r)
		row.Fields = append(row.Fields, end...)
		if len(end) == 0 {
			// Nobody can tell it from a command that has not ended.
			return c.ledger.add(chain.Start, row, false, o)
		}
		return c.ledger.add(chain.Whole, row, false, o)
	}
	o.Opens, o.Started = true, int64(r.Started)
	return c.ledger.add(chain.Start, row, false, o)
}

// command is the row of a command as it is when it starts.
func (c *collector) command(s *shell, r record.Record, level attestation, now time.Time) (chain.Row, error) {
	at, err := c.believed(s, r, now)
	if err != nil {
		return chain.Row{}, err
	}
	row := c.row(chain.Commands, s.user(c.names), s.name, "hook", at)
	row.Fields = append(append(s.fields(c.own), c.typed(r.Command, r.Truncated)...),
		chain.String("cwd", text.Clean(r.Cwd)), chain.Int("seq", r.Seq),
		chain.Int("attestation", int64(level)), chain.Int("timestamp", row.Time))
	if r.History != record.NoHistory {
		row.Fields = append(row.Fields, chain.Int("history_id", r.History))
	}
	return row, nil
}

// typed are the fields of what was typed, or run: without what can do something to a terminal, and without secrets.
func (c *collector) typed(command string, truncated bool) []chain.Value {
	shown, secrets := c.rules.Redact(text.Clean(command))
	f := []chain.Value{chain.String("command", shown)}
	if secrets > 0 {
		f = append(f, chain.Int("redacted", int64(secrets)), chain.String("command_mac", redact.MAC(c.key, command)))
	}
	if truncated {
		f = append(f, chain.Bool("truncated", true))
	}
	return f
}

// believed is the time of a command. What a shell says of it is a claim. It is believed between the shell's command before and now,
// and not before the spool was last read to its end, for then it was not there yet.
func (c *collector) believed(s *shell, r record.Record, now time.Time) (time.Time, error) {
	const (
		slack   = 10 * time.Second    // between a shell's look at the clock and its record in the spool, on a busy machine
		longest = 24 * time.Hour      // of a command that is written when it has ended
		away    = 30 * 24 * time.Hour // of a spool that nobody has read before
	)
	at, since := r.Started.Time(), c.ledger.memory.Seen.Add(-slack)
	if c.ledger.memory.Seen.IsZero() {
		since = now.Add(-away)
	}
	if r.Kind == record.Complete {
		since = since.Add(-longest)
		if at.IsZero() {
			at = r.Ended.Time()
		}
	}
	switch {
	case at.IsZero():
		at = now
	case at.After(now.Add(slack)) || at.Before(s.last.Add(-slack)) || at.Before(since):
		if err := c.repeated(repeatKey{kind: "skew", uid: s.key.UID, detail: "a shell claims a time that can not be"}, 1, now); err != nil {
			return at, err
		}
		at = now
	}
	s.last = at
	return at, nil
}

// end completes the row of a command.
func (c *collector) end(s *shell, r record.Record, o origin, now time.Time) error {
	begun, ok := c.ledger.memory.Open[s.key][int64(r.Started)]
	if !ok {
		return c.event(event{kind: "gap", detail: "the end of a command whose beginning is not there", shell: s, seq: r.Seq, origin: o})
	}
	o.Closes, o.Started = true, int64(r.Started)
	row := begun
	row.Fields = append(slices.Clone(row.Fields), ending(r)...)
	return c.ledger.add(chain.End, row, true, o)
}

// ending are the fields that the end of a command adds.
func ending(r record.Record) []chain.Value {
	var f []chain.Value
	if r.Exit != record.NoExitCode {
		f = append(f, chain.Int("exit_code", int64(r.Exit)))
	}
	if r.Started > 0 && r.Ended >= r.Started {
		f = append(f, chain.Int("duration_us", int64(r.Ended-r.Started)))
	}
	return f
}

// event is what happens to the audit.
type event struct {
	kind, detail string
	uid          int // if there is no shell
	fields       []chain.Value
	name         string // of the shell, if no more is known of it
	shell        *shell
	count        int64
	seq          int64
	level        attestation // of a record; 0 if it is of none
	origin       origin
}

// event makes a row of an event.
func (c *collector) event(e event) error {
	if !c.room {
		c.missed++
		return nil
	}
	user, name := "", ""
	var more []chain.Value
	if e.shell != nil {
		user, name = e.shell.user(c.names), e.shell.name
		more = e.shell.who()
	} else if e.kind != "start" && e.kind != "stop" {
		user, name = c.names.Of(e.uid), e.name
		more = append(more, chain.Int("uid", int64(e.uid)))
	}
	more = append(more, e.fields...)
	row := c.row(eventMeasurement.Name, user, name, "hook", time.Now(), chain.String("kind", e.kind))
	row.Fields = append(more, chain.Int("count", max(1, e.count)), chain.String("detail", e.detail), chain.Int("timestamp", row.Time))
	if e.level > 0 {
		row.Fields = append(row.Fields, chain.Int("attestation", int64(e.level)))
	}
	if e.seq > 0 {
		row.Fields = append(row.Fields, chain.Int("seq", e.seq))
	}
	return c.ledger.add(chain.Whole, row, false, e.origin)
}

// repeatKey tells events of which many may come from others.
type repeatKey struct {
	kind   string
	uid    int
	detail string
}

type repeat struct {
	count int64 // since it was told
	told  time.Time
}

// repeated makes an event of the first of a kind, and then one for all that came in a while.
func (c *collector) repeated(k repeatKey, count int64, now time.Time) error {
	const longest, most = 200, 1000
	k.detail = text.Cut(text.Clean(k.detail), longest)
	r := c.repeats[k]
	if r == nil && len(c.repeats) >= most {
		k.detail = "and other reasons"
		r = c.repeats[k]
	}
	if r != nil {
		r.count += count
		return nil
	}
	c.repeats[k] = &repeat{told: now}
	return c.event(event{kind: k.kind, uid: k.uid, detail: k.detail, count: count})
}

// tellRepeats tells what has come again.
func (c *collector) tellRepeats(now time.Time) error {
	const often = 10 * time.Second
	for k, r := range c.repeats {
		if now.Sub(r.told) < often {
			continue
		}
		delete(c.repeats, k)
		if r.count > 0 {
			c.repeats[k] = &repeat{told: now}
			if err := c.event(event{kind: k.kind, uid: k.uid, detail: k.detail, count: r.count}); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is one of a measurement, with its tags.
func (c *collector) row(measurement, user, shell, source string, at time.Time, more ...chain.Value) chain.Row {
	r := chain.Row{Measurement: measurement, Tags: append([]chain.Value{
		chain.String("shell", shell), chain.String("source", source), chain.String("user", user),
	}, more...)}
	r.Sort()
	r.Time = c.ledger.timeOf(r, at, time.Now())
	return r
}
