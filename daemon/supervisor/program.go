package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// program is a plugin's program, opened: what was hashed is what is executed, whatever becomes of the path meanwhile.
type program struct {
	file *os.File
	path string
	// SHA256 of the whole file, in hexadecimal.
	sum string
}

func openProgram(path string) (*program, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the plugin's program: %w", err)
	}
	return hashProgram(file, path)
}

func hashProgram(file *os.File, path string) (*program, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("reading the plugin's program %s: %w", path, err)
	}
	return &program{file, path, hex.EncodeToString(hash.Sum(nil))}, nil
}

// identity tells files and what is in them apart: only the kernel sets ctime, at every write.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

func identify(file *os.File) (identity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return identity{}, fmt.Errorf("looking at the plugin's program %s: %w", file.Name(), err)
	}
	return identity{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}, nil
}

func (p *program) close() { _ = p.file.Close() }

// command returns a command that executes the opened file. The program must stay open until the command has started.
func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, args...)
	if runtime.GOOS == "linux" {
		// The first extra file is descriptor 3 of the child. A script's interpreter opens this path as well.
		cmd.Path = "/proc/self/fd/3"
		cmd.ExtraFiles = []*os.File{p.file}
	}
	return cmd
}
