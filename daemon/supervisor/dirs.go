package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/daemon/process"
)

// give makes a directory of the plugin's own, which only its user may enter. What is in it already comes to belong to
// that user, if the directory belonged to another. If the daemon is not root, all is its own.
func give(dir string, account *process.Account) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a directory for the plugin: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	owner := process.Account{}
	if !account.Own() {
		owner = *account
	}
	if err := chownAll(dir, owner); err != nil {
		return fmt.Errorf("giving the directory %s to the plugin's user: %w", dir, err)
	}
	if account.Own() {
		return nil
	}
	// The two above it are the daemon's. To pass is not to read: nobody sees what is in them.
	for parent, n := filepath.Dir(dir), 0; n < 2; parent, n = filepath.Dir(parent), n+1 {
		info, err := os.Stat(parent)
		if err == nil && info.Mode().Perm()&0o011 != 0o011 {
			err = os.Chmod(parent, info.Mode().Perm()|0o011)
		}
		if err != nil {
			return fmt.Errorf("letting the plugin's user pass: %w", err)
		}
	}
	return mayReach(dir, account)
}

// chownAll changes the owner of a directory and of all in it, unless the directory has that owner. Whoever can write
// there must not lead it elsewhere: no link is followed, and what has a second name in another directory stays as it is.
func chownAll(dir string, owner process.Account) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(".")
	if err != nil || info.Sys().(*syscall.Stat_t).Uid == owner.UID {
		return err
	}
	uid, gid := int(owner.UID), int(owner.GID)
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		info, err := root.Lstat(path)
		if err != nil || !entry.IsDir() && info.Sys().(*syscall.Stat_t).Nlink > 1 {
			return err
		}
		return root.Lchown(path, uid, gid)
	})
	if err != nil {
		return err
	}
	return root.Chown(".", uid, gid)
}

// mayReach says what keeps the account from reaching a directory.
func mayReach(dir string, account *process.Account) error {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return fmt.Errorf("looking for the way to %s: %w", dir, err)
		}
		if !account.May(1, info) && !hasACL(parent) {
			return unfit{fmt.Errorf("the user %s can not reach %s, because %s does not let it pass: choose another data_dir, or let others pass with `chmod o+x %s`",
				account.Name, dir, parent, parent)}
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

// hasACL says whether more than the mode of a file tells who may do what with it.
func hasACL(path string) bool {
	_, err := unix.Getxattr(path, "system.posix_acl_access", nil)
	return err == nil
}

// unfit is the error of a plugin that does not start as it is configured, however often it is tried.
type unfit struct{ error }

// Unwrap returns the error itself.
func (u unfit) Unwrap() error { return u.error }

// denied says what a plugin that is to run as another user was kept from by the system.
func denied(spec Spec, err error) error {
	switch {
	case spec.Account.Own():
	case errors.Is(err, syscall.EPERM):
		return unfit{fmt.Errorf("the daemon may not run the plugin as the user %s, because it is not root: run it as root, or remove user from the plugin block", spec.Account.Name)}
	case errors.Is(err, syscall.EACCES):
		if info, statErr := os.Stat(spec.Path); statErr == nil && !spec.Account.May(1, info) {
			return unfit{fmt.Errorf("the user %s may not execute %s: `chmod o+rx` it", spec.Account.Name, spec.Path)}
		}
	}
	return err
}
