package coverage

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
)

// key tells shells apart. A process that becomes another program keeps it.
type key struct {
	pid   int
	birth int64
}

// shell is what is known of one.
type shell struct {
	key
	name string
	uid  int
	exec kernel.Exec // without a PID if only records tell of it

	began time.Time // when it became this program; zero if that is not known
	hello time.Time // when it was first heard of; zero if it was not
	heard time.Time // when it was last heard of

	due      time.Time // when NoHook is to be told
	gone     time.Time // when HookGone is to be told
	goneTold bool

	numbers numbers
	history int64 // of the newest command; 0 if it is not known

	jobs    int  // that the kernel has seen since it was heard of
	running bool // the command that it has told of
	whole   bool // it tells of commands when they have ended
}

// event is one of the shell.
func (s *shell) event(kind Kind, at time.Time, count int64, format string, args ...any) Event {
	return Event{Kind: kind, At: at, PID: s.pid, Birth: s.birth, UID: s.uid, Shell: s.name, Exec: s.exec, Count: count, Detail: fmt.Sprintf(format, args...)}
}

// numbers are those of a shell's records: one more each.
type numbers struct {
	last    int64
	missing map[int64]bool
	more    int64 // missing, besides
	due     time.Time
}

const (
	// patience is how long a record may come after later ones: those of the socket overtake those of the spool.
	patience = 5 * time.Second
	// maxMissing is of how many records of a shell it is known which are missing.
	maxMissing = 256
)

// note takes a record's number.
func (n *numbers) note(seq int64, at time.Time) {
	switch {
	case n.last == 0: // what was before is not known
		n.last = seq
	case seq <= n.last:
		delete(n.missing, seq)
	default:
		for i := n.last + 1; i < seq; i++ {
			if len(n.missing) >= maxMissing {
				n.more += seq - i
				break
			}
			if n.missing == nil {
				n.missing = map[int64]bool{}
			}
			n.missing[i] = true
		}
		n.last = seq
	}
	n.settle(at)
}

// settle sets when to tell.
func (n *numbers) settle(at time.Time) {
	if n.count() == 0 {
		n.due = time.Time{}
	} else if n.due.IsZero() {
		n.due = at.Add(patience)
	}
}

func (n *numbers) count() int64 { return int64(len(n.missing)) + n.more }

// excuse forgets so many of those that are missing before a number, the newest first: the shell has reported them itself.
func (n *numbers) excuse(count, before int64, at time.Time) {
	from := min(count, n.more)
	n.more -= from
	count -= from
	for _, seq := range slices.Backward(slices.Sorted(maps.Keys(n.missing))) {
		if count == 0 {
			break
		}
		if seq < before {
			delete(n.missing, seq)
			count--
		}
	}
	n.settle(at)
}

// take returns how many are missing for good, and forgets them.
func (n *numbers) take() int64 {
	count := n.count()
	n.missing, n.more, n.due = nil, 0, time.Time{}
	return count
}
