package hook

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tree is the file system below the root. No path in it leads out.
type tree struct {
	root *os.Root
	name string
}

func open(root string) (*tree, error) {
	if root == "" {
		root = "/"
	}
	if root == "/" && os.Geteuid() != 0 {
		return nil, errors.New("the hooks are in system files that only root may change: run this as root")
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("opening the root of the installation: %w", err)
	}
	return &tree{r, root}, nil
}

func (t *tree) close() { _ = t.root.Close() }

func (t *tree) exists(name string) bool {
	_, err := t.root.Lstat(name)
	return err == nil
}

// at is where a file is, for an error.
func (t *tree) at(name string) string { return filepath.Join(t.name, name) }

// read is the content of a regular file, nil if it is not there.
func (t *tree) read(name string) ([]byte, fs.FileInfo, error) {
	st, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("looking at %s: %w", t.at(name), err)
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a plain file (%s), and is left alone: make it one, or source the hook in the file that it leads to", t.at(name), st.Mode().Type())
	}
	text, err := t.root.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", t.at(name), err)
	}
	if text == nil {
		text = []byte{}
	}
	return text, st, nil
}

// write makes a file have a content, unless it has. A file that is there keeps its mode and owner. If there is an interpreter it must
// find the content valid. A reader sees the old file or the new one, also after a loss of power.
func (t *tree) write(name string, text []byte, mode fs.FileMode, interpreter string) error {
	present, st, err := t.read(name)
	if err != nil {
		return err
	}
	if st != nil && bytes.Equal(present, text) {
		return nil
	}
	if err := t.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("making the directory of %s: %w", t.at(name), err)
	}
	temporary := path.Join(path.Dir(name), ".vedette-"+rand.Text())
	f, err := t.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing beside %s: %w", t.at(name), err)
	}
	defer func() { _ = t.root.Remove(temporary) }()
	err = fill(f, text, mode, st)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing beside %s: %w", t.at(name), err)
	}
	if interpreter != "" {
		if err := t.valid(interpreter, temporary); err != nil {
			return fmt.Errorf("%s would not be valid, and is left as it is: %w", t.at(name), err)
		}
	}
	if err := t.root.Rename(temporary, name); err != nil {
		return fmt.Errorf("replacing %s: %w", t.at(name), err)
	}
	return t.syncDir(path.Dir(name))
}

func fill(f *os.File, text []byte, mode fs.FileMode, like fs.FileInfo) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	if like != nil {
		mode = like.Mode()
		if owner, ok := like.Sys().(*syscall.Stat_t); ok {
			if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return err
			}
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return f.Sync()
}

// valid asks a shell whether it can read a file.
func (t *tree) valid(interpreter, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "-n", t.at(name))
	cmd.Env = []string{"HOME=/nonexistent", "PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s -n: %w: %s", interpreter, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (t *tree) syncDir(name string) error {
	d, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// insert gives a file the block with a line, in place of one that it has.
func (t *tree) insert(name, line, interpreter string) error {
	text, _, err := t.read(name)
	if err != nil {
		return err
	}
	rest, _, own, err := without(text)
	if err != nil {
		return fmt.Errorf("%s: %w", t.at(name), err)
	}
	if own {
		rest = nil
	}
	return t.write(name, with(rest, line), 0o644, interpreter)
}

// strip takes the block out of a file.
func (t *tree) strip(name string) error {
	text, st, err := t.read(name)
	if err != nil || st == nil {
		return err
	}
	rest, line, own, err := without(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", t.at(name), err)
	case own:
		return t.remove(name)
	case line == "":
		return nil
	}
	return t.write(name, rest, 0o644, "")
}

func (t *tree) remove(name string) error {
	if err := t.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", t.at(name), err)
	}
	return nil
}
