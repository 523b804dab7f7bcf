package probe

import "sync"

// flights is a wire beneath TLS that hands over at once what belongs together. What TLS writes in a handshake is sent when it
// waits for an answer, the last of it with the request; and what has come is read whole, and not in the small pieces that TLS asks
// for. Both save a third of a handshake's system calls, and packets.
type flights struct {
	*wire
	over bool // the handshake is
	room *flightRoom
	held []byte // to be sent
	read []byte // and not taken yet
}

// flightRoom has room for most flights of either side.
type flightRoom struct {
	out [2 << 10]byte
	in  [8 << 10]byte
}

var flightRooms = sync.Pool{New: func() any { return new(flightRoom) }}

func newFlights(w *wire) *flights {
	room := flightRooms.Get().(*flightRoom)
	return &flights{wire: w, room: room, held: room.out[:0]}
}

// end is called when the handshake has ended, well or not.
func (f *flights) end(well bool) {
	f.over = true
	if !well {
		_ = f.flush() // the alert that says why
	}
	f.leave()
}

// leave gives the room back once nothing is in it.
func (f *flights) leave() {
	if f.over && f.room != nil && len(f.held) == 0 && len(f.read) == 0 {
		flightRooms.Put(f.room)
		f.room, f.held, f.read = nil, nil, nil
	}
}

// Write sends, or keeps what is followed by more.
func (f *flights) Write(b []byte) (int, error) {
	if f.over && len(f.held) == 0 {
		return f.wire.Write(b)
	}
	f.held = append(f.held, b...)
	if !f.over {
		return len(b), nil
	}
	if err := f.flush(); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *flights) flush() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.wire.Write(f.held)
	f.held = f.held[:0]
	f.leave()
	return err
}

// Read sends what is kept, and returns what has come.
func (f *flights) Read(b []byte) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	if len(f.read) == 0 {
		if f.over {
			return f.wire.Read(b)
		}
		n, err := f.wire.Read(f.room.in[:])
		if err != nil {
			return 0, err
		}
		f.read = f.room.in[:n]
	}
	n := copy(b, f.read)
	f.read = f.read[n:]
	f.leave()
	return n, nil
}
