package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A unix socket's path has at most 107 bytes. The longest name below the run directory is that of a plugin's socket.
const (
	maxSocketPath = 107
	longestSocket = len("/plugins/9999/plugin0123456789")
)

// runDir is where the sockets of a daemon with this data directory are: below it, or, where that is too deep for a
// socket, at a place that follows from it. It follows from nothing else, because whoever asks the daemon may be another
// user, with another environment, than the daemon itself: so neither os.TempDir nor the user's id has a part in it.
func runDir(dataDir string) string {
	dir := filepath.Join(dataDir, "run")
	if len(dir)+longestSocket <= maxSocketPath {
		return dir
	}
	sum := sha256.Sum256([]byte(dataDir))
	return "/tmp/vedette-" + hex.EncodeToString(sum[:6])
}

// ControlSocket is where a daemon with this data directory answers.
func ControlSocket(dataDir string) string { return filepath.Join(runDir(dataDir), "control.sock") }

// makeRunDir makes the run directory and refuses one that somebody else has made or could write to.
func makeRunDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("making the run directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return fmt.Errorf("making the run directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("checking the run directory: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	// With 0711 plugins that have users of their own are let through.
	private := info.Mode().Perm()&0o077 == 0 || info.Mode().Perm() == 0o711
	if !info.IsDir() || !private || ok && int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("the run directory %s must be a directory of the daemon's user with mode 0700 or 0711; remove it, or choose a shorter data_dir", dir)
	}
	return nil
}
