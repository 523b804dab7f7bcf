package influx

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

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
			letter = s.letter()
		}
		if !yield(letter, failure) {
			return false
		}
	}
}

func (s storedLetter) letter() DeadLetter {
	l := DeadLetter{Time: s.Time, Lane: s.Lane, Reason: s.Reason, Line: []byte(s.Line)}
	if s.Bytes != nil {
		l.Line = s.Bytes
	}
	if l.Lane == "" {
		l.Lane = Points
	}
	return l
}
