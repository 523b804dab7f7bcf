package kernel

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
)

// onTerminal starts a shell on a terminal of its own that types what it is told.
func onTerminal(t *testing.T, args ...string) *terminal.Terminal {
	t.Helper()
	s, err := terminal.Start(exec.Command(args[0], args[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestPollingFindsWhatStaysAndSeesItBecomeAnotherProgram(t *testing.T) {
	there := onTerminal(t, "/bin/bash", "--norc", "--noprofile")
	var p poller
	var events []Event
	scan := func() { p.scan(func(e Event) { events = append(events, e) }) }
	execs := func(pid int) (found []Exec) {
		for _, e := range events {
			if e, ok := e.(Exec); ok && e.PID == pid {
				found = append(found, e)
			}
		}
		return found
	}
	scan()
	if e := execs(there.PID()); len(e) != 1 || !e[0].Earlier || e[0].Birth == 0 || !slices.Equal(e[0].Args, []string{"/bin/bash", "--norc", "--noprofile"}) ||
		!strings.HasPrefix(e[0].Terminal, "pts/") || e[0].Comm != "bash" || e[0].Group != there.PID() {
		t.Fatalf("got %+v", e)
	}
	scan()
	if e := execs(there.PID()); len(e) != 1 {
		t.Errorf("what stays is told again: %+v", e)
	}

	began := time.Now()
	later := onTerminal(t, "/bin/bash", "--norc", "--noprofile")
	scan()
	if e := execs(later.PID()); len(e) != 1 || e[0].Earlier || e[0].At.Before(began.Add(-time.Second)) {
		t.Fatalf("got %+v", e)
	}
	// The very same program, with the same arguments.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, line := range []string{"exec /bin/bash --norc --noprofile\n", "(echo within$((1)); read x)\n"} {
		if err := later.Type(line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := later.Expect(ctx, "within1"); err != nil {
		t.Fatal(err)
	}
	before := len(events)
	scan()
	if e := execs(later.PID()); len(e) != 2 || e[1].Earlier || !slices.Equal(e[1].Args, e[0].Args) {
		t.Errorf("got %+v", e)
	}
	for _, e := range events[before:] {
		if e, ok := e.(Exec); ok && e.Parent == later.PID() {
			t.Errorf("what runs in parentheses is told: %+v", e)
		}
	}
	later.Close()
	scan()
	if !slices.ContainsFunc(events, func(e Event) bool {
		x, ok := e.(Exit)
		return ok && x.PID == later.PID() && x.Birth == execs(later.PID())[0].Birth && x.Code == -1
	}) {
		t.Error("its end is not told")
	}
}
