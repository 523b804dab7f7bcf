package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// stateVersion is the first byte of a written state.
const stateVersion = 1

// ErrOtherShape says that a state was written by a window of other columns: the rule has changed, and its window begins
// empty.
var ErrOtherShape = errors.New("the state is that of a window of another shape")

// AppendState appends the window's state to dst.
func (w *Window) AppendState(dst []byte) []byte {
	dst = append(dst, stateVersion)
	dst = binary.LittleEndian.AppendUint64(dst, w.shape.Fingerprint)
	dst = binary.AppendUvarint(dst, uint64(w.shape.Columns))
	if !w.any {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.AppendVarint(dst, w.newest)
	dst = binary.AppendUvarint(dst, min(since(w.newest, w.since), uint64(w.shape.Over)))
	dst = binary.AppendUvarint(dst, w.cut)
	dst = binary.AppendUvarint(dst, uint64(w.n))
	// From the newest back, so that each time is a small distance from the one after it.
	later := w.newest
	for i := w.n - 1; i >= 0; i-- {
		t := w.times[w.at(i)]
		dst = binary.AppendUvarint(dst, since(later, t))
		later = t
		for c := range w.shape.Columns {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(w.value(i, c)))
		}
	}
	return dst
}

// Restore makes a window of a state that AppendState has written. A state that was damaged is an error and never a window that
// could mislead; one that was written with a longer span or a higher limit is cut to those of the
// shape, and one with a shorter span does not cover the longer one.
func Restore(shape *Shape, state []byte) (*Window, error) {
	r := reader{rest: state}
	if v := r.byte(); r.err == nil && v != stateVersion {
		return nil, fmt.Errorf("reading the state of a window: version %d is not known, only %d", v, stateVersion)
	}
	fingerprint, columns := r.uint64(), r.uvarint()
	if r.err == nil && (fingerprint != shape.Fingerprint || columns != uint64(shape.Columns)) {
		return nil, fmt.Errorf("reading the state of a window: %w", ErrOtherShape)
	}
	w := New(shape)
	if r.byte() == 1 && r.err == nil {
		r.samples(w)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%d bytes are left over", len(r.rest))
	}
	if r.err != nil {
		return nil, fmt.Errorf("reading the state of a window: %w", r.err)
	}
	return w, nil
}

func (r *reader) samples(w *Window) {
	newest, covered, cut, n := r.varint(), r.uvarint(), r.uvarint(), r.uvarint()
	if r.err != nil {
		return
	}
	size := 1 + 8*w.shape.Columns
	if n > uint64(len(r.rest)/size) || int64(uint64(newest)-covered) > newest {
		r.err = errDamaged
		return
	}
	times, values := make([]int64, n), make([]float64, int(n)*w.shape.Columns)
	later := newest
	for i := int(n) - 1; i >= 0; i-- {
		distance := r.uvarint()
		t := int64(uint64(later) - distance)
		if i < int(n)-1 && distance == 0 || t > later {
			r.err = errDamaged
			return
		}
		times[i], later = t, t
		for c := range w.shape.Columns {
			values[i*w.shape.Columns+c] = math.Float64frombits(r.uint64())
		}
	}
	if r.err != nil {
		return
	}
	for i, t := range times {
		w.Add(t, values[i*w.shape.Columns:(i+1)*w.shape.Columns])
	}
	w.any, w.newest, w.since = true, newest, int64(uint64(newest)-covered)
	w.evict(newest)
	w.cut += cut
}

var errDamaged = errors.New("it is damaged")

// reader reads what is written in a state. After its first error it reads zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.rest) || n <= 0 {
		r.err = errDamaged
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.take(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.take(n)
	return v
}
