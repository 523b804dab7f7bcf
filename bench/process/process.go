// Package process starts the programs that the benchmarks measure.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Patience is how long Until waits.
const Patience = 2 * time.Minute

// Process is a program under measurement.
type Process struct {
	cmd *exec.Cmd
	// Log is the file of its output.
	Log string
}

// Start starts a program that dies with the bench, its output in a file.
func Start(ctx context.Context, log, program string, args ...string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Dir(log)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Process{cmd, log}, nil
}

// End stops the program.
func (p *Process) End() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// CPU is the processor time of the process, without its children.
func (p *Process) CPU() time.Duration { return CPU(p.PID()) }

// PID is its process number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// CPU is the processor time of a process, without its children.
func CPU(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100)
}

// Peak is the largest resident memory that the process ever had, in bytes.
func (p *Process) Peak() int64 { return Peak(p.PID()) }

// Peak is the same of any process.
func Peak(pid int) int64 { return memory(pid, "VmHWM:") }

// Resident is the resident memory of a process at present, in bytes.
func Resident(pid int) int64 { return memory(pid, "VmRSS:") }

func memory(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// Fail adds the end of the program's log to an error.
func (p *Process) Fail(err error) error {
	text, _ := os.ReadFile(p.Log)
	if len(text) > 3000 {
		text = text[len(text)-3000:]
	}
	return fmt.Errorf("%w\n%s", err, text)
}

// Until waits for a condition, which must not cost much.
func Until(ctx context.Context, what string, holds func() bool) error {
	for end := time.Now().Add(Patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %s it is still not so that %s", Patience, what)
		}
	}
	return nil
}

// Exists tells whether there is a file.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
