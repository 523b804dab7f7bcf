package drop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

const (
	// mostBoxes bounds how many files of users' own are open at a time, and mostOfUser those of one.
	mostBoxes  = 256
	mostOfUser = 16
	// mostPending bounds how many files of a user may lie there.
	mostPending = 1000
	// boxesLooked is how many files are looked at in one reading: the next goes on behind them.
	boxesLooked = 1000
	// boxesEvery is how often it is looked for them: more often than a record waits for the one before it, which may be in a box.
	boxesEvery = 100 * time.Millisecond
)

// ErrTooMany is what is Bad of a user with too many files in new/: those too many are deleted.
var ErrTooMany = errors.New("too many files in the drop box: they were deleted")

// search is where looking for boxes has come to.
type search struct {
	dir  *os.File // nil between two passes
	last time.Time
	of   map[int]int // files that were seen in this pass, by user
}

// takeBoxes moves the files that users have made to where they can not reach them, to be read there. A shell goes on writing to
// one as long as it finds it under its name, so it is read like one that was put aside: until nobody can have it open.
func (d *Directory) takeBoxes(visit func(Found)) error {
	s := &d.search
	if s.dir == nil {
		if time.Since(s.last) < boxesEvery {
			return nil
		}
		dir, err := os.Open(d.boxes())
		if err != nil {
			return fmt.Errorf("looking for records: %w", err)
		}
		s.dir, s.of = dir, map[int]int{}
	}
	names, err := s.dir.Readdirnames(boxesLooked)
	if err != nil {
		_ = s.dir.Close()
		s.dir, s.last = nil, time.Now()
		if err == io.EOF {
			return nil
		}
		return fmt.Errorf("looking for records: %w", err)
	}
	slices.Sort(names)
	var wrong []error
	for _, name := range names {
		if err := d.takeBox(name, visit); err != nil {
			wrong = append(wrong, err)
		}
	}
	// One mistake is as good as a thousand.
	return errors.Join(wrong[:min(len(wrong), 3)]...)
}

// takeBox takes one. What no hook makes is deleted without a look, but for a directory that has something in it: that is left alone.
func (d *Directory) takeBox(name string, visit func(Found)) error {
	path := filepath.Join(d.boxes(), name)
	owner, _, _ := strings.Cut(name, ".")
	claimed, err := strconv.Atoi(owner)
	if err == nil && d.search.of[claimed] < mostPending && !d.hasPlace(claimed) {
		d.search.of[claimed]++
		return nil // the next time
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("looking at a file in the drop box: %w", err)
	}
	uid := int(st.Uid)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		_ = unix.Rmdir(path)
		return nil
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Mode&0o7777 != 0o600 || owner != strconv.Itoa(uid) {
		return os.Remove(path)
	}
	if d.search.of[uid]++; d.search.of[uid] > mostPending {
		visit(Found{UID: uid, Boxed: true, Item: record.Item{Bad: ErrTooMany}})
		return os.Remove(path)
	}
	if !d.hasPlace(uid) {
		return nil
	}
	taken := filepath.Join(d.taken(), nameOf(uid)+"."+strconv.FormatUint(st.Ino, 10))
	if err := os.Rename(path, taken); err != nil {
		return fmt.Errorf("taking a file of the drop box: %w", err)
	}
	return d.openBox(taken, uid)
}

// hasPlace says whether another file of this user can be read.
func (d *Directory) hasPlace(uid int) bool {
	all, own := 0, 0
	for _, l := range d.past {
		if l.boxed {
			all++
			if l.place.UID == uid {
				own++
			}
		}
	}
	return all < mostBoxes && own < mostOfUser
}

// openBox reads a file that was taken. It may have become another one between the look and the move.
func (d *Directory) openBox(path string, uid int) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return errors.Join(fmt.Errorf("reading %q: %w", path, err), os.RemoveAll(path))
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || int(st.Uid) != uid || st.Mode&0o7777 != 0o600 {
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	l, err := d.follow(file, uid)
	if err != nil {
		return err
	}
	l.boxed, l.aside = true, time.Now()
	d.past = append(d.past, l)
	return nil
}

// openBoxes goes on with what an earlier process has taken.
func (d *Directory) openBoxes() error {
	entries, err := os.ReadDir(d.taken())
	if err != nil {
		return fmt.Errorf("reading the spool of the audit: %w", err)
	}
	for _, e := range entries {
		uid, _, ok := parseLog(e.Name())
		path := filepath.Join(d.taken(), e.Name())
		if !ok {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("reading the spool of the audit: %w", err)
			}
			continue
		}
		if err := d.openBox(path, uid); err != nil {
			return err
		}
	}
	return nil
}
