package pipeline

import (
	"bytes"
	"slices"
	"testing"
)

func appendText(block []byte, line []byte) []byte {
	return appendLine(block, func(b []byte) []byte { return append(b, line...) })
}

func FuzzSplitBlock(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(appendText(appendText(nil, []byte("m v=1i 1")), []byte("m s=\"a\nb\" 2")))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{2, 0, 0, 0, 'x'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		// As a block: what is read of it is what was written into it, as far as it makes sense.
		lines, err := splitBlock(nil, data)
		var written []byte
		for _, line := range lines {
			written = appendText(written, line)
		}
		if !bytes.HasPrefix(data, written) || (err == nil) != (len(data) == len(written)) {
			t.Errorf("%d of %d bytes are lines, error %v", len(written), len(data), err)
		}
		// As lines: they come out of a block as they went in, behind those that were there.
		want := slices.DeleteFunc(bytes.Split(data, []byte{0xff}), func(line []byte) bool { return len(line) == 0 })
		var block []byte
		for _, line := range want {
			block = appendText(block, line)
		}
		there := []byte("there before")
		got, err := splitBlock([][]byte{there}, block)
		if err != nil || !slices.EqualFunc(got, append([][]byte{there}, want...), bytes.Equal) {
			t.Errorf("%q became %q, error %v", want, got, err)
		}
	})
}
