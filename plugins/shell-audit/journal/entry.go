package journal

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Entry is one entry. Kind is for the caller to define.
type Entry struct {
	Seq  uint64
	Time time.Time
	Kind byte
	Body []byte
}

// An entry on disk, little endian:
//
//	 0  magic   4
//	 4  length  4  of the body
//	 8  seq     8
//	16  time    8  Unix nanoseconds
//	24  kind    1, and 3 zeros
//	28  crc32c  4  over bytes 0 to 28 and the body
//	32  body
const (
	headerSize = 32
	magic      = "\xf5Vj\x01"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (e Entry) encode(b []byte) []byte {
	from := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Body)))
	b = binary.LittleEndian.AppendUint64(b, e.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	b = append(b, e.Kind, 0, 0, 0)
	sum := crc32.Update(crc32.Checksum(b[from:], castagnoli), castagnoli, e.Body)
	return append(binary.LittleEndian.AppendUint32(b, sum), e.Body...)
}

// decode returns the header that b begins with and the length of the whole entry, which is not checked yet.
func decode(b []byte) (e Entry, size int64, ok bool) {
	n := binary.LittleEndian.Uint32(b[4:])
	return Entry{
		Seq:  binary.LittleEndian.Uint64(b[8:]),
		Time: time.Unix(0, int64(binary.LittleEndian.Uint64(b[16:]))),
		Kind: b[24],
	}, headerSize + int64(n), string(b[:4]) == magic && n <= MaxBody
}

// sound says whether b, the whole entry, has the checksum that it claims.
func sound(b []byte) bool {
	sum := crc32.Update(crc32.Checksum(b[:28], castagnoli), castagnoli, b[headerSize:])
	return sum == binary.LittleEndian.Uint32(b[28:])
}
