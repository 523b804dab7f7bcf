package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

const (
	// retryLetters and retryBytes bound what of the dead letters is sent at once, and retryTime how long InfluxDB may take
	// for it.
	retryLetters = 5000
	retryBytes   = 4 << 20
	retryTime    = time.Minute
)

// DeadLetters goes through the dead letters of a configuration's data directory, oldest first, whether a daemon runs or
// not.
func DeadLetters(cfg *config.Config) iter.Seq2[influx.DeadLetter, error] {
	return influx.ReadDeadLetters(deadLetterDir(cfg))
}

// DropDeadLetters removes dead letters for good while no daemon runs; otherwise the error is influx.ErrDeadLettersInUse.
func DropDeadLetters(cfg *config.Config, chosen influx.LetterFilter) (dropped uint64, err error) {
	letters, err := openDeadLetters(cfg)
	if err != nil {
		return 0, err
	}
	dropped, err = letters.Remove(chosen.Match)
	return dropped, errors.Join(err, letters.Close())
}

// openedStorage is the way to InfluxDB, once it is known.
func (a *App) openedStorage() (*storage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.storage == nil {
		return nil, errors.New("InfluxDB has not been ready yet: try again when `vedette status` says that it is")
	}
	return a.storage, nil
}

// DropDeadLetters implements console.Subject.
func (a *App) DropDeadLetters(chosen influx.LetterFilter) (console.Dropped, error) {
	s, err := a.openedStorage()
	if err != nil {
		return console.Dropped{}, err
	}
	n, err := s.letters.Remove(chosen.Match)
	a.logger.Info("dead letters were dropped", "letters", n)
	return console.Dropped{Letters: n}, err
}

// letterKey is how a letter is known: by its lane and line, for when it was refused does not matter.
type letterKey [16]byte

func keyOf(lane influx.Lane, line []byte) letterKey {
	hash := sha256.New()
	hash.Write([]byte(lane))
	hash.Write([]byte{0})
	hash.Write(line)
	return letterKey(hash.Sum(nil)[:16])
}

// RetryDeadLetters implements console.Subject. Only what InfluxDB has, or would delete at once, is removed, so that a
// crash at any time leaves all others where they are.
func (a *App) RetryDeadLetters(ctx context.Context, chosen influx.LetterFilter) (result console.Retried, err error) {
	s, err := a.openedStorage()
	if err != nil {
		return result, err
	}
	if !a.retrying.TryLock() {
		return result, errors.New("dead letters are being sent already")
	}
	defer a.retrying.Unlock()
	settled := map[letterKey]bool{}
	points, records := influx.Targets(s.bucket)
	for _, target := range []influx.Target{points, records} {
		if err = a.retryLane(ctx, s, target, chosen, settled, &result); err != nil {
			break
		}
	}
	if len(settled) > 0 {
		_, removal := s.letters.Remove(func(l influx.DeadLetter) bool { return settled[keyOf(l.Lane, l.Line)] })
		err = errors.Join(err, removal)
	}
	a.logger.Info("dead letters were sent once more", "stored", result.Stored, "expired", result.Expired, "refused", result.Refused, "error", err)
	return result, err
}

func (a *App) retryLane(ctx context.Context, s *storage, target influx.Target, chosen influx.LetterFilter, settled map[letterKey]bool, result *console.Retried) error {
	var mu sync.Mutex
	refused := map[letterKey]bool{}
	options := s.writerTo(target, nil)
	options.Reject = func(lines [][]byte, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		for _, line := range lines {
			refused[keyOf(target.Lane, line)] = true
		}
		return nil
	}
	writer, err := influx.NewWriter(options)
	if err != nil {
		return err
	}
	defer writer.Close()
	send := func(lines [][]byte) error {
		ctx, cancel := context.WithTimeout(ctx, retryTime)
		defer cancel()
		got, err := writer.Write(ctx, lines)
		result.Stored += got.Stored
		result.Expired += got.Expired
		result.Refused += got.Rejected
		if err != nil {
			if why := writer.State().LastError; why != "" {
				return fmt.Errorf("%w: %s", err, why)
			}
			return err
		}
		for _, line := range lines {
			if key := keyOf(target.Lane, line); !refused[key] {
				settled[key] = true
			}
		}
		return nil
	}
	var lines [][]byte
	size := 0
	for l, err := range DeadLetters(a.cfg) {
		if err != nil {
			a.logger.Warn("a dead letter can not be read and stays", "error", err)
			continue
		}
		if l.Lane != target.Lane || !chosen.Match(l) {
			continue
		}
		lines = append(lines, l.Line)
		if size += len(l.Line); len(lines) == retryLetters || size >= retryBytes {
			if err := send(lines); err != nil {
				return err
			}
			lines, size = lines[:0], 0
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return send(lines)
}
