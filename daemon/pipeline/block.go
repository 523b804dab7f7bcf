package pipeline

import (
	"encoding/binary"
	"errors"
)

// The payload of a record of the spool is a block: lines of line protocol, each after its length. A newline can not
// separate them, because a string field may hold newlines.

// appendLine appends the line that write appends to its argument.
func appendLine(lines []byte, write func([]byte) []byte) []byte {
	// The length comes first and is known last. Four bytes are reserved for it, more than a line can need.
	start := len(lines)
	lines = write(append(lines, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(lines[start:], uint32(len(lines)-start-4))
	return lines
}

var errBlock = errors.New("a record of the spool is no block of lines")

// splitBlock appends the lines of the block, which are parts of it, to lines.
func splitBlock(lines [][]byte, block []byte) ([][]byte, error) {
	for len(block) > 0 {
		if len(block) < 4 {
			return lines, errBlock
		}
		n, rest := binary.LittleEndian.Uint32(block), block[4:]
		if n == 0 || uint64(n) > uint64(len(rest)) {
			return lines, errBlock
		}
		lines = append(lines, rest[:n])
		block = rest[n:]
	}
	return lines, nil
}
