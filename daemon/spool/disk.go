package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// file is what the committer needs of a segment that it writes. Tests put a failing one in its place, for no real disk
// fails when it is asked to.
type file interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error // returns once data and size are on the disk
}

// disk is where segments are written.
type disk interface {
	open(path string, flag int) (file, error)
	free(dir string) (int64, error) // bytes that this process may still take
}

type realDisk struct{}

func (realDisk) open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return syncedFile{f}, nil
}

func (realDisk) free(dir string) (int64, error) { return freeBytes(dir) }

// syncedFile leaves out the metadata that reading the data back does not need.
type syncedFile struct{ *os.File }

func (f syncedFile) Sync() error { return syncData(f.File) }

// syncDir makes names created in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// outOfSpace says whether err means that the disk, or this user's share of it, is full.
func outOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
