package influx

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// bodies makes the bodies of requests from buffers that are used again.
type bodies struct {
	plain bool // without compression
	free  sync.Pool
	gzips sync.Pool
}

// body is the content of requests. The transport may still read it when the request has ended already, so its buffer is
// free only when everyone who has held it has let it go.
type body struct {
	from    *bodies
	buffer  bytes.Buffer
	holders atomic.Int32
}

func newBodies(plain bool) *bodies {
	b := &bodies{plain: plain}
	b.gzips.New = func() any {
		// The level is valid, so there is no error.
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return z
	}
	b.free.New = func() any { return &body{from: b} }
	return b
}

// of joins the lines, and compresses them. The caller holds the result until release.
func (b *bodies) of(lines [][]byte) (*body, error) {
	made := b.free.Get().(*body)
	made.holders.Store(1)
	made.buffer.Reset()
	if b.plain {
		size := 0
		for _, line := range lines {
			size += len(line) + 1
		}
		made.buffer.Grow(size)
		joinLines(&made.buffer, lines)
		return made, nil
	}
	z := b.gzips.Get().(*gzip.Writer)
	defer b.gzips.Put(z)
	z.Reset(&made.buffer)
	joined := b.free.Get().(*body)
	defer b.free.Put(joined)
	// Pieces: a compressor is slow with many small writes, and a whole copy is not worth its memory.
	for joined.buffer.Reset(); len(lines) > 0; joined.buffer.Reset() {
		n := 0
		for size := 0; n < len(lines) && size < 64<<10; n++ {
			size += len(lines[n]) + 1
		}
		joinLines(&joined.buffer, lines[:n])
		lines = lines[n:]
		if _, err := z.Write(joined.buffer.Bytes()); err != nil {
			return nil, fmt.Errorf("compress lines: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress lines: %w", err)
	}
	return made, nil
}

func joinLines(to *bytes.Buffer, lines [][]byte) {
	for _, line := range lines {
		to.Write(line)
		if line[len(line)-1] != '\n' {
			to.WriteByte('\n')
		}
	}
}

// longestKept bounds the buffers that are kept; a larger one was for a line that is rare.
const longestKept = 2 * maxBody

func (b *body) release() {
	if b.holders.Add(-1) == 0 && b.buffer.Cap() <= longestKept {
		b.from.free.Put(b)
	}
}

func (b *body) size() int { return b.buffer.Len() }

// reader returns the content for one request. It holds the body until it is closed.
func (b *body) reader() *bodyReader {
	b.holders.Add(1)
	r := &bodyReader{of: b}
	r.Reset(b.buffer.Bytes())
	return r
}

type bodyReader struct {
	bytes.Reader
	of     *body
	closed atomic.Bool
}

// Close implements io.Closer.
func (r *bodyReader) Close() error {
	if !r.closed.Swap(true) {
		r.of.release()
	}
	return nil
}
