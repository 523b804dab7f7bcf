package window

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func filled(shape *Shape) *Window {
	w := New(shape)
	for i := range int64(20) {
		w.Add(i*7e9-30e9, []float64{float64(i), unknown})
	}
	return w
}

func TestAStateThatIsReadBackIsTheSameWindow(t *testing.T) {
	shape := everything(time.Minute, 5)
	for name, w := range map[string]*Window{"empty": New(shape), "filled": filled(shape)} {
		t.Run(name, func(t *testing.T) {
			got, err := Restore(shape, w.AppendState(nil))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.AppendState(nil), w.AppendState(nil)) {
				t.Error("it is written differently")
			}
			if got.Covered() != w.Covered() || got.Cut() != w.Cut() || got.Len() != w.Len() {
				t.Errorf("covered %t, cut %d, %d samples; want %t, %d, %d", got.Covered(), got.Cut(), got.Len(), w.Covered(), w.Cut(), w.Len())
			}
			if got.Len() > 0 && got.Add(got.newest, []float64{1, 1}) {
				t.Error("a repeat of the newest sample is taken")
			}
		})
	}
}

func TestAStateOfALongerSpanIsCutAndOneOfAShorterCoversLess(t *testing.T) {
	state := filled(everything(time.Minute, 0)).AppendState(nil)
	shorter, err := Restore(everything(10*time.Second, 0), state)
	if err != nil || shorter.Len() != 2 || !shorter.Covered() {
		t.Errorf("%v, %d samples", err, shorter.Len())
	}
	longer, err := Restore(everything(2*time.Minute, 0), state)
	if err != nil || longer.Covered() {
		t.Errorf("%v: what was seen for a minute covers two", err)
	}
}

func TestAStateThatIsNoneOfThisShapeIsRefused(t *testing.T) {
	shape := everything(time.Minute, 0)
	state := filled(shape).AppendState(nil)
	other := everything(time.Minute, 0)
	other.Fingerprint++
	if _, err := Restore(other, state); !errors.Is(err, ErrOtherShape) {
		t.Errorf("another shape: %v", err)
	}
	for n := range state {
		if _, err := Restore(shape, state[:n]); err == nil {
			t.Errorf("the first %d bytes of %d are taken for a state", n, len(state))
		}
	}
	if _, err := Restore(shape, append(bytes.Clone(state), 0)); err == nil || !strings.Contains(err.Error(), "1 bytes are left over") {
		t.Errorf("with one byte more: %v", err)
	}
	if _, err := Restore(shape, append([]byte{9}, state[1:]...)); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("another version: %v", err)
	}
}

// FuzzRestore holds that any bytes are refused, or make a window that keeps its promises.
func FuzzRestore(f *testing.F) {
	shape := everything(time.Minute, 16)
	f.Add(New(shape).AppendState(nil))
	f.Add(filled(shape).AppendState(nil))
	f.Fuzz(func(t *testing.T, state []byte) {
		w, err := Restore(shape, state)
		if err != nil {
			return
		}
		if w.Len() > shape.Limit {
			t.Fatalf("%d samples", w.Len())
		}
		values(w)
		w.Add(math.MaxInt64, []float64{1, 1})
		if again, err := Restore(shape, w.AppendState(nil)); err != nil || again.Len() != w.Len() {
			t.Fatalf("written again: %v", err)
		}
	})
}
