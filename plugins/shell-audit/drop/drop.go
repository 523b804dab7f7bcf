package drop

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// Limits of a directory.
type Limits struct {
	// PutAside is the length at which a file is put aside.
	PutAside int64
	// Unread is how much may lie unread in the file of a user.
	Unread int64
	// Linger is how long a file that was put aside may still be written by who has it open.
	Linger time.Duration
}

// Usual are the limits for all but tests.
var Usual = Limits{PutAside: 4 << 20, Unread: 16 << 20, Linger: time.Minute}

// Directory is a spool of records.
type Directory struct {
	path   string
	limits Limits
	logger hclog.Logger

	logs   map[int]*log    // of users, by their number
	past   []*log          // that were put aside
	search search          // for boxes
	from   map[Place]int64 // where reading goes on, of files that were not opened yet
	// warned says that it was told that files can be overwritten here.
	warned bool
}

// Place tells a file from all others, also from later ones of the same name.
type Place struct {
	UID   int    `json:"uid"`
	Inode uint64 `json:"inode"`
}

// Found is a record, or what is none, where one should be.
type Found struct {
	UID int
	// Boxed says that it was in a file of the user's own.
	Boxed bool
	record.Item
	// Place is where it was; End is of it.
	Place Place
}

const (
	usersDir = "u"
	boxesDir = "new"
	takenDir = "taken" // of boxes, where no user gets to
)

// Open makes what is missing of the directory, which must be in one that nobody but root can write to, and reads it from the
// places given on.
func Open(path string, limits Limits, from map[Place]int64, logger hclog.Logger) (*Directory, error) {
	d := &Directory{path: path, limits: limits, logger: logger, logs: map[int]*log{}, from: maps.Clone(from)}
	for _, dir := range []struct {
		path string
		mode fs.FileMode
	}{{path, 0o711}, {d.users(), 0o711}, {d.boxes(), 0o733 | fs.ModeSticky}, {d.taken(), 0o700}} {
		if err := ownDirectory(dir.path, dir.mode); err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(d.users())
	if err != nil {
		return nil, fmt.Errorf("reading the spool of the audit: %w", err)
	}
	for _, e := range entries {
		name, err := d.mend(e.Name())
		if err != nil {
			return nil, err
		}
		uid, aside, ok := parseLog(name)
		if !ok {
			continue
		}
		if aside {
			if err := d.openPast(name, uid); err != nil {
				return nil, err
			}
		} else if err := d.Admit(uid); err != nil {
			return nil, err
		}
	}
	return d, d.openBoxes()
}

func (d *Directory) users() string { return filepath.Join(d.path, usersDir) }
func (d *Directory) boxes() string { return filepath.Join(d.path, boxesDir) }
func (d *Directory) taken() string { return filepath.Join(d.path, takenDir) }

// ownDirectory makes a directory of root's with this mode, or of one that is there.
func ownDirectory(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the spool of the audit: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("making the spool of the audit: %w", err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != uint32(os.Geteuid()) || !info.IsDir() {
		return fmt.Errorf("%s is no directory of this user's: move it away", path)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("making the spool of the audit: %w", err)
	}
	return nil
}

// nextSuffix is behind the name of a file that is not yet, or no longer, that of its user.
const nextSuffix = "~"

// nameOf is the name of a user's file.
func nameOf(uid int) string { return strconv.Itoa(uid) + ".log" }

// parseLog reads the name of a file of a user: <uid>.log, or <uid>.log.<inode> if it was put aside.
func parseLog(name string) (uid int, aside, ok bool) {
	number, rest, found := strings.Cut(name, ".log")
	uid, err := strconv.Atoi(number)
	if !found || err != nil || uid < 0 || strconv.Itoa(uid) != number || rest != "" && !strings.HasPrefix(rest, ".") {
		return 0, false, false
	}
	return uid, rest != "", true
}

// Admit makes the file of a user, if there is none.
func (d *Directory) Admit(uid int) error {
	if d.logs[uid] != nil {
		return nil
	}
	path := filepath.Join(d.users(), nameOf(uid))
	file, err := openOwn(path)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = d.create(path, uid); err == nil {
			if err = os.Rename(file.Name(), path); err == nil {
				err = d.protect(file)
			}
			_ = file.Close()
			if err == nil {
				file, err = openOwn(path)
			}
		}
	} else if err == nil {
		// A daemon that was killed between two steps may have left one without either.
		if err = letIn(file, uid); err == nil {
			err = d.protect(file)
		}
	}
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		return fmt.Errorf("letting user %d leave records: %w", uid, err)
	}
	l, err := d.follow(file, uid)
	if err != nil {
		return err
	}
	d.logs[uid] = l
	return nil
}

// create makes a file that the user can write to, under a name that no hook knows.
func (d *Directory) create(path string, uid int) (*os.File, error) {
	next := path + nextSuffix
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := letIn(file, uid); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// protect lets the file only be appended to, where that can be had.
func (d *Directory) protect(file *os.File) error {
	err := setFlags(file, appendOnly)
	if errors.Is(err, errNoFlags) {
		if !d.warned {
			d.warned = true
			d.logger.Warn("users can overwrite what their shells have written until it is collected: the file system has no files that can only be appended to",
				"directory", d.path)
		}
		return nil
	}
	return err
}

// mend finishes what a process began that was killed while it put a file aside: the old one has the name of the new one then.
func (d *Directory) mend(name string) (string, error) {
	bare, isNext := strings.CutSuffix(name, nextSuffix)
	if _, _, ok := parseLog(bare); !isNext || !ok {
		return name, nil
	}
	path := filepath.Join(d.users(), name)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Size == 0 {
		return name, err
	}
	aside := asideName(filepath.Join(d.users(), bare), st.Ino)
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("putting records aside: %w", err)
	}
	return filepath.Base(aside), nil
}

// openOwn opens a file that must be a regular one of our own.
func openOwn(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		_ = file.Close()
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != uint32(os.Geteuid()) {
		_ = file.Close()
		return nil, fmt.Errorf("%s is no regular file of this user's: move it away", path)
	}
	return file, nil
}

// AllDrained says whether nothing is unread in any file.
func (d *Directory) AllDrained() bool {
	for _, l := range d.past {
		if drained, err := l.drained(); err != nil || !drained {
			return false
		}
	}
	for uid := range d.logs {
		if !d.Drained(uid) {
			return false
		}
	}
	return true
}

// Watched are the directories in which something changes when there is something new.
func (d *Directory) Watched() []string { return []string{d.users(), d.boxes()} }

// Close closes all files.
func (d *Directory) Close() {
	if d.search.dir != nil {
		_ = d.search.dir.Close()
	}
	for _, l := range d.logs {
		_ = l.file.Close()
	}
	for _, l := range d.past {
		_ = l.file.Close()
	}
}
