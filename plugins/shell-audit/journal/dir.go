package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const suffix = ".journal"

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, suffix) }

// list returns the segments in dir, the oldest first.
func list(dir string) ([]segment, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var segments []segment
	for _, f := range files {
		number, ok := strings.CutSuffix(f.Name(), suffix)
		first, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil || first == 0 || !f.Type().IsRegular() {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list segments: %w", err)
		}
		segments = append(segments, segment{filepath.Join(dir, f.Name()), first, info.Size()})
	}
	slices.SortFunc(segments, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return segments, nil
}

// lockDir takes dir until the file is closed or the process ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("journal %s is %w by another process: stop that one, or use another directory", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock journal %s: %w", dir, err)
	}
	return f, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync journal's directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync journal's directory %s: %w", dir, err)
	}
	return nil
}

// commitPoint keeps a number in two slots that are written in turn, so that a torn write leaves the other. They have
// their blocks from the beginning: a full disk does not keep it from moving, and room from being made.
type commitPoint struct {
	f    *os.File
	seq  uint64
	slot int64 // to write next
}

const (
	commitName   = "commit"
	commitMagic  = "VjC\x01"
	slotSize     = 16
	slotDistance = 4096
)

func openCommitPoint(path string) (*commitPoint, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open commit point: %w", err)
	}
	c := &commitPoint{f: f}
	valid := false
	for slot := range int64(2) {
		var b [slotSize]byte
		if _, err := f.ReadAt(b[:], slot*slotDistance); err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		seq := binary.LittleEndian.Uint64(b[4:])
		if string(b[:4]) != commitMagic || crc32.Checksum(b[:12], castagnoli) != binary.LittleEndian.Uint32(b[12:]) {
			continue
		}
		if !valid || seq > c.seq {
			c.seq, c.slot, valid = seq, 1-slot, true
		}
	}
	if valid {
		return c, nil
	}
	// New, or destroyed: then all that is there is delivered again, which changes nothing.
	b := make([]byte, 2*slotDistance)
	copy(b, encodeSlot(0))
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write commit point %s: %w", path, err)
	}
	c.slot = 1
	return c, nil
}

func encodeSlot(seq uint64) []byte {
	b := binary.LittleEndian.AppendUint64([]byte(commitMagic), seq)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func (c *commitPoint) save(seq uint64) error {
	if _, err := c.f.WriteAt(encodeSlot(seq), c.slot*slotDistance); err != nil {
		return fmt.Errorf("write commit point: %w", err)
	}
	if err := syscall.Fdatasync(int(c.f.Fd())); err != nil {
		return fmt.Errorf("sync commit point: %w", err)
	}
	c.seq, c.slot = seq, 1-c.slot
	return nil
}
