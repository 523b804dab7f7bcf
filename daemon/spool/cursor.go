package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// position says how far delivery has come.
type position struct {
	seq    uint64 // every record up to this one is delivered
	points uint64 // in all records up to this one
}

// cursorFile keeps a position in two slots that are written in turn, so that a torn write leaves the other one. The
// slots are a block apart, and both are written when the file is made: later writes need no new blocks, so a full disk
// does not keep deliveries from being recorded and space from being freed. (Copy-on-write file systems need some all
// the same; Options.MinFree keeps it for them.)
//
//	 0  magic   4
//	 4  seq     8
//	12  points  8
//	20  crc32c  4  over bytes 0 to 20
type cursorFile struct {
	f    *os.File
	slot int64 // the slot to write next: the older or the invalid one
}

const (
	cursorName   = "cursor"
	cursorMagic  = "VdC\x01"
	slotSize     = 24
	slotDistance = 4096
	slotCount    = 2
)

func encodeSlot(p position) []byte {
	b := make([]byte, slotSize)
	copy(b, cursorMagic)
	binary.LittleEndian.PutUint64(b[4:], p.seq)
	binary.LittleEndian.PutUint64(b[12:], p.points)
	binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	return b
}

func decodeSlot(b []byte) (position, bool) {
	p := position{seq: binary.LittleEndian.Uint64(b[4:]), points: binary.LittleEndian.Uint64(b[12:])}
	return p, string(b[:4]) == cursorMagic && crc32.Checksum(b[:20], castagnoli) == binary.LittleEndian.Uint32(b[20:])
}

// openCursor returns the cursor file, the position in it and the number of slots that hold one. A file that is new has
// none, and must be given a position by reset.
func openCursor(path string) (c *cursorFile, p position, valid int, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, p, 0, fmt.Errorf("open cursor: %w", err)
	}
	c = &cursorFile{f: f}
	for slot := range int64(slotCount) {
		b := make([]byte, slotSize)
		if _, err := f.ReadAt(b, slot*slotDistance); err != nil && !errors.Is(err, io.EOF) {
			continue // a bad sector: one slot less
		}
		got, ok := decodeSlot(b)
		if !ok {
			continue
		}
		valid++
		if valid == 1 || got.seq > p.seq {
			p, c.slot = got, 1-slot
		}
	}
	return c, p, valid, nil
}

// reset writes p to both slots and takes the blocks for them.
func (c *cursorFile) reset(p position) error {
	b := make([]byte, slotCount*slotDistance)
	for slot := range slotCount {
		copy(b[slot*slotDistance:], encodeSlot(p))
	}
	if _, err := c.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	if err := c.f.Sync(); err != nil {
		return fmt.Errorf("sync cursor %s: %w", c.f.Name(), err)
	}
	return nil
}

// save writes p to the older slot. Without sync it survives the end of the process, but not that of the machine.
func (c *cursorFile) save(p position, sync bool) error {
	if _, err := c.f.WriteAt(encodeSlot(p), c.slot*slotDistance); err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	if sync {
		if err := syncData(c.f); err != nil {
			return fmt.Errorf("sync cursor %s: %w", c.f.Name(), err)
		}
	}
	c.slot = 1 - c.slot
	return nil
}
