package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// position is the place behind a record.
type position struct {
	seq    uint64 // of that record
	points uint64 // in all records up to this one
}

// extent is what the cursor file tells.
type extent struct {
	delivered position // every record up to here is
	end       position // every record up to here was durable; there may be more
}

// after says whether e was written later than o.
func (e extent) after(o extent) bool {
	if e.delivered.seq != o.delivered.seq {
		return e.delivered.seq > o.delivered.seq
	}
	return e.end.seq > o.end.seq
}

// cursorFile keeps an extent in two slots that are written in turn, so that a torn write leaves the other one. The
// slots are a block apart, and both are written when the file is made: later writes need no new blocks, so a full disk
// does not keep deliveries from being recorded and space from being freed. (Copy-on-write file systems need some all
// the same; Options.MinFree keeps it for them.)
//
//	 0  magic       4
//	 4  delivered  16  seq, points
//	20  end        16  seq, points
//	36  crc32c      4  over the bytes before it
//
// Slots of the first version have no end, and the checksum in its place.
type cursorFile struct {
	f    *os.File
	slot int64 // the slot to write next: the older or the invalid one
}

const (
	cursorName   = "cursor"
	cursorMagic  = "VdC\x02"
	cursorMagic1 = "VdC\x01"
	slotSize     = 40
	slotSize1    = 24
	slotDistance = 4096
	slotCount    = 2
)

func encodeSlot(e extent) []byte {
	b := append(make([]byte, 0, slotSize), cursorMagic...)
	for _, p := range []position{e.delivered, e.end} {
		b = binary.LittleEndian.AppendUint64(b, p.seq)
		b = binary.LittleEndian.AppendUint64(b, p.points)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeSlot(b []byte) (extent, bool) {
	at := func(off int) position {
		return position{seq: binary.LittleEndian.Uint64(b[off:]), points: binary.LittleEndian.Uint64(b[off+8:])}
	}
	sound := func(size int) bool {
		return crc32.Checksum(b[:size-4], castagnoli) == binary.LittleEndian.Uint32(b[size-4:])
	}
	switch string(b[:4]) {
	case cursorMagic:
		return extent{delivered: at(4), end: at(20)}, sound(slotSize)
	case cursorMagic1:
		return extent{delivered: at(4), end: at(4)}, sound(slotSize1)
	}
	return extent{}, false
}

// openCursor returns the cursor file, what it tells and the number of slots that tell something. A file that is new has
// none, and must be given an extent by reset.
func openCursor(path string) (c *cursorFile, e extent, valid int, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, e, 0, fmt.Errorf("open cursor: %w", err)
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
		if valid == 1 || got.after(e) {
			e, c.slot = got, 1-slot
		}
	}
	return c, e, valid, nil
}

// reset writes e to both slots and takes the blocks for them.
func (c *cursorFile) reset(e extent) error {
	b := make([]byte, slotCount*slotDistance)
	for slot := range slotCount {
		copy(b[slot*slotDistance:], encodeSlot(e))
	}
	if _, err := c.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	if err := c.f.Sync(); err != nil {
		return fmt.Errorf("sync cursor %s: %w", c.f.Name(), err)
	}
	return nil
}

// save writes e to the older slot. Without sync it survives the end of the process, but not that of the machine.
func (c *cursorFile) save(e extent, sync bool) error {
	if _, err := c.f.WriteAt(encodeSlot(e), c.slot*slotDistance); err != nil {
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
