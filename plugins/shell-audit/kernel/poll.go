package kernel

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
)

// Poll tells of programs on terminals by looking at all processes now and then, where the kernel tells nothing by itself: so that
// a shell that stays is found. What comes and goes in between is missed. It returns when ctx ends.
func Poll(ctx context.Context, every time.Duration, tell func(Event)) {
	var p poller
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		p.scan(tell)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// poller knows the processes on terminals.
type poller struct {
	last  time.Time // of the scan before
	known map[int]found
}

type found struct{ birth, image int64 }

// scan tells what has changed since the scan before. What the first one finds is Earlier.
func (p *poller) scan(tell func(Event)) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	now := time.Now()
	here := make(map[int]found, len(p.known))
	parents := map[int]int{}
	images := make(map[int64]bool, len(p.known))
	for _, f := range p.known {
		images[f.image] = true
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		s, err := parseStat(text)
		if err != nil || s.terminal == 0 {
			continue
		}
		here[pid], parents[pid] = found{s.birth, int64(s.image)}, s.parent
	}
	for pid, before := range p.known {
		if after, ok := here[pid]; !ok || after.birth != before.birth {
			tell(Exit{At: now, PID: pid, Birth: before.birth, Code: -1})
		}
	}
	for pid, f := range here {
		before, ok := p.known[pid]
		same := ok && before.birth == f.birth
		if same && before.image == f.image {
			continue
		}
		// What a shell runs in parentheses is no program of its own: it lies where the shell does.
		if above := here[parents[pid]]; !same && f.image != 0 && (above.image == f.image || images[f.image]) {
			continue
		}
		e, err := lookAt(pid, f.birth)
		if err != nil {
			delete(here, pid)
			continue
		}
		switch born := bootTime().Add(time.Duration(f.birth) * tick); {
		case p.last.IsZero():
			e.At, e.Earlier = now, true
		case same:
			e.At = p.last // it has become another program since
		default:
			e.At = born
		}
		tell(e)
	}
	p.known, p.last = here, now
}

// lookAt finds out what is told of a process.
func lookAt(pid int, birth int64) (Exec, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return Exec{}, err
	}
	comm, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return Exec{}, err
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Exec{}, err
	}
	s, err := parseStat(stat)
	if err != nil {
		return Exec{}, err
	}
	who, err := identity.Of(pid, birth)
	if err != nil {
		return Exec{}, err
	}
	return Exec{
		PID: pid, Parent: who.Parent, Birth: birth, Group: s.group, UID: who.UID, EUID: who.EUID, LoginUID: who.LoginUID, Session: who.Session,
		Terminal: who.Terminal, Comm: string(comm[:max(0, len(comm)-1)]), Path: who.Exe, Cwd: who.Cwd,
		Args: split(text[:min(len(text), MaxArgs)]), Size: int64(len(text)), Truncated: len(text) > MaxArgs,
	}, nil
}
