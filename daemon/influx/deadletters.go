package influx

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	deadLetterFile = "dead-letters.jsonl"
	oldSuffix      = ".old"
)

// DeadLetter is a line that InfluxDB refused.
type DeadLetter struct {
	Time   time.Time
	Reason string
	Line   []byte
}

// storedLetter is the form on disk. A line that is not UTF-8 would not survive as JSON text and goes in base64.
type storedLetter struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	Line   string    `json:"line,omitempty"`
	Bytes  []byte    `json:"line_base64,omitempty"`
}

// DeadLetters keeps dead letters in a directory, as lines of JSON. It holds at most about a number of bytes: two files
// of half that size each, and when the newer one is full the older half goes. It is safe for concurrent use; only one
// process may add to a directory.
type DeadLetters struct {
	path string
	half int64 // bytes

	mu    sync.Mutex
	file  *os.File // nil after a failure, until the next Add
	size  int64
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
	d := &DeadLetters{path: filepath.Join(dir, deadLetterFile), half: maxBytes / 2}
	var err error
	if d.older, _, err = countLines(d.path + oldSuffix); err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	var newer uint64
	if newer, d.size, err = countLines(d.path); err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	d.stats.Kept = d.older + newer
	if err := d.open(); err != nil {
		return nil, err
	}
	return d, nil
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

// open opens the newer file and cuts off what goes beyond the letters that count.
func (d *DeadLetters) open() error {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	if err := errors.Join(f.Truncate(d.size), syncDir(filepath.Dir(d.path))); err != nil {
		f.Close()
		return fmt.Errorf("open dead letters: %w", err)
	}
	d.file = f
	return nil
}

// Add returns nil once the letter is on disk. It fits WriterOptions.Reject.
func (d *DeadLetters) Add(line []byte, reason string) error {
	letter := storedLetter{Time: time.Now().UTC(), Reason: reason}
	if utf8.Valid(line) {
		letter.Line = string(line)
	} else {
		letter.Bytes = line
	}
	text, err := json.Marshal(letter)
	if err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	text = append(text, '\n')

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		if err := d.open(); err != nil {
			return err
		}
	}
	if d.size > 0 && d.size+int64(len(text)) > d.half {
		if err := d.rotate(); err != nil {
			return err
		}
	}
	if err := d.append(text); err != nil {
		// The file cannot be trusted after a failure, least of all one of fsync: the next Add opens it anew.
		d.file.Close()
		d.file = nil
		return fmt.Errorf("write a dead letter: %w", err)
	}
	d.size += int64(len(text))
	d.stats.Kept++
	return nil
}

func (d *DeadLetters) append(text []byte) error {
	_, err := d.file.Write(text)
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		return errors.Join(err, d.file.Truncate(d.size))
	}
	return nil
}

// rotate makes room: the newer file takes the place of the older one.
func (d *DeadLetters) rotate() error {
	if err := os.Rename(d.path, d.path+oldSuffix); err != nil {
		return fmt.Errorf("rotate dead letters: %w", err)
	}
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

// Close closes the file. Nothing waits in memory.
func (d *DeadLetters) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}

// ReadDeadLetters goes through the letters in a directory, oldest first, also while another process adds to them. A
// directory without any is empty. An error ends the way, but for a line that is no letter: its error names it, and
// going on skips it.
func ReadDeadLetters(dir string) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		path := filepath.Join(dir, deadLetterFile)
		// The newer file is opened first: a rotation in between then shows it twice, which is noticed, rather than
		// not at all.
		newer, err := openIfThere(path)
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("read dead letters: %w", err))
			return
		}
		defer newer.Close()
		older, err := openIfThere(path + oldSuffix)
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("read dead letters: %w", err))
			return
		}
		defer older.Close()
		if sameFile(older, newer) {
			newer = nil
		}
		for _, f := range []*os.File{older, newer} {
			if f != nil && !eachLetter(f, yield) {
				return
			}
		}
	}
}

func sameFile(a, b *os.File) bool {
	if a == nil || b == nil {
		return false
	}
	first, err := a.Stat()
	if err != nil {
		return false
	}
	second, err := b.Stat()
	return err == nil && os.SameFile(first, second)
}

// openIfThere returns nil, which may be closed like any file, if there is none.
func openIfThere(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

func eachLetter(f *os.File, yield func(DeadLetter, error) bool) bool {
	lines := bufio.NewReader(f)
	for number := 1; ; number++ {
		text, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return true // what has no newline yet is being written, or was never acknowledged
		} else if err != nil {
			yield(DeadLetter{}, fmt.Errorf("read dead letters: %w", err))
			return false
		}
		var s storedLetter
		letter, failure := DeadLetter{}, json.Unmarshal(text, &s)
		if failure != nil {
			failure = fmt.Errorf("read dead letters: %s, line %d: %w", f.Name(), number, failure)
		} else {
			letter = DeadLetter{Time: s.Time, Reason: s.Reason, Line: []byte(s.Line)}
			if s.Bytes != nil {
				letter.Line = s.Bytes
			}
		}
		if !yield(letter, failure) {
			return false
		}
	}
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
