package coverage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// stage is a host that the test makes up: what it has told, and when.
type stage struct {
	*Watch
	now    time.Time
	pipes  map[int]bool   // processes without a terminal at their input
	copies map[int]string // shells by their contents
	exes   map[int]string // programs of processes; "" if gone
	events []Event
}

func newStage() *stage {
	s := &stage{now: time.Unix(1e9, 0), pipes: map[int]bool{}, copies: map[int]string{}, exes: map[int]string{}}
	s.Watch = newWatch(s)
	return s
}

func (s *stage) shellOf(pid int) string  { return s.copies[pid] }
func (s *stage) onTerminal(pid int) bool { return !s.pipes[pid] }
func (s *stage) tell(e []Event)          { s.events = append(s.events, e...) }
func (s *stage) end(pid int)             { s.tell(s.Kernel(kernel.Exit{At: s.now, PID: pid, Birth: 7}, s.now)) }
func (s *stage) close(pid int)           { s.tell(s.Closed(pid, 7, s.now)) }
func (s *stage) earlier(pid int, a string) {
	s.exec(pid, 1, a, func(e *kernel.Exec) { e.Earlier = true })
}

func (s *stage) present(pid int, _ int64) (string, bool) {
	exe, known := s.exes[pid]
	if !known {
		exe = "/bin/bash"
	}
	return exe, exe != ""
}

// wait passes time, as the caller of Tick does.
func (s *stage) wait(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(250 * time.Millisecond)
		s.tell(s.Tick(s.now))
	}
}

// exec is a program of user 1000 on a terminal.
func (s *stage) exec(pid, parent int, line string, change ...func(*kernel.Exec)) {
	args := strings.Fields(line)
	e := kernel.Exec{At: s.now, PID: pid, Parent: parent, Birth: 7, Group: pid, UID: 1000, EUID: 1000, Terminal: "pts/1", Path: args[0], Args: args}
	for _, c := range change {
		c(&e)
	}
	s.tell(s.Kernel(e, s.now))
}

// hear is a record of user 1000; a hello has no history, and an end the command's.
func (s *stage) hear(pid int, kind record.Kind, seq, history int64, change ...func(*record.Record)) {
	r := record.Record{Kind: kind, Shell: "bash", PID: pid, Birth: 7, Seq: seq, History: history}
	for _, c := range change {
		c(&r)
	}
	s.tell(s.Heard(1000, r, s.now))
}

