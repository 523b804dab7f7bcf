package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/soak"
)

// ledgerSpec is what one block of the plugin ledger says.
type ledgerSpec struct {
	mark     string // "var" for that of the variable
	batch    int
	team     string
	limit    int // of memory, in MiB
	disabled bool
	refuse   bool
}

func (l ledgerSpec) runs() bool { return !l.disabled && !l.refuse }

// ledgers is a configuration with blocks of the plugin ledger.
type ledgers struct {
	variable string
	blocks   map[string]ledgerSpec
}

func (l ledgers) clone() ledgers {
	c := ledgers{l.variable, map[string]ledgerSpec{}}
	for name, spec := range l.blocks {
		c.blocks[name] = spec
	}
	return c
}

func (l ledgers) names() []string {
	var names []string
	for name := range l.blocks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// mark is the tag that the points of a block have.
func (l ledgers) mark(name string) string {
	if mark := l.blocks[name].mark; mark != "var" {
		return mark
	}
	return l.variable
}

func (l ledgers) text(s *site) string {
	text := withEmbedded(fmt.Sprintf("variable \"mark\" {\n  default = %q\n  validation {\n    condition     = var.mark != \"bad\"\n    error_message = \"It is bad.\"\n  }\n}\n", l.variable))
	for _, name := range l.names() {
		b := l.blocks[name]
		mark := fmt.Sprintf("%q", b.mark)
		if b.mark == "var" {
			mark = "var.mark"
		}
		text += s.ledgerBlock(name, fmt.Sprintf("  mark         = %s\n  batch        = %d\n  tags         = { team = %q }\n  memory_limit = \"%dMiB\"\n  enabled      = %t\n  refuse       = %t\n",
			mark, b.batch, b.team, b.limit, !b.disabled, b.refuse))
	}
	return text
}

// sound changes the configuration to another valid one.
func (l ledgers) sound(round int) ledgers {
	c := l.clone()
	one := c.names()[rand.IntN(len(c.blocks))]
	spec := c.blocks[one]
	switch rand.IntN(9) {
	case 0:
		if len(c.blocks) < 5 {
			one, spec = fmt.Sprintf("added%d", rand.IntN(4)), ledgerSpec{mark: "new", batch: 3, team: "x", limit: 100}
		}
	case 1:
		if len(c.blocks) > 2 {
			delete(c.blocks, one)
			return c
		}
	case 2:
		spec.mark = fmt.Sprintf("m%d", round)
	case 3:
		spec.mark = "var"
	case 4:
		spec.batch = 1 + rand.IntN(5)
	case 5:
		spec.team = fmt.Sprintf("t%d", round)
	case 6:
		spec.limit = 64 + rand.IntN(64)
	case 7:
		spec.disabled, spec.refuse = rand.IntN(3) == 0, rand.IntN(4) == 0
	case 8:
		c.variable = fmt.Sprintf("v%d", round)
	}
	c.blocks[one] = spec
	return c
}

// broken is a configuration with a mistake, made of a valid one.
func (l ledgers) broken(s *site) string {
	text := l.text(s)
	switch rand.IntN(8) {
	case 0:
		return text[:len(text)-2]
	case 1:
		return text + s.ledgerBlock("odd", "  mrak = \"x\"\n")
	case 2:
		return text + s.ledgerBlock("odd", "  mark = \"wrong\"\n") // the plugin itself says so
	case 3:
		return text + s.ledgerBlock(l.names()[0], "")
	case 4:
		return text + "plugin \"no-such-plugin\" {\n}\n"
	case 5:
		return text + s.ledgerBlock("odd", "  memory_limit = \"1MiB\"\n")
	case 6:
		return strings.Replace(text, fmt.Sprintf("default = %q", l.variable), `default = "bad"`, 1)
	}
	return text + s.ledgerBlock("odd", "  user = \"nobody-of-that-name\"\n")
}

var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// dumped ends the daemon with the stacks of its goroutines, and says how many there were.
func (d *daemon) dumped() int {
	d.t.Helper()
	d.signal(syscall.SIGQUIT)
	d.exit(drainDeadline)
	return len(goroutine.FindAllString(d.out.String(), -1))
}

func (d *daemon) descriptors() int {
	d.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	return len(open)
}

// runsAs waits until the daemon runs exactly what a configuration says: the blocks, their states, and the tags of the
// newest points.
func (d *daemon) runsAs(want ledgers, since time.Time) console.Status {
	d.t.Helper()
	st := d.waitStatus("the daemon runs the last valid configuration", func(st console.Status) bool {
		var names []string
		for _, p := range st.Plugins {
			names = append(names, p.Name)
			state := "ready"
			if b := want.blocks[p.Name]; b.disabled {
				state = "disabled"
			} else if b.refuse {
				state = "failed"
			}
			if p.State != state {
				return false
			}
		}
		return slices.Equal(names, want.names())
	})
	for _, name := range want.names() {
		if !want.blocks[name].runs() {
			continue
		}
		waitUntil(d.t, "the newest points of "+name+" have its tags", patience, func() bool {
			rows, err := d.query(fmt.Sprintf("SELECT n, mark, team FROM ledger WHERE instance = '%s' AND time > '%s' ORDER BY time DESC LIMIT 1",
				name, since.UTC().Format(time.RFC3339Nano)))
			return err == nil && len(rows) == 1 && rows[0]["mark"].String() == want.mark(name) && rows[0]["team"].String() == want.blocks[name].team
		})
	}
	return st
}

// wantLedgers checks that every number that a plugin has written down as acknowledged is in InfluxDB.
func (s *site) wantLedgers() (acknowledged int) {
	s.t.Helper()
	files, err := filepath.Glob(s.path("*.ledger"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".ledger")
		rows, err := s.query("SELECT n FROM ledger WHERE instance = '" + name + "'")
		if err != nil {
			s.t.Fatal(err)
		}
		stored := map[string]bool{}
		for _, r := range rows {
			stored[r["n"].String()] = true
		}
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		lost := 0
		// A plugin that was killed may have left half of a line.
		lines := strings.Split(string(text), "\n")
		for _, number := range lines[:len(lines)-1] {
			if len(number) == len("1700000000000000000") && !stored[number] {
				lost++
			}
		}
		acknowledged += len(lines) - 1
		if lost > 0 {
			s.t.Errorf("of %d points of %s that were acknowledged %d are not in InfluxDB", len(lines)-1, name, lost)
		}
	}
	return acknowledged
}

func TestSoakReloadsLeakNothingLoseNoPointAndEndWithTheLastValidConfiguration(t *testing.T) {
	t.Parallel()
	rounds := soak.Rounds(30, 200)
	s := newSite(t, "")
	first := ledgers{variable: "v", blocks: map[string]ledgerSpec{
		"a": {mark: "var", batch: 5, team: "x", limit: 100}, "b": {mark: "m", batch: 2, team: "x", limit: 100}, "c": {mark: "m", batch: 1, team: "y", limit: 100},
	}}
	s.configure(first.text(s))
	calm := s.startReady()
	calm.runsAs(first, time.Unix(0, 0))
	goroutines := calm.dumped()
	s.waitGone(goneDeadline)

	d := s.start()
	began := time.Now()
	d.runsAs(first, began)
	descriptors := d.descriptors()
	now := first
	valid := 0
	for round := range rounds {
		if rand.IntN(3) == 0 {
			s.configure(now.broken(s))
			if _, errOut, code := s.run("reload"); code != 1 || errOut == "" {
				t.Fatalf("round %d: a wrong configuration: exit status %d\n%s", round, code, errOut)
			}
			continue
		}
		next := now.sound(round)
		s.configure(next.text(s))
		if _, errOut, code := s.run("reload"); code != 0 {
			t.Fatalf("round %d: exit status %d\n%s", round, code, errOut)
		}
		now = next
		valid++
		switch rand.IntN(6) {
		case 0: // Nobody waits: the next reload meets plugins that start.
		case 1:
			// A plugin dies meanwhile.
			if st, err := d.status(); err == nil && len(st.Plugins) > 0 {
				if pid := st.Plugins[rand.IntN(len(st.Plugins))].Pid; pid != 0 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		default:
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		}
	}
	// The last one may have been so broken that status does not find the daemon by it.
	s.configure(now.text(s))
	d.runsAs(now, began)
	s.configure(now.broken(s))
	if _, _, code := s.run("reload"); code != 1 {
		t.Errorf("a wrong configuration after all was taken")
	}
	running := 0
	for _, spec := range now.blocks {
		if spec.runs() {
			running++
		}
	}
	waitUntil(t, "there are the daemon, InfluxDB and the plugins, and no other process", patience, func() bool { return len(s.processes()) == 2+running })

	s.configure(first.text(s))
	if _, errOut, code := s.run("reload"); code != 0 {
		t.Fatal(errOut)
	}
	d.runsAs(first, time.Now())
	d.waitStatus("all is delivered but what just came", func(st console.Status) bool { return st.Queue.OldestAge < 1 })
	// A socket to InfluxDB or of a client may be open or not.
	waitUntil(t, "the daemon has as many descriptors as at first", patience, func() bool { return d.descriptors() <= descriptors+4 })
	s.configure(withEmbedded(""))
	if _, errOut, code := s.run("reload"); code != 0 {
		t.Fatal(errOut)
	}
	d.waitStatus("all is delivered", func(st console.Status) bool { return st.Queue.Points == 0 })
	acknowledged := s.wantLedgers()
	s.configure(first.text(s))
	if _, errOut, code := s.run("reload"); code != 0 {
		t.Fatal(errOut)
	}
	d.runsAs(first, time.Now())
	after := d.dumped()
	if after > goroutines+10 {
		t.Errorf("the daemon has %d goroutines, and one that was not reloaded %d", after, goroutines)
	}
	s.waitGone(goneDeadline)
	t.Logf("%d reloads, %d of them valid; %d points were acknowledged; %d descriptors at first, %d goroutines without reloads and %d with them",
		rounds, valid, acknowledged, descriptors, goroutines, after)
}
