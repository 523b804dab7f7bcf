package pipeline

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func appendText(block []byte, line []byte) []byte {
	return appendLine(block, func(b []byte) []byte { return append(b, line...) })
}

func blockOf(lines ...[]byte) []byte {
	block := startBlock(nil)
	for _, line := range lines {
		block = appendText(block, line)
	}
	return block
}

func testPacker(t testing.TB) *packer {
	t.Helper()
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func FuzzUnpack(f *testing.F) {
	p := testPacker(f)
	two := blockOf([]byte("m v=1i 1"), []byte("m s=\"a\nb\" 2"))
	long := blockOf(bytes.Repeat([]byte("m v=1i 1"), 100))
	f.Add([]byte(nil))
	f.Add(two)
	f.Add(two[blockHeader:]) // as the first version wrote it
	f.Add(p.pack(nil, long))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{2, 0, 0, 0, 'x'})
	f.Add([]byte{0, 2, 0, 1, 'x'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		// As a block: what is read of it is bounded, and no more than what was written into it.
		lines, u, err := p.unpack(nil, data, nil)
		if len(u.scratch) > maxBlock {
			t.Errorf("%d bytes became %d", len(data), len(u.scratch))
		}
		if body := data; len(data) < blockHeader || data[3] == 0 {
			var written []byte
			for _, line := range lines {
				written = appendText(written, line)
			}
			if !bytes.HasPrefix(body, written) || (err == nil) != (len(body) == len(written)) {
				t.Errorf("%d of %d bytes are lines, error %v", len(written), len(body), err)
			}
		}
		// As lines: they come out of a block as they went in, packed or not, behind those that were there.
		want := slices.DeleteFunc(bytes.Split(data, []byte{0xff}), func(line []byte) bool { return len(line) == 0 })
		block := blockOf(want...)
		block[0] |= holdsUpdates
		there := []byte("there before")
		for _, b := range [][]byte{block, p.pack(nil, block), p.pack([]byte("used"), block)} {
			if b == nil {
				continue // it would not have become shorter
			}
			got, u, err := p.unpack([][]byte{there}, b, []byte("scratch"))
			if err != nil || !u.updates || !slices.EqualFunc(got, append([][]byte{there}, want...), bytes.Equal) {
				t.Errorf("%q became %q, updates %t, error %v", want, got, u.updates, err)
			}
		}
	})
}

func TestABlockThatWouldFillTheMemoryIsRefused(t *testing.T) {
	p := testPacker(t)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	huge := encoder.EncodeAll(make([]byte, 64<<20), nil)
	lines, u, err := p.unpack(nil, append([]byte{0, codecZstd, 0, blockVersion}, huge...), nil)
	if err == nil || len(lines) > 0 || cap(u.scratch) > 2*maxBlock {
		t.Errorf("%d bytes became %d lines in %d bytes: %v", len(huge), len(lines), cap(u.scratch), err)
	}
}

func TestABlockOfALaterVersionIsNamed(t *testing.T) {
	p := testPacker(t)
	for name, block := range map[string][]byte{"version 2": {0, 0, 0, 2, 'x'}, "way 9": {0, 9, 0, 1, 'x'}} {
		if _, _, err := p.unpack(nil, block, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheLongestBlockFitsIntoMemory(t *testing.T) {
	// A point may have texts of a megabyte, each character of which is escaped, and the longest names.
	line := bytes.Repeat([]byte{'"'}, blockBytes+2<<20+2*65536+1024*32)
	p := testPacker(t)
	lines, _, err := p.unpack(nil, p.pack(nil, blockOf(line)), nil)
	if err != nil || len(lines) != 1 || !bytes.Equal(lines[0], line) {
		t.Errorf("%d lines came back: %v", len(lines), err)
	}
}
