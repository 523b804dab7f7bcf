package drop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// log is a file of records that is being read.
type log struct {
	file   *os.File
	place  Place
	reader *record.Reader
	// ended says that the last reading came to the end.
	ended bool
	// shut says that its user is not let in, because too much is unread.
	shut bool
	// aside is when it was put aside, if it was; boxed says that its user made it.
	aside time.Time
	boxed bool
}

// follow reads a file from where reading has to go on.
func (d *Directory) follow(file *os.File, uid int) (*log, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("opening %s: %w", file.Name(), err)
	}
	l := &log{file: file, place: Place{uid, st.Ino}}
	offset := min(d.from[l.place], st.Size)
	delete(d.from, l.place)
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("opening %s: %w", file.Name(), err)
	}
	l.reader = record.NewReader(file, offset)
	return l, nil
}

// read visits at most that many records, and reports whether there may be more.
func (l *log) read(most int, visit func(Found)) (more bool, err error) {
	l.ended = false
	for range most {
		item, err := l.reader.Next()
		if err == io.EOF {
			l.ended = true
			return false, l.lookForCut(visit)
		}
		if err != nil {
			return false, fmt.Errorf("reading the records of user %d: %w", l.place.UID, err)
		}
		visit(Found{UID: l.place.UID, Boxed: l.boxed, Item: item, Place: l.place})
	}
	return true, nil
}

// lookForCut says when a file has lost what was read of it, which only root can do, or a user where the file system has no files
// that can only be appended to. Reading begins anew then.
func (l *log) lookForCut(visit func(Found)) error {
	unread, err := l.unread()
	if err != nil || unread >= 0 {
		return err
	}
	at, _ := l.reader.Pending()
	visit(Found{UID: l.place.UID, Place: l.place, Item: record.Item{Bad: ErrCut, Offset: at, End: 0}})
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the records of user %d: %w", l.place.UID, err)
	}
	l.reader = record.NewReader(l.file, 0)
	return nil
}

// ErrCut is what is Bad where somebody has cut a file off.
var ErrCut = errors.New("the file was cut off behind the collector's back")

func (l *log) size() (int64, error) {
	info, err := l.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("looking at the records of user %d: %w", l.place.UID, err)
	}
	return info.Size(), nil
}

// unread is how many bytes were not visited.
func (l *log) unread() (int64, error) {
	size, err := l.size()
	at, _ := l.reader.Pending()
	return size - at, err
}

// drained says whether all of it was visited, but for a record whose end is missing.
func (l *log) drained() (bool, error) {
	unread, err := l.unread()
	_, rest := l.reader.Pending()
	return err == nil && l.ended && unread <= int64(rest), err
}

// keepBound shuts the user out while too much is unread.
func (l *log) keepBound(most int64) error {
	unread, err := l.unread()
	if err != nil {
		return err
	}
	flags := uint32(appendOnly)
	switch {
	case !l.shut && unread > most:
		flags |= immutable
	case l.shut && unread < most/2:
	default:
		return nil
	}
	if err := setFlags(l.file, flags); err != nil {
		return err
	}
	l.shut = !l.shut
	return nil
}