func TestWhatHappensToShellsIsTold(t *testing.T) {
	const sh = 100 // the number of the shell
	for name, tc := range map[string]struct {
		play func(s *stage)
		want string // kinds, with the count if there is one
	}{
		"a hook says hello": {func(s *stage) {
			s.exec(sh, 1, "-bash")
			s.wait(time.Second)
			s.hear(sh, record.Hello, 1, -1)
			s.wait(time.Minute)
		}, ""},
		"a hook is quicker than the kernel's word": {func(s *stage) {
			at := s.now
			s.now = s.now.Add(15 * time.Millisecond)
			s.hear(sh, record.Hello, 1, -1)
			s.exec(sh, 1, "-bash", func(e *kernel.Exec) { e.At = at })
			s.wait(time.Minute)
		}, ""},
		"a hook whose clock is behind": {func(s *stage) {
			s.exec(sh, 1, "fish")
			s.now = s.now.Add(50 * time.Millisecond)
			s.hear(sh, record.Hello, 1, -1, func(r *record.Record) { r.Started = record.Micros(s.now.Add(-time.Second).UnixMicro()) })
			s.hear(sh, record.Start, 2, -1, func(r *record.Record) { r.Started = record.Micros(s.now.Add(-time.Second).UnixMicro()) })
			s.wait(time.Minute)
		}, ""},
		"a hello of long ago": {func(s *stage) {
			s.exec(sh, 1, "bash --norc")
			s.hear(sh, record.Hello, 1, -1, func(r *record.Record) { r.Started = record.Micros(s.now.Add(-time.Minute).UnixMicro()) })
			s.wait(time.Minute)
		}, "no_hook"},
		"no hook":                          {func(s *stage) { s.exec(sh, 1, "bash --norc"); s.wait(time.Minute) }, "no_hook"},
		"no hook, and it ends":             {func(s *stage) { s.exec(sh, 1, "bash --norc"); s.wait(4 * time.Second); s.end(sh) }, "no_hook bye"},
		"no hook, and it ends soon":        {func(s *stage) { s.exec(sh, 1, "dash"); s.wait(2 * time.Second); s.end(sh) }, "no_hook bye"},
		"it ends at once":                  {func(s *stage) { s.exec(sh, 1, "dash"); s.end(sh) }, "bye"},
		"it is gone and nobody says so":    {func(s *stage) { s.exec(sh, 1, "dash"); s.exes[sh] = ""; s.wait(time.Minute) }, ""},
		"not yet":                          {func(s *stage) { s.exec(sh, 1, "bash --norc"); s.wait(2 * time.Second) }, ""},
		"a command":                        {func(s *stage) { s.exec(sh, 1, "bash -c ls"); s.wait(time.Minute) }, ""},
		"a script":                         {func(s *stage) { s.exec(sh, 1, "sh install.sh"); s.wait(time.Minute) }, ""},
		"lines from a pipe":                {func(s *stage) { s.pipes[sh] = true; s.exec(sh, 1, "sh"); s.wait(time.Minute) }, ""},
		"lines from a pipe, as if typed":   {func(s *stage) { s.pipes[sh] = true; s.exec(sh, 1, "sh -i"); s.wait(time.Minute) }, "no_hook"},
		"no terminal":                      {func(s *stage) { s.exec(sh, 1, "bash", func(e *kernel.Exec) { e.Terminal = "" }); s.wait(time.Minute) }, ""},
		"another program":                  {func(s *stage) { s.exec(sh, 1, "vim"); s.wait(time.Minute) }, ""},
		"a copy of a shell":                {func(s *stage) { s.copies[sh] = "bash"; s.exec(sh, 1, "/tmp/vim"); s.wait(time.Minute) }, "no_hook"},
		"a script by the name of its copy": {func(s *stage) { s.copies[sh] = "bash"; s.exec(sh, 1, "/tmp/vim -c ls"); s.wait(time.Minute) }, ""},
		"a name that is not its file's": {func(s *stage) {
			s.exec(sh, 1, "/tmp/x", func(e *kernel.Exec) { e.Args = []string{"-zsh"} })
			s.wait(time.Minute)
		}, "no_hook"},
		"through the linker": {func(s *stage) { s.exec(sh, 1, "/lib64/ld-linux-x86-64.so.2 /bin/bash"); s.wait(time.Minute) }, "no_hook"},
		"another user says hello for it": {func(s *stage) {
			s.exec(sh, 1, "bash", func(e *kernel.Exec) { e.UID, e.EUID = 5, 5 })
			s.hear(sh, record.Hello, 1, -1)
			s.wait(time.Minute)
		}, "no_hook"},
		"another user has said hello for it before": {func(s *stage) {
			s.tell(s.Heard(5, record.Record{Kind: record.Hello, Shell: "bash", PID: sh, Birth: 7, Seq: 1}, s.now.Add(time.Second)))
			s.exec(sh, 1, "bash")
			s.wait(time.Minute)
		}, "no_hook"},
		"hello late": {func(s *stage) {
			s.exec(sh, 1, "bash")
			s.wait(10 * time.Second)
			s.hear(sh, record.Hello, 1, -1)
			s.wait(time.Minute)
		}, "no_hook"},
		"it was there before": {func(s *stage) { s.earlier(sh, "-bash"); s.wait(time.Hour) }, ""},
		"it was there before, with its hook": {func(s *stage) {
			s.earlier(sh, "-bash")
			s.hear(sh, record.Start, 40, 8)
			s.exec(200, sh, "ls")
			s.wait(time.Hour)
		}, ""},
		"it was there before and says nothing": {func(s *stage) { s.earlier(sh, "-bash"); s.exec(200, sh, "ls"); s.wait(time.Hour) }, "no_hook"},
		"it was there before and then says so": {func(s *stage) {
			s.earlier(sh, "-bash")
			s.exec(200, sh, "ls")
			s.wait(time.Second)
			s.hear(sh, record.Start, 40, 8)
			s.wait(time.Hour)
		}, ""},
		"it becomes a shell without a hook": {func(s *stage) { hooked(s, sh); s.wait(time.Minute); s.exec(sh, 1, "bash --norc"); s.wait(time.Minute) }, "bye no_hook"},
		"its start was told after it became one": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			began := s.now
			s.exec(sh, 1, "bash --norc")
			s.hear(sh, record.Start, 2, 9, func(r *record.Record) { r.Started = record.Micros(began.Add(-time.Second).UnixMicro()) })
			s.wait(time.Minute)
		}, "bye no_hook"},
		"it becomes a shell whose hook is quicker": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.wait(time.Minute)
			began := s.now
			s.now = s.now.Add(10 * time.Millisecond)
			s.hear(sh, record.Hello, 1, -1)
			s.exec(sh, 1, "bash", func(e *kernel.Exec) { e.At = began })
			s.wait(time.Minute)
		}, "bye"},
		"its start is told just after it became one": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			began := s.now
			s.exec(sh, 1, "bash --norc", func(e *kernel.Exec) { e.At = began.Add(time.Millisecond) })
			s.hear(sh, record.Start, 2, 9, func(r *record.Record) { r.Started = record.Micros(began.UnixMicro()) })
			s.wait(time.Minute)
		}, "bye no_hook"},
		"its start is told just after it became one with a hook": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			began := s.now
			s.exec(sh, 1, "bash", func(e *kernel.Exec) { e.At = began.Add(time.Millisecond) })
			s.hear(sh, record.Start, 2, 9, func(r *record.Record) { r.Started = record.Micros(began.UnixMicro()) })
			s.hear(sh, record.Hello, 1, -1)
			s.hear(sh, record.Start, 2, 11)
			s.wait(time.Minute)
		}, "bye"},
		"its hello was lost": {func(s *stage) {
			s.exec(sh, 1, "bash")
			s.wait(2 * time.Second)
			s.hear(sh, record.Lost, 2, -1, lost(1))
			s.wait(time.Minute)
		}, ""},
		"it becomes a shell with a hook": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			s.exec(sh, 1, "bash")
			s.now = s.now.Add(50 * time.Millisecond)
			s.hear(sh, record.Hello, 1, -1)
			s.wait(time.Second)
			s.close(sh) // the connection of before
			s.wait(time.Minute)
		}, "bye"},
		"it becomes one, and nobody tells": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.wait(time.Minute)
			s.hear(sh, record.Hello, 1, -1)
			s.hear(sh, record.Start, 2, 20)
			s.wait(time.Minute)
		}, "bye"},
		"it becomes another program": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			s.exec(sh, 1, "python3")
			s.wait(time.Second)
			s.close(sh)
			s.wait(time.Minute)
		}, "bye"},
		"it becomes another program, and nobody tells": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			s.exes[sh] = "/usr/bin/python3"
			s.close(sh)
			s.wait(time.Minute)
		}, "bye"},
		"it closes its connection": {func(s *stage) { hooked(s, sh); s.wait(time.Minute); s.close(sh); s.wait(time.Minute) }, "hook_gone"},
		"it closes its connection twice": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			s.close(sh)
			s.wait(time.Minute)
			s.close(sh)
			s.wait(time.Minute)
		}, "hook_gone"},
		"it connects anew": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			s.close(sh)
			s.wait(time.Second)
			s.hear(sh, record.Start, 2, 8)
			s.wait(time.Minute)
		}, ""},
		"it closes and ends":                 {func(s *stage) { hooked(s, sh); s.wait(time.Minute); s.close(sh); s.end(sh); s.wait(time.Minute) }, "bye"},
		"it closes and nobody tells its end": {func(s *stage) { hooked(s, sh); s.wait(time.Minute); s.close(sh); s.exes[sh] = ""; s.wait(time.Minute) }, ""},
		"it runs jobs and tells of them": {func(s *stage) {
			hooked(s, sh)
			for i := range int64(30) {
				s.hear(sh, record.Start, 2+2*i, 8+i)
				s.exec(200+int(i), sh, "ls")
				s.wait(time.Second)
				s.hear(sh, record.End, 3+2*i, 8+i)
			}
		}, ""},
		"it runs jobs and says nothing": {func(s *stage) { hooked(s, sh); jobs(s, sh, 30) }, "hook_gone"},
		"a loop that it has told of":    {func(s *stage) { hooked(s, sh); s.hear(sh, record.Start, 2, 8); jobs(s, sh, 30) }, ""},
		"a loop that it will tell of":   {func(s *stage) { hooked(s, sh); s.hear(sh, record.Complete, 2, 8); jobs(s, sh, 30) }, ""},
		"parts of its prompt": {func(s *stage) {
			hooked(s, sh)
			for i := range 30 {
				s.exec(200+i, sh, "git", func(e *kernel.Exec) { e.Group = sh })
				s.wait(time.Second)
			}
		}, ""},
		"records are missing":              {func(s *stage) { hooked(s, sh); s.hear(sh, record.Start, 5, 8); s.wait(time.Minute) }, "gap 3"},
		"records are missing when it ends": {func(s *stage) { hooked(s, sh); s.hear(sh, record.Start, 5, 8); s.end(sh) }, "gap 3 bye"},
		"records come in another order": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.End, 3, 8)
			s.hear(sh, record.Start, 5, 10)
			s.hear(sh, record.Start, 2, 8)
			s.wait(time.Second)
			s.hear(sh, record.End, 4, 9)
			s.wait(time.Minute)
		}, ""},
		"records come twice": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.hear(sh, record.Start, 2, 8)
			s.wait(time.Minute)
		}, ""},
		"very many are missing":             {func(s *stage) { hooked(s, sh); s.hear(sh, record.Start, 1_000_002, 8); s.wait(time.Minute) }, "gap 1000000"},
		"the shell says which could not be": {func(s *stage) { hooked(s, sh); s.hear(sh, record.Lost, 5, -1, lost(3)); s.wait(time.Minute) }, ""},
		"it says so of some":                {func(s *stage) { hooked(s, sh); s.hear(sh, record.Lost, 5, -1, lost(2)); s.wait(time.Minute) }, "gap 1"},
		"it says so of very many":           {func(s *stage) { hooked(s, sh); s.hear(sh, record.Lost, 1002, -1, lost(1000)); s.wait(time.Minute) }, ""},
		"it says more than can be":          {func(s *stage) { hooked(s, sh); s.hear(sh, record.Lost, 5, -1, lost(1<<62)); s.wait(time.Minute) }, ""},
		"heard of in the middle":            {func(s *stage) { s.hear(sh, record.Start, 500, 80); s.wait(time.Minute) }, ""},
		"the history goes on": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.hear(sh, record.Start, 3, 9)
			s.hear(sh, record.Start, 4, 9)
			s.wait(time.Minute)
		}, ""},
		"the history has more": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.hear(sh, record.Start, 3, 11)
			s.wait(time.Minute)
		}, "gap 2"},
		"a command of several lines": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.hear(sh, record.Start, 3, 11, func(r *record.Record) { r.Command = "for i in 1 2\ndo\n:; done" })
			s.wait(time.Minute)
		}, ""},
		"the history has less": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.hear(sh, record.Start, 3, 1)
			s.hear(sh, record.Start, 4, 2)
			s.wait(time.Minute)
		}, ""},
		"both have a gap, which is one": {func(s *stage) {
			hooked(s, sh)
			s.hear(sh, record.Start, 2, 8)
			s.hear(sh, record.Start, 6, 10)
			s.wait(time.Minute)
		}, "gap 3"},
		"a history that others write too": {func(s *stage) {
			zsh := func(r *record.Record) { r.Shell = "zsh" }
			s.hear(sh, record.Start, 2, 8, zsh)
			s.hear(sh, record.Start, 3, 18, zsh)
			s.wait(time.Minute)
		}, ""},
		"no beginning is known": {func(s *stage) {
			s.hear(sh, record.Start, 1, 8, func(r *record.Record) { r.Birth = 0 })
			s.exec(sh, 1, "bash", func(e *kernel.Exec) { e.Birth = 0 })
			s.wait(time.Minute)
		}, ""},
		"the end of what nobody knows": {func(s *stage) { s.end(sh); s.close(sh) }, ""},
		"its number is another process's": {func(s *stage) {
			hooked(s, sh)
			s.wait(time.Minute)
			s.tell(s.Kernel(kernel.Exit{PID: sh, Birth: 8}, s.now))
			s.wait(time.Minute)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			tc.play(s)
			var got []string
			for _, e := range s.events {
				got = append(got, string(e.Kind))
				if e.Count > 0 && e.Kind == Gap {
					got = append(got, fmt.Sprint(e.Count))
				}
				if e.PID != sh || e.Birth != 7 || e.At.IsZero() || e.Shell == "" || e.Detail == "" || e.UID == 0 {
					t.Errorf("got %+v", e)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %q, want %q: %+v", strings.Join(got, " "), tc.want, s.events)
			}
		})
	}
}

