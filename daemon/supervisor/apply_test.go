package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestApplyTouchesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	r := start(t, `{"points": 1}`, nil)
	r.until("a point", func() bool { return r.intake.count() == 1 })
	kept := r.state().Pid
	same := Plugin{r.supervisor.plugins[0].spec, r.intake}
	spec := func(name string, points int) Plugin {
		s := same.Spec
		s.Name, s.Config = name, fmt.Appendf(nil, `{"points": %d}`, points)
		return Plugin{s, &testIntake{}}
	}
	ready := func(name string) func() bool {
		return func() bool { return r.supervisor.State(name).Phase == Ready }
	}
	pid := func(name string) int { return r.supervisor.State(name).Pid }

	first, second := spec("a", 1), spec("b", 1)
	if c := r.supervisor.Apply([]Plugin{first, same, second}); !slices.Equal(c.Started, []string{"a", "b"}) || !slices.Equal(c.Kept, []string{"p"}) || c.Stopped != nil || c.Restarted != nil {
		t.Errorf("the changes are %+v", c)
	}
	r.until("a", ready("a"))
	r.until("b", ready("b"))
	a, b := pid("a"), pid("b")

	changed := spec("b", 2)
	if c := r.supervisor.Apply([]Plugin{same, changed}); !slices.Equal(c.Stopped, []string{"a"}) || !slices.Equal(c.Restarted, []string{"b"}) || !slices.Equal(c.Kept, []string{"p"}) || c.Started != nil {
		t.Errorf("the changes are %+v", c)
	}
	if !gone(a) || !gone(b) {
		t.Error("a plugin that was stopped or changed has its old process")
	}
	r.until("the points of the changed plugin", func() bool { return changed.Intake.(*testIntake).count() == 2 })
	if r.state().Pid != kept || pid("a") != 0 || r.intake.count() != 1 {
		t.Errorf("the plugin that did not change was touched: %+v", r.state())
	}
	r.stop()
	if !gone(kept) || pid("b") != 0 {
		t.Error("a plugin is left")
	}
	if c := r.supervisor.Apply([]Plugin{same}); len(c.Kept) != 1 {
		t.Errorf("after the stop the changes are %+v", c)
	}
}

func TestAPluginThatHasFailedIsTriedAgainOnAReload(t *testing.T) {
	t.Parallel()
	r := start(t, `{"mode": "refuse"}`, nil)
	r.until("failed", func() bool { return r.state().Phase == Failed })
	same := Plugin{r.supervisor.plugins[0].spec, r.intake}
	for n := range 3 {
		if c := r.supervisor.Apply([]Plugin{same}); !slices.Equal(c.Restarted, []string{"p"}) || c.Kept != nil {
			t.Errorf("the changes are %+v", c)
		}
		r.until("another try", func() bool { st := r.state(); return st.Restarts == n+1 && st.Phase == Failed })
	}
}

func TestInstancesArePutOffByTheirOwnPartOfHalfAnInterval(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 100 {
		name := fmt.Sprint("p", i)
		off := splay(name, time.Minute)
		if off < 0 || off >= 30*time.Second || off != splay(name, time.Minute) {
			t.Errorf("%s is put off by %s", name, off)
		}
		seen[off.Truncate(time.Second)] = true
	}
	if len(seen) < 15 {
		t.Errorf("a hundred instances have %d different seconds", len(seen))
	}
	if off := splay("p", 1); off != 0 {
		t.Errorf("without an interval it is put off by %s", off)
	}
}

func TestOnlyThePinnedProgramIsRun(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	catalog := NewCatalog(filepath.Dir(program))
	_, sum, err := catalog.Inspect(program, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := startSpec(t, Spec{Interval: time.Hour, Timeout: time.Hour, Config: []byte(`{"points": 1}`), SHA256: sum, Pinned: true})
	r.until("a point", func() bool { return r.intake.count() == 1 })
	executed, err := os.Readlink("/proc/" + strconv.Itoa(r.state().Pid) + "/exe")
	if err != nil || executed != program {
		t.Errorf("the program that runs is %s, %v", executed, err)
	}
	other := startSpec(t, Spec{Interval: time.Hour, Timeout: time.Hour, Config: []byte(`{"points": 1}`), SHA256: strings.Repeat("0", 64), Pinned: true})
	other.until("refused", func() bool { return other.state().Cause != "" })
	if cause := other.state().Cause; !strings.Contains(cause, "has changed: its SHA256 is "+sum) || other.intake.count() > 0 {
		t.Errorf("the cause is %s", cause)
	}
}
