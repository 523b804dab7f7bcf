package coverage

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

const (
	// HelloWithin is how long a shell may take until its hook says hello.
	HelloWithin = 3 * time.Second
	// settling is how long a hook may take to connect anew, after a connection of it has ended.
	settling = 3 * time.Second
	// overlap is how late the end of a connection may be told after a shell has become another one, which has said hello anew.
	overlap = 2 * time.Second
	// A shell that has started so many jobs, so long after it was heard of, is silent.
	silentJobs = 10
	silentFor  = 10 * time.Second
	// brief is how long a shell lives at least that nobody could have typed into.
	brief = time.Second
	// maxShells bounds what is remembered, and maxClaimed what is remembered of a user's shells of which only records tell.
	maxShells  = 16384
	maxClaimed = 512
	// slack is how exactly the kernel's times and ours agree, and clocks how exactly a shell's do that knows only the time since boot.
	slack  = 10 * time.Millisecond
	clocks = 2 * time.Second
)

// system is what a Watch asks of the host.
type system interface {
	shellOf(pid int) string
	onTerminal(pid int) bool
	present(pid int, birth int64) (exe string, ok bool)
}

// Watch knows the shells of a host, and holds what the kernel tells of them against what they tell themselves. All that it
// knows of time is what it is told. It may be used by several goroutines.
type Watch struct {
	system system

	mu      sync.Mutex
	shells  map[key]*shell
	birth   map[int]int64 // of the shells, by their number
	claimed map[int][]key // by their user: those of which only records tell, the oldest first
}

// New knows no shell yet.
func New(h *Host) *Watch { return newWatch(h) }

func newWatch(s system) *Watch {
	return &Watch{system: s, shells: map[key]*shell{}, birth: map[int]int64{}, claimed: map[int][]key{}}
}

