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
)

// mostBoxes bounds how many files of users' own are open at a time, and mostOfUser those of one; boxesLooked how many are looked
// at in one reading.
const (
	mostBoxes   = 256
	mostOfUser  = 16
	boxesLooked = 100_000
	boxesAtOnce = 1000
)

// takeBoxes moves the files that users have made to where they can not reach them, to be read there. A shell goes on writing to
// one as long as it finds it under its name, so it is read like one that was put aside: until nobody can have it open.
func (d *Directory) takeBoxes() error {
	dir, err := os.Open(d.boxes())
	if err != nil {
		return fmt.Errorf("looking for records: %w", err)
	}
	defer dir.Close()
	var wrong []error
	for range boxesLooked / boxesAtOnce {
		names, err := dir.Readdirnames(boxesAtOnce)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("looking for records: %w", err)
		}
		slices.Sort(names)
		for _, name := range names {
			if err := d.takeBox(name); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	return errors.Join(wrong...)
}

// takeBox takes one. What no hook makes is deleted without a look.
func (d *Directory) takeBox(name string) error {
	path := filepath.Join(d.boxes(), name)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("looking at %q: %w", path, err)
	}
	uid := int(st.Uid)
	owner, _, _ := strings.Cut(name, ".")
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return os.RemoveAll(path)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Mode&0o7777 != 0o600 || owner != strconv.Itoa(uid):
		return os.Remove(path)
	case !d.hasPlace(uid):
		return nil // the next time
	}
	taken := filepath.Join(d.taken(), nameOf(uid)+"."+strconv.FormatUint(st.Ino, 10))
	if err := os.Rename(path, taken); err != nil {
		return fmt.Errorf("taking %q: %w", path, err)
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
