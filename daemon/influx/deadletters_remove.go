package influx

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Remove takes out the letters for which remove says so, and says how many those were. A line that is no letter stays.
// Until it returns, nothing is added.
func (d *DeadLetters) Remove(remove func(DeadLetter) bool) (removed uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil {
		d.file.Close()
		d.file = nil
	}
	// What was added until now is in the file, but what a failure has left half written is not to be copied.
	if d.size >= 0 {
		if err := os.Truncate(d.path, d.size); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("remove dead letters: %w", err)
		}
	}
	d.size = -1
	for _, path := range []string{d.path + oldSuffix, d.path} {
		n, err := removeFrom(path, remove)
		if err != nil {
			return removed, fmt.Errorf("remove dead letters: %w", err)
		}
		removed += n
	}
	return removed, d.load()
}

// removeFrom replaces a file at once, so that a crash leaves the old or the new one. One that is not there has no letter.
func removeFrom(path string, remove func(DeadLetter) bool) (removed uint64, err error) {
	from, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+newSuffix+"*") // 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(to.Name())
	defer to.Close()
	out := bufio.NewWriter(to)
	for lines := bufio.NewReader(from); ; {
		text, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break // what has no newline was never acknowledged
		} else if err != nil {
			return 0, err
		}
		var s storedLetter
		if json.Unmarshal(text, &s) == nil && remove(s.letter()) {
			removed++
			continue
		}
		if _, err := out.Write(text); err != nil {
			return 0, err
		}
	}
	if removed == 0 {
		return 0, nil
	}
	if err := errors.Join(out.Flush(), to.Sync()); err != nil {
		return 0, err
	}
	return removed, errors.Join(os.Rename(to.Name(), path), syncDir(filepath.Dir(path)))
}