// Kernel takes what the kernel tells, at a time.
func (w *Watch) Kernel(e kernel.Event, at time.Time) []Event {
	switch e := e.(type) {
	case kernel.Exec:
		// This reads files, and so is done before others have to wait.
		var name string
		if e.Birth != 0 {
			name = w.typedInto(e)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return append(w.job(e, at), w.program(e, name, at)...)
	case kernel.Exit:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.ended(e, at)
	}
	return nil
}

// typedInto is the name of the shell that a process has become; "" if it is none that somebody types into.
func (w *Watch) typedInto(e kernel.Exec) string {
	if e.Terminal == "" {
		return ""
	}
	file, args := unwrap(e.Path, e.Args)
	name := nameOf(file)
	if name == "" && len(args) > 0 {
		name = nameOf(args[0])
	}
	if name == "" {
		name = w.system.shellOf(e.PID)
	}
	if name == "" {
		return ""
	}
	if len(args) > 0 {
		args = args[1:]
	}
	switch wanted(name, args) {
	case forced:
		return name
	case typed:
		// Who is gone already has not been typed into.
		if w.system.onTerminal(e.PID) {
			return name
		}
	}
	return ""
}

// program takes in that a process has become a shell of that name, or something else.
func (w *Watch) program(e kernel.Exec, name string, at time.Time) []Event {
	if e.Birth == 0 {
		return nil
	}
	s := w.shells[key{e.PID, e.Birth}]
	if s != nil && s.exec.PID == 0 && s.uid != e.UID && s.uid != e.EUID {
		w.drop(s) // another user has spoken for it
		s = nil
	}
	// Its hook may have been quicker than the kernel's word.
	if s != nil && (e.Earlier || !s.hello.IsZero() && !s.hello.Before(e.At.Add(-slack))) {
		w.unclaim(s)
		s.exec, s.uid, s.began = e, e.UID, e.At
		if name != "" {
			s.name = name
		}
		return nil
	}
	var events []Event
	if s != nil {
		events = w.forget(s, at, "it became "+strconv.Quote(e.Path))
	}
	if name == "" {
		return events
	}
	s = w.remember(key{e.PID, e.Birth}, at)
	s.name, s.uid, s.exec, s.began = name, e.UID, e, e.At
	if !e.Earlier {
		s.due = at.Add(HelloWithin)
	}
	return events
}

// job takes in that a shell has started a program.
func (w *Watch) job(e kernel.Exec, at time.Time) []Event {
	s := w.shells[key{e.Parent, w.birth[e.Parent]}]
	if s == nil || s.exec.PID == 0 || e.Earlier || e.PID == s.pid {
		return nil
	}
	if s.hello.IsZero() {
		// It had been there before, and may have said hello then. If its hook is there it will say that it runs this.
		if s.exec.Earlier && s.due.IsZero() && !s.goneTold {
			s.due = at.Add(HelloWithin)
		}
		return nil
	}
	// A shell gives what is typed a group of its own; what it runs for itself, such as a part of its prompt, it does not.
	if e.Group != e.PID || s.running || s.whole || s.goneTold {
		return nil
	}
	if s.jobs++; s.jobs < silentJobs || at.Sub(s.heard) < silentFor {
		return nil
	}
	s.goneTold = true
	return []Event{s.event(HookGone, at, int64(s.jobs), "it has started %d jobs and said nothing of them", s.jobs)}
}

// ended takes in that a process has.
func (w *Watch) ended(e kernel.Exit, at time.Time) []Event {
	s := w.shells[key{e.PID, e.Birth}]
	if s == nil {
		return nil
	}
	var events []Event
	if !s.due.IsZero() && at.Sub(s.began) >= brief {
		events = append(events, s.event(NoHook, at, 0, "it ended and had not said hello"))
	}
	return append(events, w.forget(s, at, "it ended")...)
}

// Heard takes a record of a user's shell, at the time when it came. Each is to be told once.
func (w *Watch) Heard(uid int, r record.Record, at time.Time) []Event {
	if r.Birth == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.shells[key{r.PID, r.Birth}]
	if s != nil && uid != s.uid && (s.exec.PID == 0 || uid != s.exec.EUID) {
		return nil // another user speaks for it
	}
	said := at
	for _, claim := range []record.Micros{r.Started, r.Ended} {
		if claim != 0 && (r.Kind != record.End || claim == r.Ended) && claim.Time().Before(at) {
			said = claim.Time()
		}
	}
	if s != nil && s.hello.IsZero() && !s.exec.Earlier {
		// It may be of what the process was before, such as the start of the very command by which it became this: a shell that
		// begins says hello first.
		least := s.began.Add(brief)
		if r.Kind == record.Hello {
			least = s.began.Add(-clocks)
		}
		if said.Before(least) {
			return nil
		}
	}
	var events []Event
	if s == nil {
		s = w.claim(key{r.PID, r.Birth}, uid, at)
		s.name = r.Shell
	} else if r.Kind == record.Hello && !s.hello.IsZero() && r.Seq < s.numbers.last && !s.numbers.missing[r.Seq] {
		// Another shell in the same process.
		events = append(w.gap(s, at), s.event(Bye, at, 0, "it became another shell"))
		s.numbers, s.history, s.goneTold, s.running, s.hello = numbers{}, 0, false, false, time.Time{}
	}
	if s.hello.IsZero() {
		if s.hello = said; at.Sub(said) < clocks {
			s.hello = at
		}
	}
	s.heard, s.due, s.gone, s.jobs, s.goneTold = at, time.Time{}, time.Time{}, 0, false
	s.numbers.note(r.Seq, at)
	switch r.Kind {
	case record.Lost:
		if count, err := strconv.ParseInt(r.Claim("count"), 10, 64); err == nil {
			s.numbers.excuse(count, r.Seq, at)
		}
	case record.Start:
		s.running = true
	case record.End:
		s.running = false
	case record.Complete:
		s.whole = true
	}
	return append(events, w.jump(s, r, at)...)
}

// jump takes the history's number of a command.
func (w *Watch) jump(s *shell, r record.Record, at time.Time) []Event {
	// The numbers of other shells go on with what others of the user run.
	if r.Kind != record.Start && r.Kind != record.Complete || r.Shell != "bash" || r.History < 1 {
		return nil
	}
	before := s.history
	s.history = r.History
	// Without cmdhist each line of a command has a number.
	count := r.History - before - 1 - int64(strings.Count(r.Command, "\n"))
	if before == 0 || count <= 0 || s.numbers.count() > 0 {
		return nil
	}
	return []Event{s.event(Gap, at, count,
		"the history's number went from %d to %d: the hook was off, or lines did not run, or the history was changed", before, r.History)}
}

// Closed takes in that a shell's connection has ended while its process goes on.
func (w *Watch) Closed(pid int, birth int64, at time.Time) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.shells[key{pid, birth}]
	if s == nil || s.hello.IsZero() || at.Sub(s.hello) < overlap || at.Sub(s.began) < overlap {
		return nil
	}
	exe, ok := w.system.present(pid, birth)
	switch {
	case !ok:
		return nil
	case exe != "" && nameOf(exe) == "" && w.system.shellOf(pid) == "":
		return w.forget(s, at, "it became "+strconv.Quote(exe))
	}
	s.gone = at.Add(settling)
	return nil
}

