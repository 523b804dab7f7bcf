package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Move brings the spool in directory from, if there is one, to directory to. Nobody may have either open: the caller
// holds the Lock of a directory that everybody respects. A Move that was cut short is completed by the next.
func Move(from, to string) error {
	names, err := filesOf(from)
	if err != nil || len(names) == 0 {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("create spool: %w", err)
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(to, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move the spool of an earlier version from %s to %s: there is one already: let the earlier version "+
				"deliver what it has, and remove %s and %s", from, to, filepath.Join(from, cursorName),
				filepath.Join(from, "*"+segmentSuffix))
		}
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("move spool: %w", err)
		}
	}
	return errors.Join(syncDir(to), syncDir(from))
}

// filesOf lists what a spool in dir consists of, but for its lock.
func filesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.Type().IsRegular() && (name == cursorName || strings.HasSuffix(name, segmentSuffix) || strings.HasSuffix(name, keptSuffix)) {
			names = append(names, name)
		}
	}
	return names, nil
}