// hooked is a shell that has said hello.
func hooked(s *stage, pid int) {
	s.exec(pid, 1, "-bash")
	s.now = s.now.Add(50 * time.Millisecond)
	s.hear(pid, record.Hello, 1, -1)
}

func jobs(s *stage, parent, n int) {
	for i := range n {
		s.exec(200+i, parent, "ls")
		s.wait(time.Second)
	}
}

func lost(n int64) func(*record.Record) {
	return func(r *record.Record) { r.Command = record.Claims("count", fmt.Sprint(n), "reason", "enospc") }
}

func TestShellsThatAreMadeUpTakeNobodysPlace(t *testing.T) {
	s := newStage()
	hooked(s, 100)
	s.exec(101, 1, "bash --norc")
	for i := range 4 * maxClaimed {
		s.tell(s.Heard(4001, record.Record{Kind: record.Hello, Shell: "bash", PID: 1000 + i, Birth: 9, Seq: 1}, s.now))
	}
	if len(s.shells) != 2+maxClaimed || len(s.birth) != 2+maxClaimed || len(s.claimed[4001]) != maxClaimed {
		t.Errorf("%d shells are known, %d are claimed", len(s.shells), len(s.claimed[4001]))
	}
	// Of one of them the kernel tells after all, and then it ends; so do the others.
	last := 1000 + 4*maxClaimed - 1
	ends := func(pid int) { s.tell(s.Kernel(kernel.Exit{At: s.now, PID: pid, Birth: 9}, s.now)) }
	s.exec(last, 1, "bash", func(e *kernel.Exec) { e.Birth, e.UID = 9, 4001 })
	for pid := last; pid > last-maxClaimed; pid-- {
		ends(pid)
	}
	if len(s.shells) != 2 || len(s.birth) != 2 || len(s.claimed) != 0 {
		t.Errorf("%d shells are known, %d users have claims", len(s.shells), len(s.claimed))
	}
	s.events = nil
	s.wait(10 * time.Second)
	if len(s.events) != 1 || s.events[0].Kind != NoHook || s.events[0].PID != 101 {
		t.Errorf("got %+v", s.events)
	}
	if s.shells[key{100, 7}] == nil {
		t.Error("a shell that is there was forgotten")
	}
}

