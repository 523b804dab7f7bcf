package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"syscall"
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
	for _, damaged := range []bool{false, true} {
		b := validSegment(5, 20)
		want := []uint64{2, 3}
		if damaged { // 3 and 4, then the search for the next record must not end at 5
			b[2*(20+headerSize)] ^= 1
			b[3*(20+headerSize)] ^= 1
			want = want[:1]
		}
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
		if !slices.Equal(got, want) || sc.next != 4 {
			t.Errorf("found %v, want %v; the next is %d", got, want, sc.next)
		}
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

// badSectors fails reads that touch a sector of which the number is in it.
type badSectors struct {
	*bytes.Reader
	bad []int64
}

func (b badSectors) ReadAt(p []byte, off int64) (int, error) {
	for _, n := range b.bad {
		if off < (n+1)*sector && n*sector < off+int64(len(p)) {
			return 0, &os.PathError{Op: "read", Err: syscall.EIO}
		}
	}
	return b.Reader.ReadAt(p, off)
}

func TestUnreadableSectorCostsOnlyTheRecordsInIt(t *testing.T) {
	const size, records = 1000, 40
	segment := validSegment(records, size-headerSize)
	r := badSectors{bytes.NewReader(segment), []int64{1, 5}}
	got := scanAll(t, r, int64(len(segment)))
	for i := range records {
		from, to := i*size/sector, ((i+1)*size-1)/sector
		lost := from == 1 || to == 1 || from == 5 || to == 5
		if slices.Contains(got, uint64(i+1)) == lost {
			t.Errorf("record %d: lost is %v", i+1, !lost)
		}
	}
}

// validSegment returns a segment that starts with record 1.
func validSegment(records, payload int) []byte {
	var b []byte
	for i := range records {
		b = appendRecord(b, payloadOf(i, payload), uint64(i+1))
	}
	return b
}

func appendRecord(b, payload []byte, seq uint64) []byte {
	sum := crcOf(payload)
	start := len(b)
	b = appendUnsealed(b, payload, sum, 1, time1)
	seal(b[start:], sum, seq, seq-1)
	return b
}

// scanAll scans to the end, checks what every scan has to keep to, and returns the numbers of the records.
func scanAll(t *testing.T, r io.ReaderAt, end int64) (seqs []uint64) {
	t.Helper()
	sc := scanner{r: r, end: end, next: 1, limit: unlimited}
	for calls := int64(0); ; calls++ {
		if calls > 2*end+2 {
			t.Fatalf("scanning %d bytes does not end", end)
		}
		off, next := sc.off, sc.next
		rec, h, err := sc.scan()
		if err == io.EOF {
			if sc.off > end {
				t.Fatalf("scanned to %d of %d bytes", sc.off, end)
			}
			return seqs
		}
		if err != nil {
			t.Fatal(err)
		}
		if sc.off < off || sc.next < next || sc.off == off && sc.next == next {
			t.Fatalf("scan went from byte %d, record %d to byte %d, record %d", off, next, sc.off, sc.next)
		}
		if h != nil {
			if h.off != off || h.off+h.bytes != sc.off || h.first != next || h.end != sc.next {
				t.Fatalf("hole %+v between byte %d, record %d and byte %d, record %d", h, off, next, sc.off, sc.next)
			}
			continue
		}
		raw := make([]byte, sc.off-off)
		if _, err := r.ReadAt(raw, off); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if want := binary.LittleEndian.Uint32(raw[36:]); want != checksumOf(raw) || rec.Seq != next ||
			!bytes.Equal(rec.Payload, raw[headerSize:]) {
			t.Fatalf("record %d at %d is not what the bytes say", rec.Seq, off)
		}
		seqs = append(seqs, rec.Seq)
	}
}
