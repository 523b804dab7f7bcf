package main

import (
	"context"
	"errors"
	"io"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/journal"
	"github.com/vedette-monitor/vedette/sdk"
)

// deliverAtOnce is how many rows are sent before it is asked whether the daemon has them on disk.
const deliverAtOnce = 1000

// deliver sends to the daemon what is on disk and was not acknowledged, in its order, and commits what the daemon has. What was
// sent before a crash is sent again, and is the same.
func (l *ledger) deliver(ctx context.Context, out sdk.Stream) error {
	at := l.journal.Committed()
	r := journal.Read(l.config.journal(), at+1)
	defer r.Close()
	for {
		upTo, err := l.await(ctx, at)
		if err != nil {
			return nil // it is time to stop
		}
		upTo = min(upTo, at+deliverAtOnce)
		for at < upTo {
			e, err := r.Next()
			var damage journal.Damage
			switch {
			case errors.As(err, &damage):
				l.logger.Error("entries of the journal are lost, and were not delivered", "error", err)
				at = damage.End - 1
				continue
			case errors.Is(err, io.EOF):
				return errors.New("the journal has fewer entries than were written to it")
			case err != nil:
				return err
			}
			at = e.Seq
			read, err := parseEntry(e.Body)
			if err != nil {
				l.logger.Error("an entry of the journal was not delivered", "entry", e.Seq, "error", err)
				continue
			}
			out.Emit(pointOf(read.Row, read.Update))
		}
		var refused *sdk.Refused
		switch err := out.Flush(ctx); {
		case errors.As(err, &refused):
			l.logger.Error("the daemon refuses what was recorded: it stays in the journal alone", "points", refused.Points, "reason", refused.Reason)
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := l.journal.Commit(at); err != nil {
			return err
		}
	}
}