func TestMoreShellsThanMayBeAreNotRemembered(t *testing.T) {
	s := newStage()
	for i := range maxShells + 20 {
		s.now = s.now.Add(time.Millisecond)
		s.exec(1000+i, 1, "bash")
	}
	if len(s.shells) != maxShells || len(s.birth) != maxShells || s.shells[key{1019, 7}] != nil || s.shells[key{1020, 7}] == nil {
		t.Errorf("%d shells are known", len(s.shells))
	}
}

func FuzzAnyRecordsLeaveTheBoundsAsTheyAre(f *testing.F) {
	f.Add([]byte("S1H2E3X4C5"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newStage()
		hooked(s, 100)
		for pair := range slices.Chunk(b, 2) {
			if len(pair) < 2 {
				break
			}
			seq := int64(pair[1])*int64(pair[1])*int64(pair[1]) + 1
			s.hear(100, record.Kind(pair[0]), seq, int64(pair[1]), lost(seq))
			s.now = s.now.Add(time.Duration(pair[1]) * time.Millisecond)
		}
		n := &s.shells[key{100, 7}].numbers
		if len(n.missing) > maxMissing || n.more < 0 || (n.count() == 0) != n.due.IsZero() {
			t.Errorf("got %+v", n)
		}
		s.wait(patience + time.Second)
		if n.count() != 0 {
			t.Errorf("a gap was not told: %+v", n)
		}
	})
}
