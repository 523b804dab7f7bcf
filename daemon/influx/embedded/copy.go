package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// Copier makes copies of a running private InfluxDB and brings them back, with InfluxDB's own portable form. A copy holds
// the database with all its retention policies. The users' names and the hashes of their passwords are in it too, but
// InfluxDB does not restore users.
type Copier struct {
	binary      string
	credentials Credentials
	removeTime  time.Duration // how long the removal of what a restore has begun may take
}

// NewCopier prepares a Copier. The program is influxd.
func NewCopier(binary string, c Credentials) (*Copier, error) {
	if err := checkBinary(binary); err != nil {
		return nil, err
	}
	if c.Backup == "" {
		return nil, errors.New("the private InfluxDB was started by an older release: start the daemon again")
	}
	return &Copier{binary, c, 30 * time.Second}, nil
}

// Backup copies the database into dir, which must not exist or be empty, for this user alone. It returns how many bytes
// there are.
func (c *Copier) Backup(ctx context.Context, dir string) (size int64, err error) {
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return 0, fmt.Errorf("back up InfluxDB: %s is not empty: name a new directory", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("back up InfluxDB: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("back up InfluxDB: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return 0, fmt.Errorf("back up InfluxDB: %w", err)
	}
	if err := c.run(ctx, "backup", "-portable", "-host", c.credentials.Backup, "-db", c.credentials.Database, dir); err != nil {
		return 0, fmt.Errorf("back up InfluxDB: %w", err)
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		return size, fmt.Errorf("back up InfluxDB: %w", err)
	}
	return size, nil
}

// Restore brings a copy back as a new database, which must not exist, keeps its points for ever, and lets the daemon's
// reader read it. What is there already stays as it is. After an error nothing of the new database stays either, or the
// error says how to remove it.
func (c *Copier) Restore(ctx context.Context, dir, database string) error {
	if err := checkCopy(ctx, dir); err != nil {
		return fmt.Errorf("restore InfluxDB: %w", err)
	}
	setup, err := influx.NewSetup1(influx.ReaderOptions{URL: c.credentials.URL, Socket: c.credentials.Socket, Token: c.credentials.Admin.Token()})
	if err != nil {
		return err
	}
	defer setup.Close()
	there, err := setup.Databases(ctx)
	if err != nil {
		return fmt.Errorf("restore InfluxDB: %w", err)
	}
	for _, name := range there {
		if name == database {
			return fmt.Errorf("restore InfluxDB: there is a database %q already: name another one", database)
		}
	}
	if err := c.bring(ctx, setup, dir, database); err != nil {
		err = fmt.Errorf("restore InfluxDB: %w", err)
		if left := c.remove(context.WithoutCancel(ctx), setup, database); left != nil {
			err = fmt.Errorf("%w; the half of it that is there could not be removed (%w), so remove it with "+
				"`vedette influx shell --admin`: %s", err, left, influx.DropDatabase(database))
		}
		return err
	}
	return nil
}

// remove removes what a restore has begun: whoever has interrupted it must not find half a database either. InfluxDB 1.8 may
// still be opening what it was sent, and then crashes at the removal (it asks the index that it closes); so where there is no
// answer it is asked again, once the daemon has started it again.
func (c *Copier) remove(ctx context.Context, setup *influx.Setup1, database string) error {
	ctx, cancel := context.WithTimeout(ctx, c.removeTime)
	defer cancel()
	for {
		err := setup.RemoveDatabase(ctx, database)
		if err == nil || errors.As(err, new(*influx.QueryError)) || sleep(ctx, removePause) != nil {
			return err
		}
	}
}

const removePause = 200 * time.Millisecond

// bring makes the new database.
func (c *Copier) bring(ctx context.Context, setup *influx.Setup1, dir, database string) error {
	if err := c.run(ctx, "restore", "-portable", "-host", c.credentials.Backup, "-db", c.credentials.Database, "-newdb", database, dir); err != nil {
		return err
	}
	// Points of a copy are as old as it is: with its retention InfluxDB would delete them again.
	if err := setup.KeepForEver(ctx, database); err != nil {
		return err
	}
	return setup.Grant(ctx, influx.Read, database, c.credentials.Reader.Name)
}

// run runs one of influxd's commands. What it prints is shown when it fails.
func (c *Copier) run(ctx context.Context, args ...string) error {
	binary, err := filepath.Abs(c.binary)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = []string{"HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// It says of some failures that it failed, and ends as if it had not.
	text := strings.TrimSpace(string(said))
	if err == nil && strings.Contains(text, "error") {
		err = errors.New("influxd says that it failed")
	}
	if err != nil {
		return fmt.Errorf("influxd %s: %w: %s", args[0], err, text)
	}
	return nil
}
