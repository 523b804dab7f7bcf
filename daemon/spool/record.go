package spool

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// MaxPayload bounds one record. It keeps a damaged length from asking for gigabytes.
const MaxPayload = 32 << 20

// Record is one payload on its way out.
type Record struct {
	Seq     uint64    // its place in the spool; the first record ever is 1
	Time    time.Time // when it was appended, by the wall clock
	Points  int       // what Append was told
	Payload []byte    // the reader's own copy

	before uint64 // points in all records ahead of this one
}

// A record on disk, little endian:
//
//	 0  magic    4
//	 4  length   4  of the payload
//	 8  seq      8
//	16  time     8  Unix nanoseconds
//	24  before   8  points in all earlier records: what a gap swallowed, and what waits, is known without reading it
//	32  points   4
//	36  crc32c   4  over the payload, then bytes 4 to 36
//	40  payload
//
// The payload comes first in the checksum, so that it is summed by the appending goroutine; the committer, which alone
// knows seq and before, adds 32 bytes.
const headerSize = 40

// The first byte occurs in no UTF-8 text, so a search for the next record stops at few false places.
const magic = "\xf5Vd\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendUnsealed adds a record that lacks seq and before; its checksum field holds the sum of the payload.
func appendUnsealed(buf []byte, payload []byte, payloadSum uint32, points uint32, at time.Time) []byte {
	var h [headerSize]byte
	copy(h[:], magic)
	binary.LittleEndian.PutUint32(h[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(h[16:], uint64(at.UnixNano()))
	binary.LittleEndian.PutUint32(h[32:], points)
	binary.LittleEndian.PutUint32(h[36:], payloadSum)
	return append(append(buf, h[:]...), payload...)
}

// seal completes the unsealed record at the beginning of b.
func seal(b []byte, payloadSum uint32, seq, before uint64) {
	binary.LittleEndian.PutUint64(b[8:], seq)
	binary.LittleEndian.PutUint64(b[24:], before)
	binary.LittleEndian.PutUint32(b[36:], crc32.Update(payloadSum, castagnoli, b[4:36]))
}

// header is what stands before a payload. It may be wrong in any way until its checksum has been compared.
type header struct {
	length uint32
	seq    uint64
	time   int64
	before uint64
	points uint32
	sum    uint32
}

// parseHeader returns the header at the beginning of b, which holds at least headerSize bytes.
func parseHeader(b []byte) (header, bool) {
	return header{
		length: binary.LittleEndian.Uint32(b[4:]),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		time:   int64(binary.LittleEndian.Uint64(b[16:])),
		before: binary.LittleEndian.Uint64(b[24:]),
		points: binary.LittleEndian.Uint32(b[32:]),
		sum:    binary.LittleEndian.Uint32(b[36:]),
	}, string(b[:4]) == magic
}

// size is the number of bytes of the record on disk.
func (h header) size() int64 { return headerSize + int64(h.length) }

func (h header) when() time.Time { return time.Unix(0, h.time) }

// matches says whether b, the whole record, has the checksum that its header claims.
func (h header) matches(b []byte) bool {
	return crc32.Update(crc32.Checksum(b[headerSize:], castagnoli), castagnoli, b[4:36]) == h.sum
}
