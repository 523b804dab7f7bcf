package drop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Settle is called once all that was visited is kept elsewhere: it deletes what is not needed any more, puts long files aside, and
// returns the files that are gone, whose places mean nothing from now on.
func (d *Directory) Settle() (gone []Place, err error) {
	var wrong []error
	for uid, l := range d.logs {
		if err := d.putAside(uid, l); err != nil {
			wrong = append(wrong, err)
		}
	}
	kept := d.past[:0]
	for _, l := range d.past {
		drained, err := l.drained()
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case time.Since(l.aside) > d.lingers(l) && drained: // a record without an end will get none
			if err := setFlags(l.file, 0); err != nil && !errors.Is(err, errNoFlags) {
				wrong = append(wrong, err)
			}
			if err := os.Remove(l.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				wrong = append(wrong, fmt.Errorf("deleting what was read: %w", err))
				break
			}
			_ = l.file.Close()
			gone = append(gone, l.place)
			continue
		}
		kept = append(kept, l)
	}
	clear(d.past[len(kept):])
	d.past = kept
	return gone, errors.Join(wrong...)
}

// lingers is how long a file may still be written to after it was put aside.
func (d *Directory) lingers(l *log) time.Duration {
	if l.boxed {
		return min(d.limits.Linger, boxLinger) // there may be many
	}
	return d.limits.Linger
}

const boxLinger = 10 * time.Second

// putAside gives a user whose file has grown long another one. At no moment there is none. It waits until all of it is read, for
// a file that can only be appended to can not be renamed, and what the user may do to it meanwhile shall cost nothing.
func (d *Directory) putAside(uid int, l *log) error {
	size, err := l.size()
	if err != nil || size < d.limits.PutAside {
		return err
	}
	if drained, err := l.drained(); err != nil || !drained || l.shut {
		return err
	}
	path := filepath.Join(d.users(), nameOf(uid))
	aside := asideName(path, l.place.Inode)
	file, err := d.create(path, uid)
	if err != nil {
		return fmt.Errorf("putting the records of user %d aside: %w", uid, err)
	}
	next := file.Name()
	if err = setFlags(l.file, 0); errors.Is(err, errNoFlags) {
		err = nil
	}
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	}
	if err == nil {
		err = os.Rename(next, aside)
	}
	for _, file := range []*os.File{l.file, file} {
		if err == nil {
			err = d.protect(file)
		}
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("putting the records of user %d aside: %w", uid, err)
	}
	// Who has it open may still append, until it is deleted.
	_ = file.Close()
	old, err := openOwn(aside)
	if err != nil {
		return err
	}
	_ = l.file.Close()
	delete(d.logs, uid)
	from := d.from
	at, _ := l.reader.Pending()
	d.from = map[Place]int64{l.place: at}
	past, err := d.follow(old, uid)
	d.from = from
	if err != nil {
		return err
	}
	past.aside = time.Now()
	d.past = append(d.past, past)
	return d.Admit(uid)
}

// openPast goes on with a file that an earlier process has put aside.
func (d *Directory) openPast(name string, uid int) error {
	file, err := openOwn(filepath.Join(d.users(), name))
	if err != nil {
		return err
	}
	l, err := d.follow(file, uid)
	if err != nil {
		return err
	}
	l.aside = time.Now()
	d.past = append(d.past, l)
	return nil
}

// asideName is where the file of that number is put.
func asideName(path string, inode uint64) string { return path + "." + strconv.FormatUint(inode, 10) }
