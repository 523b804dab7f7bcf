package drop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// Read visits what is new: of each user at most that many records, so that who writes many keeps nobody waiting; allowed says
// how many of them. It reports whether there may be more, and goes on after an error with what is left.
func (d *Directory) Read(allowed func(uid int) int, visit func(Found)) (more bool, err error) {
	var wrong []error
	one := func(l *log) {
		most := allowed(l.place.UID)
		there, err := l.read(most, visit)
		if err != nil {
			wrong = append(wrong, err)
		}
		more = more || there && most > 0
	}
	for _, l := range d.past {
		one(l)
	}
	for _, uid := range slices.Sorted(maps.Keys(d.logs)) {
		l := d.logs[uid]
		one(l)
		if err := l.keepBound(d.limits.Unread); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := d.readBoxes(allowed, visit); err != nil {
		wrong = append(wrong, err)
	}
	return more, errors.Join(wrong...)
}

// Drained says whether nothing is unread in the file of a user.
func (d *Directory) Drained(uid int) bool {
	l := d.logs[uid]
	if l == nil {
		return true
	}
	unread, err := l.unread()
	_, rest := l.reader.Pending()
	return err == nil && unread <= int64(rest)
}

// Shut are the users that are not let in at present.
func (d *Directory) Shut() []int {
	var shut []int
	for uid, l := range d.logs {
		if l.shut {
			shut = append(shut, uid)
		}
	}
	slices.Sort(shut)
	return shut
}

// mostBoxes bounds how many boxes are looked at in one reading, and maxBox how much is read of one.
const (
	mostBoxes   = 100_000
	boxesAtOnce = 1000
	maxBox      = 4 * record.MaxSize
)

func (d *Directory) readBoxes(allowed func(uid int) int, visit func(Found)) error {
	dir, err := os.Open(d.boxes())
	if err != nil {
		return fmt.Errorf("looking for records: %w", err)
	}
	defer dir.Close()
	var wrong []error
	for range mostBoxes / boxesAtOnce {
		names, err := dir.Readdirnames(boxesAtOnce)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("looking for records: %w", err)
		}
		slices.Sort(names)
		for _, name := range names {
			path := filepath.Join(d.boxes(), name)
			if d.read[path] {
				continue
			}
			if err := d.readBox(path, allowed, visit); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	return errors.Join(wrong...)
}

// readBox visits the records of a file that a user has made. One that is none of a hook's is deleted without a look.
func (d *Directory) readBox(path string, allowed func(uid int) int, visit func(Found)) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("looking at %q: %w", path, err)
	}
	uid := int(st.Uid)
	owner, _, _ := strings.Cut(filepath.Base(path), ".")
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return os.RemoveAll(path) // no hook makes one
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Mode&0o7777 != 0o600 || owner != strconv.Itoa(uid) {
		return os.Remove(path)
	}
	// A hook writes its file at once. One that is still empty may be about to be written.
	const writing = 10 * time.Second
	if st.Size == 0 && time.Since(time.Unix(st.Mtim.Unix())) < writing {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("reading %q: %w", path, err)
	}
	defer file.Close()
	var opened unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &opened); err != nil || opened.Ino != st.Ino || opened.Nlink != 1 || opened.Uid != st.Uid {
		return nil // it is another one now: the next time
	}
	if allowed(uid) == 0 {
		return nil
	}
	reader := record.NewReader(io.LimitReader(file, maxBox), 0)
	for {
		item, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %q: %w", path, err)
		}
		visit(Found{UID: uid, Boxed: true, Item: item})
	}
	if at, rest := reader.Pending(); rest > 0 {
		visit(Found{UID: uid, Boxed: true, Item: record.Item{Bad: errors.New("a record without an end"), Offset: at, End: at + int64(rest)}})
	}
	d.read[path] = true
	return nil
}
