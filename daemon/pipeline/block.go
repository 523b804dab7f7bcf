package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// The payload of a record of the spool is a block:
//
//	0  flags    1
//	1  codec    1  how the rest is written
//	2  0        1
//	3  version  1
//	4  lines of line protocol, each after its length in four bytes: a newline can not separate them, because a string
//	   field may hold newlines
//
// Blocks of the first version, 0, have no such header: they begin with the length of a line, which is below 16 MiB, and so
// with three bytes of it and a zero.
const (
	blockHeader  = 4
	blockVersion = 1

	// holdsUpdates says that some of the points complete earlier ones.
	holdsUpdates byte = 1 << 0

	codecNone byte = 0
	codecZstd byte = 1
)

const (
	// blockBytes is the size at which a new block begins: stamping can make a batch of many small points much longer.
	blockBytes = 1 << 20
	// maxBlock bounds what a block grows to when it is unpacked. The longest line has some 2 MiB more than blockBytes.
	maxBlock = 8 << 20
	// packBytes is the size from which compression is worth its while.
	packBytes = 1 << 10
)

// startBlock makes buf the beginning of a block.
func startBlock(buf []byte) []byte {
	return append(buf[:0], 0, codecNone, 0, blockVersion)
}

// appendLine appends the line that write appends to its argument.
func appendLine(lines []byte, write func([]byte) []byte) []byte {
	// The length comes first and is known last. Four bytes are reserved for it, more than a line can need.
	start := len(lines)
	lines = write(append(lines, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(lines[start:], uint32(len(lines)-start-4))
	return lines
}

var errBlock = errors.New("a record of the spool is no block of lines")

// packer compresses blocks and unpacks them. It is safe for concurrent use.
type packer struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// newPacker returns a packer. A window of 256 KiB costs a fiftieth of the ratio that the largest block could have, and saves
// most of the memory.
func newPacker() (*packer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(min(2, runtime.GOMAXPROCS(0))),
		zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("making a compressor: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("making a decompressor: %w", err)
	}
	return &packer{encoder, decoder}, nil
}

// pack appends the block in its compressed form to buf, unless that is no shorter; then it returns nil.
func (p *packer) pack(buf, block []byte) []byte {
	buf = append(buf[:0], block[0], codecZstd, 0, blockVersion)
	buf = p.encoder.EncodeAll(block[blockHeader:], buf)
	if len(buf) >= len(block) {
		return nil
	}
	return buf
}

// unpacked is a block that was read.
type unpacked struct {
	updates bool
	// scratch is the buffer that lines may be parts of, for the next block.
	scratch []byte
}

// unpack appends the lines of the block to lines. They are parts of the block or of what is appended to scratch.
func (p *packer) unpack(lines [][]byte, block, scratch []byte) ([][]byte, unpacked, error) {
	u := unpacked{scratch: scratch}
	if len(block) < blockHeader || block[3] == 0 {
		lines, err := splitLines(lines, block)
		return lines, u, err
	}
	if block[3] != blockVersion {
		return lines, u, fmt.Errorf("a record of the spool has version %d, which a later vedette has written", block[3])
	}
	u.updates = block[0]&holdsUpdates != 0
	body := block[blockHeader:]
	switch block[1] {
	case codecNone:
	case codecZstd:
		// The decoder would make room for each block anew.
		start, scratch := len(scratch), slices.Grow(scratch, min(8*len(body), maxBlock))
		all, err := p.decoder.DecodeAll(body, scratch)
		if err != nil {
			return lines, u, fmt.Errorf("unpacking a record of the spool: %w", err)
		}
		u.scratch, body = all, all[start:]
	default:
		return lines, u, fmt.Errorf("a record of the spool is packed in way %d, which a later vedette knows", block[1])
	}
	lines, err := splitLines(lines, body)
	return lines, u, err
}

// splitLines appends the lines, which are parts of body, to lines.
func splitLines(lines [][]byte, body []byte) ([][]byte, error) {
	for len(body) > 0 {
		if len(body) < 4 {
			return lines, errBlock
		}
		n, rest := binary.LittleEndian.Uint32(body), body[4:]
		if n == 0 || uint64(n) > uint64(len(rest)) {
			return lines, errBlock
		}
		lines = append(lines, rest[:n])
		body = rest[n:]
	}
	return lines, nil
}
