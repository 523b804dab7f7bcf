package kernel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
)

// switchOn switches the kernel's audit on while a test runs, as an administrator does.
func switchOn(t *testing.T) *control {
	t.Helper()
	c, err := openControl()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	before, err := c.status()
	if err != nil {
		t.Fatalf("the kernel's audit answers root alone: run this test as root: %v", err)
	}
	if before.enabled == 0 {
		c.enable(t, 1)
		t.Cleanup(func() { c.enable(t, 0) })
	}
	return c
}

func (c *control) enable(t *testing.T, on byte) {
	t.Helper()
	const auditSet, maskEnabled = 1001, 1
	status := make([]byte, 40)
	status[0], status[4] = maskEnabled, on // little endian: where these tests run
	if _, err := c.ask(auditSet, status); err != nil {
		t.Fatal(err)
	}
}

// kept fails a test if anything of the kernel's audit is other than before when it is over.
func kept(t *testing.T, c *control) (after func()) {
	t.Helper()
	look := func() (auditStatus, [][]byte) {
		s, err := c.status()
		if err != nil {
			t.Fatal(err)
		}
		s.lost = 0
		rules, err := c.rules()
		if err != nil {
			t.Fatal(err)
		}
		return s, rules
	}
	status, rules := look()
	return func() {
		t.Helper()
		s, r := look()
		if s != status || !slices.EqualFunc(r, rules, bytes.Equal) {
			t.Errorf("the audit was %+v with %d rules, and is %+v with %d", status, len(rules), s, len(r))
		}
	}
}

