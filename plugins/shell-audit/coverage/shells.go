package coverage

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
)

// Host looks at this host's files and processes, for a Watch.
type Host struct {
	proc   string
	shells map[string]string // by the identity of the program

	mu    sync.Mutex
	known map[stamp]string // identities of files
}

// stamp tells a file from others and from what it was before.
type stamp struct {
	device, inode   uint64
	size, sec, nsec int64
}

const (
	// maxKnown is of how many programs it is remembered what they are.
	maxKnown = 4096
	// maxProgram is how large a shell may be to be known by its contents.
	maxProgram = 16 << 20
)

// NewHost learns which shells this host has: those in /etc/shells, and those in the usual places.
func NewHost() *Host {
	h := &Host{proc: "/proc", shells: map[string]string{}, known: map[stamp]string{}}
	var paths []string
	if f, err := os.Open("/etc/shells"); err == nil {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "/") {
				paths = append(paths, line)
			}
		}
		_ = f.Close()
	}
	for _, dir := range []string{"/bin", "/usr/bin", "/usr/local/bin"} {
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	for _, path := range paths {
		file, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		// A program of many names, such as busybox, is not a shell whenever it is run.
		name := nameOf(file)
		if name == "" {
			continue
		}
		if id := h.identity(file); id != "" {
			h.shells[id] = name
		}
	}
	return h
}

// shellOf is the shell that a process runs, by its program's contents; "" if it is none, or gone.
func (h *Host) shellOf(pid int) string {
	return h.shells[h.identity(fmt.Sprintf("%s/%d/exe", h.proc, pid))]
}

// onTerminal says whether a process reads from a terminal and speaks to one; false too if it is gone.
func (h *Host) onTerminal(pid int) bool {
	for _, fd := range []int{0, 2} {
		to, err := os.Readlink(fmt.Sprintf("%s/%d/fd/%d", h.proc, pid, fd))
		if err != nil || !strings.HasPrefix(to, "/dev/pts/") && !strings.HasPrefix(to, "/dev/tty") && to != "/dev/console" {
			return false
		}
	}
	return true
}

// present says whether a process that began then still runs, and which program: its exe.
func (h *Host) present(pid int, birth int64) (exe string, ok bool) {
	if !kernel.Running(pid, birth) {
		return "", false
	}
	exe, _ = os.Readlink(fmt.Sprintf("%s/%d/exe", h.proc, pid))
	return exe, true
}

// identity is what a program has in common with its copies; "" if it can not be read.
func (h *Host) identity(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxProgram {
		return ""
	}
	var at stamp
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		at = stamp{uint64(s.Dev), s.Ino, s.Size, s.Mtim.Sec, s.Mtim.Nsec}
	}
	h.mu.Lock()
	id, ok := h.known[at]
	h.mu.Unlock()
	if ok {
		return id
	}
	id = contents(f)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxKnown {
		clear(h.known)
	}
	h.known[at] = id
	return id
}

// contents is the number that its builder gave a program, or else a hash of all of it.
func contents(f *os.File) string {
	if program, err := elf.NewFile(f); err == nil {
		if section := program.Section(".note.gnu.build-id"); section != nil && section.Size < 1<<10 {
			if id, err := section.Data(); err == nil {
				if id := buildID(id, program.ByteOrder); len(id) >= 8 {
					return "build " + string(id)
				}
			}
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return ""
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxProgram)); err != nil {
		return ""
	}
	return "sum " + string(sum.Sum(nil))
}

// buildID takes it from its note: lengths of the name and of the text, a kind, the name, the text.
func buildID(note []byte, order binary.ByteOrder) []byte {
	const head = 12
	if len(note) < head {
		return nil
	}
	name, text := order.Uint32(note), order.Uint32(note[4:])
	rest := note[head:]
	if name != 4 || !bytes.HasPrefix(rest, []byte("GNU\x00")) || uint64(len(rest)) < 4+uint64(text) {
		return nil
	}
	return rest[4 : 4+text]
}
