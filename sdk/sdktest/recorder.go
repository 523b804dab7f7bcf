package sdktest

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Recorder is an sdk.Emitter that keeps the points as the daemon would read them. Its zero value is ready for use.
type Recorder struct {
	mu     sync.Mutex
	points []*wire.Point
}

// Emit implements sdk.Emitter. The time of a point that has none stays 0; in a plugin it is that of the tick.
func (r *Recorder) Emit(p *sdk.Point) {
	raw, err := p.MarshalBinary()
	if err != nil {
		panic(err)
	}
	point := new(wire.Point)
	if err := proto.Unmarshal(raw, point); err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.points = append(r.points, point)
}

// Points returns what was emitted so far, in that order.
func (r *Recorder) Points() []*wire.Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.points)
}
