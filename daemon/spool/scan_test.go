package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"
)

var time1 = time.Unix(1_700_000_000, 123456789)

func crcOf(payload []byte) uint32 { return crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) }

// checksumOf computes the checksum of a whole record from the description of the format alone.
func checksumOf(record []byte) uint32 {
	return crcOf(slices.Concat(record[40:], record[4:36]))
}

func TestScanFindsRecordsBehindGarbage(t *testing.T) {
	valid := validSegment(3, 50)
	for name, c := range map[string]struct {
		b    []byte
		want []uint64
	}{
		"sound":             {valid, []uint64{1, 2, 3}},
		"garbage in front":  {slices.Concat([]byte("garbage"), valid), []uint64{1, 2, 3}},
		"magic in front":    {slices.Concat([]byte(magic), valid), []uint64{1, 2, 3}},
		"magics in front":   {slices.Concat(bytes.Repeat([]byte(magic), 1000), valid), []uint64{1, 2, 3}},
		"split magic":       {slices.Concat([]byte(magic[:3]), valid), []uint64{1, 2, 3}},
		"across a chunk":    {slices.Concat(make([]byte, readChunk-2), valid), []uint64{1, 2, 3}},
		"behind two chunks": {slices.Concat(make([]byte, 2*readChunk+1), valid), []uint64{1, 2, 3}},
		"repeated":          {slices.Concat(valid, valid), []uint64{1, 2, 3}},
		"torn":              {valid[:len(valid)-1], []uint64{1, 2}},
		"only a header":     {valid[:headerSize], nil},
		"nothing":           {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := scanAll(t, bytes.NewReader(c.b), int64(len(c.b))); !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
		})
	}
}

func TestScanRefusesRecordsOfOtherSegments(t *testing.T) {
	b := validSegment(5, 20)
	sc := scanner{r: bytes.NewReader(b), end: int64(len(b)), next: 2, limit: 4}
	var got []uint64
	for {
		rec, h, err := sc.scan()
		if err != nil {
			break
		}
		if h == nil {
			got = append(got, rec.Seq)
		}
	}
	if !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("found %v, want 2 and 3", got)
	}
}

// FuzzScan: arbitrary bytes end the scan, and what comes out of it has a valid checksum.
func FuzzScan(f *testing.F) {
	valid := validSegment(4, 45)
	f.Add(valid)
	f.Add(valid[:len(valid)-7])
	f.Add(slices.Concat(valid[:100], valid[90:]))
	f.Add(bytes.Repeat([]byte(magic), 100))
	huge := bytes.Clone(valid)
	binary.LittleEndian.PutUint32(huge[4:], 1<<31)
	f.Add(huge)
	jump := appendRecord(bytes.Clone(valid), []byte("x"), 1<<63)
	f.Add(appendRecord(jump, []byte("y"), 1<<63+1))
	f.Add(appendRecord(nil, nil, unlimited-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		scanAll(t, bytes.NewReader(b), int64(len(b)))
		scanAll(t, bytes.NewReader(b), int64(len(b))+100) // the file is shorter than it was
	})
}