// Tick tells what is due at a time. It is to be called about every second.
func (w *Watch) Tick(at time.Time) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var events []Event
	due := func(when time.Time) bool { return !when.IsZero() && !when.After(at) }
	for _, s := range w.shells {
		if due(s.numbers.due) {
			events = append(events, w.gap(s, at)...)
		}
		if !due(s.due) && !due(s.gone) {
			continue
		}
		if _, ok := w.system.present(s.pid, s.birth); !ok {
			// Its end will be told, or nobody tells ends.
			s.due, s.gone = time.Time{}, time.Time{}
			continue
		}
		if due(s.due) {
			s.due, s.goneTold = time.Time{}, true
			events = append(events, s.event(NoHook, at, 0, "it did not say hello within %v", HelloWithin))
		}
		if due(s.gone) {
			s.gone = time.Time{}
			if !s.goneTold {
				s.goneTold = true
				events = append(events, s.event(HookGone, at, 0, "it goes on and has closed its connection"))
			}
		}
	}
	slices.SortFunc(events, func(a, b Event) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Kind, b.Kind)) })
	return events
}

// gap tells what is missing for good.
func (w *Watch) gap(s *shell, at time.Time) []Event {
	count := s.numbers.take()
	if count == 0 {
		return nil
	}
	return []Event{s.event(Gap, at, count, "%d of its records did not come", count)}
}

// forget ends what is known of a shell.
func (w *Watch) forget(s *shell, at time.Time, why string) []Event {
	w.drop(s)
	return append(w.gap(s, at), s.event(Bye, at, 0, "%s", why))
}

func (w *Watch) drop(s *shell) {
	w.unclaim(s)
	delete(w.shells, s.key)
	if w.birth[s.pid] == s.birth {
		delete(w.birth, s.pid)
	}
}

// remember begins with a shell. If there are too many, the one that was not heard of for longest is given up.
func (w *Watch) remember(k key, at time.Time) *shell {
	if len(w.shells) >= maxShells {
		var oldest *shell
		for _, s := range w.shells {
			if oldest == nil || s.heard.Before(oldest.heard) {
				oldest = s
			}
		}
		w.drop(oldest)
	}
	s := &shell{key: k, heard: at}
	w.shells[k], w.birth[k.pid] = s, k.birth
	return s
}

// claim begins with a shell of which only a record tells, and so may be made up: a user's own ones give way to it.
func (w *Watch) claim(k key, uid int, at time.Time) *shell {
	if own := w.claimed[uid]; len(own) >= maxClaimed {
		w.drop(w.shells[own[0]])
	}
	s := w.remember(k, at)
	s.uid = uid
	w.claimed[uid] = append(w.claimed[uid], k)
	return s
}

// unclaim says that a shell is no longer one of which only records tell, if it was.
func (w *Watch) unclaim(s *shell) {
	if s.exec.PID != 0 {
		return
	}
	own := w.claimed[s.uid]
	if i := slices.Index(own, s.key); i >= 0 {
		own = slices.Delete(own, i, i+1)
	}
	if w.claimed[s.uid] = own; len(own) == 0 {
		delete(w.claimed, s.uid)
	}
}