func TestTheKernelsAuditTellsProgramsAndIsLeftAsItWas(t *testing.T) {
	c := switchOn(t)
	after := kept(t, c)
	h := listen(t, Options{Mode: Audit, AuditRules: true}, 0)
	if s := h.source.Status(); s.Mode != Audit || s.Why != "" || s.Exits {
		t.Errorf("got %+v", s)
	}
	status, err := c.status()
	if err != nil || status.owner != 0 {
		t.Errorf("the audit's owner is %d, %v", status.owner, err)
	}
	nothing := program(t, "/bin/true", "nothing")
	long := strings.Repeat("0123456789", 10_000)
	args := []string{"plain", "a b\n\xff", "", long}
	// A shell that began after the audit was switched on starts what is told.
	shell, err := terminal.Start(exec.Command("/bin/sh", append([]string{"-c", `cd /usr; "$0" "$@"; sleep 600; :`, nothing}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	ours := func(e Exec) bool { return e.Path == nothing }
	until(t, "it is told", func() bool { return len(h.execs(ours)) == 1 })
	e := h.execs(ours)[0]
	whole := strings.Join(append([]string{nothing}, args...), "\x00") + "\x00"
	if e.Parent != shell.PID() || e.UID != 0 || e.Comm != "nothing" || e.Cwd != "/usr" || !strings.HasPrefix(e.Terminal, "pts/") ||
		e.LoginUID != NoLogin || time.Since(e.At).Abs() > time.Hour || e.Size != int64(len(whole)) || !e.Truncated ||
		strings.Join(e.Args, "\x00") != whole[:MaxArgs-1] {
		t.Errorf("got %.300v, %d bytes", e, e.Size)
	}
	sleeps := func(e Exec) bool { return e.Comm == "sleep" && e.Parent == shell.PID() }
	until(t, "the next one", func() bool { return len(h.execs(sleeps)) == 1 })
	if e := h.execs(sleeps)[0]; e.Birth == 0 || e.Birth != birthOf(e.PID, time.Now()) || !slices.Equal(e.Args, []string{"sleep", "600"}) || e.Truncated {
		t.Errorf("got %+v", e)
	}
	h.stop()
	h.source.Close()
	after()
}

func TestWithoutRulesNothingIsAddedAndItIsSaid(t *testing.T) {
	c := switchOn(t)
	after := kept(t, c)
	if rules, err := c.rules(); err != nil || slices.ContainsFunc(rules, auditsExec) {
		t.Fatalf("this system has programs audited already: %v", err)
	}
	if _, err := Open(Options{Mode: Audit}, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), "audit_rules") {
		t.Errorf("got %v", err)
	}
	after()
	// With somebody else's rules it needs none of its own.
	added, err := c.addRules()
	if err != nil {
		t.Fatal(err)
	}
	between := kept(t, c)
	s, err := Open(Options{Mode: Audit}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	between()
	// What is better is not to be had, and that is said.
	cmd := again("typeless")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if r.Auto != "" || r.Status.Mode != Audit || !strings.Contains(r.Status.Why, "CONFIG_DEBUG_INFO_BTF") {
		t.Errorf("got %+v", r)
	}
	between()
	// A run that was killed has left its rules: the next one takes them away.
	if s, err = Open(Options{Mode: Audit, AuditRules: true}, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	between()
	s.Close()
	after()
	if err := c.removeRules(added); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

func TestWhatTheKernelsAuditLosesIsCounted(t *testing.T) {
	const loops, each = 2, 400
	switchOn(t)
	nothing := program(t, "/bin/true", "nothing")
	h := listen(t, Options{Mode: Audit, AuditRules: true, All: true, ring: 32 << 10}, time.Millisecond)
	a := h.source.how.(*auditor)
	// How much fits depends on how soon the reader runs: so much is started until something was lost.
	started := 0
	until(t, "something to be lost", func() bool {
		burst(t, nothing, loops, each)
		started += loops * each
		drops, err := h.source.Drops()
		return err == nil && drops > 0
	})
	// Something later must come, for a gap to be one; and what is late must have had its time.
	until(t, "a later event", func() bool {
		last := exec.Command("/bin/true", "last")
		if err := last.Run(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		return len(h.execs(ofPID(last.Process.Pid))) == 1
	})
	until(t, "the gaps are settled", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.events.serials.missing) == 0
	})
	h.stop()
	told := len(h.execs(func(e Exec) bool { return e.Path == nothing }))
	drops, err := h.source.Drops()
	if err != nil {
		t.Fatal(err)
	}
	if missing := started - told; missing < 1 || uint64(missing) > drops {
		t.Errorf("of %d, %d are missing and %d were counted", started, missing, drops)
	}
	t.Logf("%d of %d told, %d counted as lost", told, started, drops)
}

func TestGapsInTheNumbersAreCountedAndLateOnesAreNot(t *testing.T) {
	start := time.Unix(1e9, 0)
	for name, tc := range map[string]struct {
		numbers []uint32
		lost    uint64
		seen    uint64
	}{
		"in order":        {[]uint32{7, 7, 8, 9, 9, 9}, 0, 3},
		"others' order":   {[]uint32{7, 9, 8, 11, 10}, 0, 5},
		"one is missing":  {[]uint32{7, 9, 9}, 1, 2},
		"round":           {[]uint32{1<<32 - 1, 1}, 1, 2},
		"very many":       {[]uint32{1, 1_000_001}, 999_999, 2},
		"before the rest": {[]uint32{7, 6, 8}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var s serials
			for _, n := range tc.numbers {
				s.note(n, start)
			}
			if len(s.missing) > maxMissing {
				t.Errorf("%d are remembered", len(s.missing))
			}
			s.settle(start.Add(late))
			if s.lost != tc.lost || s.seen != tc.seen || len(s.missing) != 0 {
				t.Errorf("lost %d, seen %d, %d missing", s.lost, s.seen, len(s.missing))
			}
		})
	}
}

// told feeds records, each a kind and what stands behind the number 7, and returns what they tell.
func told(t testing.TB, all bool, records ...string) (found []Exec, a *events) {
	t.Helper()
	a = &events{all: all}
	start := time.Unix(1e9, 0)
	for _, r := range records {
		var kind uint16
		var rest string
		kindText, rest, _ := strings.Cut(r, " ")
		if _, err := fmt.Sscan(kindText, &kind); err != nil {
			t.Fatal(err)
		}
		e, ok, err := a.take(kind, []byte("audit(1700000000.123:7): "+rest), start)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			found = append(found, e)
		}
	}
	a.settle(start.Add(late), func(e Exec) { found = append(found, e) })
	return found, a
}

const (
	called = `1300 arch=c000003e syscall=59 success=yes exit=0 items=2 ppid=10 pid=11 auid=1000 uid=1000 euid=0 tty=pts3 ses=4 comm="su do" exe="/usr/bin/x" key=(null)`
	nobody = `1300 arch=c000003e syscall=59 success=yes exit=0 ppid=10 pid=11 auid=4294967295 uid=0 euid=0 tty=(none) ses=4294967295 comm="x" exe="/x" key=(null)`
	failed = `1300 arch=c000003e syscall=59 success=no exit=-2 ppid=10 pid=11 auid=1000 uid=1000 euid=0 tty=pts3 ses=4 comm="x" exe="/x" key=(null)`
)

func TestRecordsOfTheAuditAreOneProgram(t *testing.T) {
	for name, tc := range map[string]struct {
		records   []string
		want      []string // arguments; nil if nothing is told
		truncated bool
		broken    uint64
	}{
		"whole":             {[]string{called, `1309 argc=2 a0="ls" a1=2D6C20FF`, `1307 cwd=2F6120`, `1320 `}, []string{"ls", "-l \xff"}, false, 0},
		"in parts":          {[]string{called, `1309 argc=2 a0="x" a1_len=6 a1[0]="abc"`, `1309 a1[1]=646566`, `1320 `}, []string{"x", "abcdef"}, false, 0},
		"a part is lost":    {[]string{called, `1309 argc=2 a0="x" a1_len=9 a1[0]="abc"`, `1309 a1[2]="ghi"`, `1320 `}, []string{"x", "abcghi"}, true, 0},
		"an argument lost":  {[]string{called, `1309 argc=3 a0="x" a1="y"`, `1320 `}, []string{"x", "y"}, true, 0},
		"only the title":    {[]string{called, `1309 argc=2`, `1327 proctitle=6C73002D6C`, `1320 `}, []string{"ls", "-l"}, true, 0},
		"no end":            {[]string{called, `1309 argc=1 a0="x"`}, []string{"x"}, false, 0},
		"failed":            {[]string{failed, `1309 argc=1 a0="x"`, `1320 `}, nil, false, 0},
		"nobody's":          {[]string{nobody, `1309 argc=1 a0="x"`, `1320 `}, nil, false, 0},
		"whose is lost":     {[]string{`1309 argc=1 a0="x"`, `1320 `}, nil, false, 1},
		"arguments lost":    {[]string{called, `1307 cwd="/"`, `1327 proctitle="ls"`, `1320 `}, []string{"ls"}, true, 0},
		"all but the end":   {[]string{`1320 `}, nil, false, 1},
		"another call":      {[]string{strings.Replace(called, "syscall=59", "syscall=1", 1), `1307 cwd="/"`, `1320 `}, nil, false, 0},
		"empty arguments":   {[]string{called, `1309 argc=3 a0="" a1= a2=""`, `1320 `}, []string{"", "", ""}, false, 0},
		"something unknown": {[]string{called, `1309 argc=1 a0="x" ax="y" a-1="z" b`, `1302 item=0 name="/x"`, `1320 `}, []string{"x"}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, a := told(t, false, tc.records...)
			if a.broken != tc.broken {
				t.Errorf("%d count as broken", a.broken)
			}
			if tc.want == nil {
				if len(got) > 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || !slices.Equal(got[0].Args, tc.want) || got[0].Truncated != tc.truncated {
				t.Fatalf("got %+v", got)
			}
			if e := got[0]; e.PID != 11 || e.Parent != 10 || e.UID != 1000 || e.EUID != 0 || e.LoginUID != 1000 || e.Session != 4 || e.Terminal != "pts/3" ||
				!e.At.Equal(time.UnixMilli(1700000000123)) || e.Path != "/usr/bin/x" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestEventsThatNeverEndTakeNoMoreRoomThanTheyMay(t *testing.T) {
	a := &events{}
	for i := range 3 * maxOpen {
		if _, _, err := a.take(recordExecve, fmt.Appendf(nil, "audit(1700000000.123:%d): argc=1 a0=\"x\"", i), time.Unix(1e9, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.open) != maxOpen || a.broken != 2*maxOpen {
		t.Errorf("%d are open, %d were given up", len(a.open), a.broken)
	}
}

func FuzzRecordsOfTheAuditNeverTakeMoreThanIsTold(f *testing.F) {
	f.Add(called, `1309 argc=2 a0="x" a1_len=6 a1[0]="abc"`)
	f.Add(called, `1309 a1[1]=646566 a0=61`)
	f.Fuzz(func(t *testing.T, one, two string) {
		a := &events{all: true}
		start := time.Unix(1e9, 0)
		for kind, rest := range map[uint16]string{recordSyscall: strings.TrimPrefix(one, "1300 "), recordExecve: strings.TrimPrefix(two, "1309 ")} {
			_, _, _ = a.take(kind, []byte("audit(1700000000.123:7): "+rest), start)
			_, _, _ = a.take(kind, []byte(rest), start)
		}
		a.settle(start.Add(late), func(e Exec) {
			if n := len(strings.Join(e.Args, " ")); n > MaxArgs+len(one)+len(two) || int64(n) > e.Size+int64(len(one)+len(two)) {
				t.Errorf("%d bytes of arguments, %d in all", n, e.Size)
			}
		})
	})
}
