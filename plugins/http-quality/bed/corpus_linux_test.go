package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/badserver"
	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// slack is how much later than its timeout a probe may end on a busy machine.
const slack = 5 * time.Second

func (s *site) corpus(t *testing.T) []badserver.Case {
	t.Helper()
	return badserver.Start(t, s.authority, func() (net.Listener, error) {
		return s.Server.Listen("tcp", net.JoinHostPort(s.Server.IPv4.String(), "0"))
	})
}

// checkCase compares what was found with what the case demands.
func checkCase(t *testing.T, c badserver.Case, m measured) {
	t.Helper()
	var phases []string
	for _, name := range []string{"dns", "tcp", "tls", "request", "wait", "transfer"} {
		if _, ok := m.Phases[name]; ok {
			phases = append(phases, name)
		}
	}
	if m.Outcome != c.Outcome || !slices.Equal(phases, c.Phases) {
		t.Errorf("%s: outcome %s (%s) with phases %v, want %s with %v", c.Name, m.Outcome, m.Error, phases, c.Outcome, c.Phases)
	}
	total := time.Duration(m.Times["total"] * float64(time.Second))
	if total < c.AtLeast || total > badserver.Timeout+slack {
		t.Errorf("%s: took %v, want at least %v and at most %v", c.Name, total, c.AtLeast, badserver.Timeout)
	}
	if (m.Outcome == "ok") != (m.Error == "") {
		t.Errorf("%s: outcome %s with the error %q", c.Name, m.Outcome, m.Error)
	}
	if m.CertExpiry.IsZero() == c.Certificate {
		t.Errorf("%s: the certificate's expiry is %v", c.Name, m.CertExpiry)
	}
	if strings.ContainsFunc(m.Error, func(r rune) bool { return r < ' ' || r == 0xfffd }) {
		t.Errorf("%s: the error %q is not fit for output", c.Name, m.Error)
	}
}

func TestBadServersAreToldForWhatTheyAreAndLeaveNothing(t *testing.T) {
	const rounds, grown = 3, 1 << 20
	s := newSite(t)
	cases := s.corpus(t)
	p := s.newProber(t, 0)
	all := func(check bool) left {
		var remains left
		for name, family := range map[string]probe.Family{"ipv4": probe.IPv4, "any": probe.AnyFamily} {
			o := order{By: "vedette", Family: family, Timeout: badserver.Timeout, Settle: true}
			var asked []badserver.Case
			for _, c := range cases {
				if c.Family == name {
					o.URLs, asked = append(o.URLs, c.URL), append(asked, c)
				}
			}
			r := p.do(t, o)
			for i, m := range r.Results {
				if check {
					checkCase(t, asked[i], m)
				}
			}
			remains = r.Left
		}
		return remains
	}
	before := all(true)
	for range rounds {
		all(false)
	}
	after := all(false)
	t.Logf("%d bad servers; before %+v, after %d more rounds %+v", len(cases), before, rounds+1, after)
	if after.Goroutines > before.Goroutines || after.Descriptors > before.Descriptors || after.Heap > before.Heap+grown {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// TestThePluginTellsBadServersForWhatTheyAre asks for the points of the whole plugin process, and for what it holds afterwards.
func TestThePluginTellsBadServersForWhatTheyAre(t *testing.T) {
	s := newSite(t)
	cases := map[string]badserver.Case{}
	var config strings.Builder
	config.WriteString("plugin \"http-quality\" {\n  interval = \"4s\"\n")
	for _, c := range s.corpus(t) {
		cases[c.Name] = c
		fmt.Fprintf(&config, "  target %q {\n    url = %q\n    family = %q\n    ca_file = %q\n    timeout = %q\n    max_body = \"1MiB\"\n  }\n",
			c.Name, c.URL, c.Family, s.ca, badserver.Timeout)
	}
	config.WriteString("}\n")
	p := s.runPlugin(t, config.String())
	pid := 0
	descriptors := map[int]int{}
	// Each target has a phase of its own, and some take their whole timeout: a round is over when each has one more point.
	points := map[string]int{}
	for round := range 3 {
		for behind := true; behind; {
			one := p.next(t)
			points[one.target]++
			checkCase(t, cases[one.target], one.measured)
			behind = false
			for name := range cases {
				behind = behind || points[name] <= round
			}
		}
		if pid == 0 {
			pid = child(t, p.cmd.Process.Pid)
		}
		descriptors[round] = fewest(t, pid)
	}
	t.Logf("descriptors after each round: %v", descriptors)
	if descriptors[2] > descriptors[0] {
		t.Errorf("descriptors after each round: %v", descriptors)
	}
}

// fewest is the least number of descriptors that a process has within a second: between rounds nothing is under way.
func fewest(t *testing.T, pid int) int {
	t.Helper()
	least := -1
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		if least < 0 || len(files) < least {
			least = len(files)
		}
	}
	return least
}

// child is the one process that another one has started.
func child(t *testing.T, parent int) int {
	t.Helper()
	// Any thread may have started it.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, path := range lists {
		if text, err := os.ReadFile(path); err == nil {
			_, _ = fmt.Sscan(string(text), &pid)
		}
	}
	if pid == 0 {
		t.Fatalf("%d has no child", parent)
	}
	return pid
}
