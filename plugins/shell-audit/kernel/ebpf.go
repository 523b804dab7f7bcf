package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

const (
	usualRing = 2 << 20
	// maxAlive is of how many running processes in scope the end can be told.
	maxAlive = 32768
	// every is how often the ring is looked at.
	every = 20 * time.Millisecond
)

// tracer is a pair of programs in the kernel and the ring through which they tell.
type tracer struct {
	ring, counters, scratch, alive *ebpf.Map
	exec, exit                     *ebpf.Program
	links                          []link.Link
	reader                         *ringbuf.Reader
}

// openTracer puts the programs into the kernel; from then on events are in the ring.
func openTracer(o Options) (_ *tracer, err error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's types (it must be built with CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	l, err := findLayout(spec)
	if err != nil {
		return nil, err
	}
	// Before Linux 5.11 maps count as locked memory. Where it can not be raised and is needed, making one says so.
	_ = rlimit.RemoveMemlock()
	t := &tracer{}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	ring := uint32(usualRing)
	if o.ring != 0 {
		ring = uint32(o.ring)
	}
	for _, m := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&t.ring, ebpf.MapSpec{Name: "vedette_ring", Type: ebpf.RingBuf, MaxEntries: ring}},
		{&t.counters, ebpf.MapSpec{Name: "vedette_count", Type: ebpf.Array, KeySize: 4, ValueSize: countersSize, MaxEntries: 1}},
		{&t.scratch, ebpf.MapSpec{Name: "vedette_scratch", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: (scratchSize + 7) &^ 7, MaxEntries: 1}},
		{&t.alive, ebpf.MapSpec{Name: "vedette_alive", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: maxAlive}},
	} {
		if *m.to, err = ebpf.NewMap(&m.spec); err != nil {
			return nil, rights(fmt.Errorf("making the map %s: %w", m.spec.Name, err))
		}
	}
	h := handles{t.ring.FD(), t.counters.FD(), t.scratch.FD(), t.alive.FD()}
	for _, p := range []struct {
		to   **ebpf.Program
		name string
		code asm.Instructions
	}{
		{&t.exit, "sched_process_exit", exitProgram(l, h)},
		{&t.exec, "sched_process_exec", execProgram(l, h, o.All)},
	} {
		*p.to, err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "vedette_" + p.name[len("sched_process_"):], Type: ebpf.RawTracepoint, Instructions: p.code,
			License: "GPL", // the helpers that read the kernel's memory ask for it
		})
		if err != nil {
			return nil, rights(fmt.Errorf("loading the program for %s: %w", p.name, err))
		}
		on, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: p.name, Program: *p.to})
		if err != nil {
			return nil, rights(fmt.Errorf("attaching to %s: %w", p.name, err))
		}
		t.links = append(t.links, on)
	}
	if t.reader, err = ringbuf.NewReader(t.ring); err != nil {
		return nil, fmt.Errorf("opening the ring: %w", err)
	}
	t.enlist(o.All)
	return t, nil
}

// rights says what is missing where the kernel only says no.
func rights(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: it needs CAP_BPF and CAP_PERFMON, or root, and a kernel that is not locked down", err)
	}
	return err
}

// enlist notes the processes that are there already, so that their ends are told as well.
func (t *tracer) enlist(all bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		birth, has, err := scopeOf(pid)
		if err != nil || !has && !all {
			continue
		}
		if err := t.alive.Update(uint32(pid), uint64(birth)*uint64(tick), ebpf.UpdateNoExist); err != nil {
			continue
		}
		// It may have ended in between: then nobody would take it out.
		if _, _, err := scopeOf(pid); errors.Is(err, fs.ErrNotExist) {
			_ = t.alive.Delete(uint32(pid))
		}
	}
}

// scopeOf reads of a process when it began, and whether it has a terminal or a login.
func scopeOf(pid int) (birth int64, in bool, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, false, err
	}
	s, err := parseStat(text)
	if err != nil || s.terminal != 0 {
		return s.birth, true, err
	}
	login, err := os.ReadFile(filepath.Join(dir, "loginuid"))
	return s.birth, err == nil && string(login) != strconv.Itoa(NoLogin), nil
}

func (t *tracer) run(ctx context.Context, tell func(Event)) error {
	var record ringbuf.Record
	boot := bootTime()
	for {
		ending := ctx.Err() != nil
		if ending {
			// Nothing new comes from now on; what is in the ring is told.
			t.detach()
		}
		t.reader.SetDeadline(time.Now().Add(every))
		err := t.reader.ReadInto(&record)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			// All that was there is read.
			if ending {
				return nil
			}
			boot = bootTime() // clocks are set now and then
		case err != nil:
			return fmt.Errorf("reading from the kernel: %w", err)
		default:
			e, err := decode(record.RawSample, boot)
			if err != nil {
				return fmt.Errorf("reading from the kernel: %w", err)
			}
			tell(e)
		}
	}
}

// bootTime is when the system was booted by the clock of now.
func bootTime() time.Time {
	var since unix.Timespec
	now := time.Now()
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		panic(fmt.Sprintf("there is no clock: %v", err)) // Linux has had it since 2.6.39
	}
	return now.Round(0).Add(-time.Duration(since.Nano()))
}

// tally is what the programs have counted.
type tally struct{ seen, dropped, unknown uint64 }

func (t *tracer) tally() (tally, error) {
	var n [countersSize / 8]uint64
	if err := t.counters.Lookup(uint32(0), &n); err != nil {
		return tally{}, fmt.Errorf("reading the counters: %w", err)
	}
	return tally{n[countSeen/8], n[countDropped/8], n[countUnknown/8]}, nil
}

// drops also counts the ends that will not be told, and the calls that the kernel has left out because a program was at work on the same processor.
func (t *tracer) drops() (uint64, error) {
	n, err := t.tally()
	if err != nil {
		return 0, err
	}
	dropped := n.dropped + n.unknown
	for _, p := range []*ebpf.Program{t.exec, t.exit} {
		if stats, err := p.Stats(); err == nil {
			dropped += stats.RecursionMisses
		}
	}
	return dropped, nil
}

func (t *tracer) detach() {
	for _, l := range t.links {
		_ = l.Close()
	}
	t.links = nil
}

func (t *tracer) close() {
	t.detach()
	if t.reader != nil {
		_ = t.reader.Close()
	}
	for _, p := range []*ebpf.Program{t.exec, t.exit} {
		if p != nil {
			_ = p.Close()
		}
	}
	for _, m := range []*ebpf.Map{t.ring, t.counters, t.scratch, t.alive} {
		if m != nil {
			_ = m.Close()
		}
	}
}
