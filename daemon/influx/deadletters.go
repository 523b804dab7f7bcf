package influx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	deadLetterFile = "dead-letters.jsonl"
	oldSuffix      = ".old"
	newSuffix      = ".new-"

	// letterReserve is how much room the newer file holds beyond its end, in bytes: on a full disk a few bad points must
	// not keep the good ones from leaving it.
	letterReserve = 1 << 20
)

// DeadLetter is a line that InfluxDB refused.
type DeadLetter struct {
	Time   time.Time
	Lane   Lane
	Reason string
	Line   []byte
}

// storedLetter is the form on disk. A line that is not UTF-8 would not survive as JSON text and goes in base64.
type storedLetter struct {
	Time   time.Time `json:"time"`
	Lane   Lane      `json:"lane,omitempty"` // points if it is empty
	Reason string    `json:"reason"`
	Line   string    `json:"line,omitempty"`
	Bytes  []byte    `json:"line_base64,omitempty"`
}

// ErrDeadLettersInUse says that another process, a daemon most likely, has the directory.
var ErrDeadLettersInUse = errors.New("in use by another process")

// DeadLetters keeps dead letters in a directory, as lines of JSON. It holds at most about a number of bytes: two files
// of half that size each, and when the newer one is full the older half goes. It is safe for concurrent use, and locks
// the directory against other processes that would change it.
type DeadLetters struct {
	path string
	half int64 // bytes
	lock *os.File

	mu    sync.Mutex
	file  *os.File // nil after a failure, until the next Add
	size  int64    // of the newer file; less than 0 if it is to be counted anew
	stats DeadLetterStats
	older uint64 // letters in the old file
}

// DeadLetterStats counts letters.
type DeadLetterStats struct {
	Kept    uint64 // readable now
	Dropped uint64 // gone to make room, since the directory was opened
}

// OpenDeadLetters opens or makes the directory. What a crash has left half written is cut off: it was never
// acknowledged.
func OpenDeadLetters(dir string, maxBytes int64) (*DeadLetters, error) {
	if maxBytes < 2 {
		return nil, fmt.Errorf("dead letters in %s: a bound of %d bytes holds none", dir, maxBytes)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of dead letters: %w", err)
	}
	lock, err := lockLetters(dir)
	if err != nil {
		return nil, err
	}
	// A removal that a crash has cut short.
	if left, err := filepath.Glob(filepath.Join(dir, deadLetterFile+"*"+newSuffix+"*")); err == nil {
		for _, path := range left {
			_ = os.Remove(path)
		}
	}
	d := &DeadLetters{path: filepath.Join(dir, deadLetterFile), half: maxBytes / 2, lock: lock}
	if err := d.load(); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

// lockLetters takes the directory until the file is closed or the process ends.
func lockLetters(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the dead letters: %w", err)
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrDeadLettersInUse
	}
	return nil, fmt.Errorf("lock the dead letters in %s: %w", dir, err)
}

// load counts what is there, and opens the newer file.
func (d *DeadLetters) load() (err error) {
	if d.older, _, err = countLines(d.path + oldSuffix); err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	var newer uint64
	if newer, d.size, err = countLines(d.path); err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	d.stats.Kept = d.older + newer
	return d.open()
}

// countLines counts the whole lines of a file and their bytes.
func countLines(path string) (lines uint64, size int64, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	} else if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var read int64
	for buffer := make([]byte, 64<<10); ; {
		n, err := f.Read(buffer)
		lines += uint64(bytes.Count(buffer[:n], []byte{'\n'}))
		if last := bytes.LastIndexByte(buffer[:n], '\n'); last >= 0 {
			size = read + int64(last) + 1
		}
		read += int64(n)
		if err == io.EOF {
			return lines, size, nil
		} else if err != nil {
			return 0, 0, err
		}
	}
}

// reopen opens the newer file after a failure.
func (d *DeadLetters) reopen() error {
	if d.size < 0 {
		return d.load()
	}
	return d.open()
}

// open opens the newer file and cuts off what goes beyond the letters that count.
func (d *DeadLetters) open() error {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	info, err := f.Stat()
	// To cut nothing off would give the reserve away.
	if err == nil && info.Size() != d.size {
		err = f.Truncate(d.size)
	}
	if err = errors.Join(err, syncDir(filepath.Dir(d.path))); err != nil {
		f.Close()
		return fmt.Errorf("open dead letters: %w", err)
	}
	d.file = f
	d.reserve()
	return nil
}

// Add returns nil once the lines are on disk, each as a letter. After an error some of them may be: adding all again is
// harmless.
func (d *DeadLetters) Add(lane Lane, lines [][]byte, reason string) error {
	now := time.Now().UTC()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		if err := d.reopen(); err != nil {
			return err
		}
	}
	var texts []byte
	var letters uint64
	flush := func() error {
		if len(texts) == 0 {
			return nil
		}
		if err := d.append(texts); err != nil {
			// The file cannot be trusted after a failure, least of all one of fsync: the next Add opens it anew.
			d.file.Close()
			d.file = nil
			return fmt.Errorf("write dead letters: %w", err)
		}
		d.size += int64(len(texts))
		d.reserve()
		d.stats.Kept += letters
		texts, letters = texts[:0], 0
		return nil
	}
	for _, line := range lines {
		text, err := DeadLetter{now, lane, reason, line}.encode()
		if err != nil {
			return err
		}
		if waiting := int64(len(texts)); d.size+waiting > 0 && d.size+waiting+int64(len(text)) > d.half {
			if err := flush(); err != nil {
				return err
			}
			if err := d.rotate(); err != nil {
				return err
			}
		}
		texts = append(texts, text...)
		letters++
	}
	return flush()
}

// To returns a function that adds to a lane. It fits WriterOptions.Reject.
func (d *DeadLetters) To(lane Lane) func(lines [][]byte, reason string) error {
	return func(lines [][]byte, reason string) error { return d.Add(lane, lines, reason) }
}

// encode returns the letter as it is on disk, with a newline.
func (l DeadLetter) encode() ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode a dead letter: %w", err)
	}
	return append(text, '\n'), nil
}

func (d *DeadLetters) append(text []byte) error {
	_, err := d.file.Write(text)
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		err = errors.Join(err, d.file.Truncate(d.size))
		d.reserve()
	}
	return err
}

// reserve takes room for the next letters, if there is any.
func (d *DeadLetters) reserve() { reserveRoom(d.file, d.size, min(letterReserve, d.half)) }

// rotate makes room: the newer file takes the place of the older one.
func (d *DeadLetters) rotate() error {
	if err := os.Rename(d.path, d.path+oldSuffix); err != nil {
		return fmt.Errorf("rotate dead letters: %w", err)
	}
	// The reserve is for the new file.
	_ = d.file.Truncate(d.size)
	d.file.Close()
	d.file, d.size = nil, 0
	d.stats.Dropped += d.older
	d.stats.Kept -= d.older
	d.older = d.stats.Kept
	return d.open()
}

// Stats may be called at any time.
func (d *DeadLetters) Stats() DeadLetterStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// Close closes the file and gives the directory free. Nothing waits in memory.
func (d *DeadLetters) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if d.file != nil {
		err = d.file.Close()
		d.file = nil
	}
	return errors.Join(err, d.lock.Close())
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
