package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ledgerBlock is the block of an instance of the plugin ledger.
func (s *site) ledgerBlock(name, more string) string {
	return "plugin \"" + name + "\" {\n  source = \"" + filepath.Join(programs, "tests", "ledger") + "\"\n  file   = \"" + name + ".ledger\"\n" + more + "}\n"
}

func TestACommandOfAPluginKeepsItsExitStatusAndGetsSignals(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.vedette = filepath.Join(programs, "plain", "vedette")
	s.configure(s.ledgerBlock("p", ""))
	for _, code := range []string{"0", "1", "77"} {
		if _, _, got := s.run("plugin", "exec", "p", "--", "exit", code); got != map[string]int{"0": 0, "1": 1, "77": 77}[code] {
			t.Errorf("exit status %d, want %s", got, code)
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command(s.vedette, "plugin", "exec", "p", "--", "wait")
		cmd.Dir, cmd.Env = s.home, environment(s.home)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewReader(out)
		if line, err := said.ReadString('\n'); err != nil || line != "waiting\n" {
			t.Errorf("it said %q, %v", line, err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Error(err)
		}
		if line, err := said.ReadString('\n'); err != nil || line != "interrupted\n" {
			t.Errorf("after %s it said %q, %v", sig, line, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %s: %v", sig, err)
		}
	}
}

func TestACommandOfAPluginRunsAsThePluginsUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can become another user: nothing to show")
		return
	}
	s := newSite(t, "")
	s.vedette = filepath.Join(programs, "plain", "vedette")
	s.configure(s.ledgerBlock("p", "  user = \"nobody\"\n"))
	if out, errOut, code := s.run("plugin", "exec", "p", "--", "show"); code != 0 || !strings.Contains(out, ", user 65534\n") || !strings.Contains(out, `"mark":"none"`) {
		t.Errorf("exit status %d: %s%s", code, out, errOut)
	}
}
