package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// state is what must outlive the process: the key of the epoch, and the link with which the epoch has begun.
type state struct {
	key  Key
	at   Point
	time int64 // of that link
}

// stateFile keeps a state in two slots. The new one is durable before the old one is overwritten with zeros, so one is
// always there, and no old key stays in the file.
//
//	 0  magic   4
//	 4  seq     8
//	12  epoch   8
//	20  time    8
//	28  mac     32
//	60  key     32
//	92  sha256  8   the first bytes of that over bytes 0 to 92
type stateFile struct {
	f     *os.File
	state state
	slot  int64        // the one that holds it
	step  func() error // called before each step of a save, by tests that end it there
}

const (
	stateMagic   = "VchS"
	slotSize     = 100
	slotDistance = 4096
)

func (s state) encode() []byte {
	b := append(make([]byte, 0, slotSize), stateMagic...)
	b = binary.LittleEndian.AppendUint64(b, s.at.Seq)
	b = binary.LittleEndian.AppendUint64(b, s.at.Epoch)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.time))
	b = append(append(b, s.at.MAC[:]...), s.key[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:8]...)
}

func decodeState(b []byte) (s state, ok bool) {
	sum := sha256.Sum256(b[:slotSize-8])
	if string(b[:4]) != stateMagic || string(b[slotSize-8:]) != string(sum[:8]) {
		return state{}, false
	}
	s.at.Seq, s.at.Epoch = binary.LittleEndian.Uint64(b[4:]), binary.LittleEndian.Uint64(b[12:])
	s.time = int64(binary.LittleEndian.Uint64(b[20:]))
	copy(s.at.MAC[:], b[28:])
	copy(s.key[:], b[60:])
	return s, true
}

// createState writes a file that is whole when it has its name.
func createState(path string, s state) (*stateFile, error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already: open that chain, or move it away", path)
	}
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 2*slotDistance)
	copy(b, s.encode())
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	clear(b)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &stateFile{f: f, state: s}, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func openState(path string) (*stateFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &stateFile{f: f, slot: -1}
	var b [slotDistance + slotSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		_ = f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for slot := range int64(2) {
		if got, ok := decodeState(b[slot*slotDistance:][:slotSize]); ok && (s.slot < 0 || s.state.before(got)) {
			s.state, s.slot = got, slot
		}
	}
	clear(b[:])
	if s.slot < 0 {
		_ = f.Close()
		return nil, fmt.Errorf("%s holds no key: it was damaged. Move it away with the journal to begin a new chain", path)
	}
	// A save may have ended before it wiped the older key.
	if err := s.wipe(1 - s.slot); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

func (s state) before(t state) bool {
	return s.at.Epoch < t.at.Epoch || s.at.Epoch == t.at.Epoch && s.at.Seq < t.at.Seq
}

// save makes the new state durable and wipes the old one. If that fails after the new one was written, saving it again
// or opening the file completes it.
func (s *stateFile) save(next state) error {
	b := next.encode()
	defer clear(b)
	other := 1 - s.slot
	if err := s.do(func() error { return s.write(b, other) }); err != nil {
		return err
	}
	s.state, s.slot = next, other
	return s.do(func() error { return s.wipe(1 - other) })
}

func (s *stateFile) do(what func() error) error {
	if s.step != nil {
		if err := s.step(); err != nil {
			return err
		}
	}
	return what()
}

func (s *stateFile) wipe(slot int64) error { return s.write(make([]byte, slotSize), slot) }

func (s *stateFile) write(b []byte, slot int64) error {
	if _, err := s.f.WriteAt(b, slot*slotDistance); err != nil {
		return fmt.Errorf("write chain's key: %w", err)
	}
	if err := syscall.Fdatasync(int(s.f.Fd())); err != nil {
		return fmt.Errorf("sync chain's key %s: %w", s.f.Name(), err)
	}
	return nil
}
