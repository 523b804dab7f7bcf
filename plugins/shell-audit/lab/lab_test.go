package lab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
)

// shells are those that are hooked.
var shells = []string{"bash", "zsh", "fish"}

func TestWhatIsTypedIsStoredWithAllThatIsKnownOfIt(t *testing.T) {
	h := newHost(t, "")
	h.start()
	for _, name := range shells {
		s := h.shell(t, name)
		s.run("cd /tmp", "true "+name, "mysql -psecret-"+name, "false")
	}
	h.waitFor("the commands of all shells with their ends", func() bool {
		ended := 0
		for _, r := range h.commands() {
			if r.int("exit_code") >= 0 {
				ended++
			}
		}
		return ended >= 4*len(shells)
	})
	rows := h.commands()
	for _, name := range shells {
		find := func(command string) row {
			for _, r := range rows {
				if r.text("shell") == name && r.text("command") == command {
					return r
				}
			}
			t.Fatalf("%s has no %q in %v", name, command, rows)
			return nil
		}
		r := find("true " + name)
		if r.int("exit_code") != 0 || r.int("uid") != person || r.text("user") != fmt.Sprint(person) || r.text("cwd") != "/tmp" ||
			!strings.HasPrefix(r.text("tty"), "pts/") || r.text("source") != "hook" || r.text("host") != "lab" || r.int("duration_us") < 0 ||
			!strings.HasSuffix(r.text("exe"), name) || r.int("chain_seq") < 1 || len(r.text("chain_mac")) != 64 || r.int("timestamp") < 1 {
			t.Errorf("%s: %v", name, r)
		}
		if name == "bash" && (r.int("attestation") != 3 || r.int("history_id") < 1) {
			t.Errorf("%s: %v", name, r)
		}
		if r := find("mysql -p[redacted]"); r.int("redacted") != 1 || r.int("exit_code") != 127 || r.text("command_mac") == "" {
			t.Errorf("%s: %v", name, r)
		}
		if r := find("false"); r.int("exit_code") != 1 {
			t.Errorf("%s: %v", name, r)
		}
	}
	if strings.Contains(fmt.Sprint(rows, h.events("drop")), "secret-") {
		t.Error("a password is stored")
	}
	series, err := h.query("SHOW SERIES FROM shell_command WHERE source = 'hook'")
	if err != nil || len(series) > len(shells) {
		t.Errorf("%d series of one user in %d shells: %v, %v", len(series), len(shells), series, err)
	}
}

// TestSoakEveryCommandIsStoredWhateverIsKilled lets people type while the collector, the daemon and InfluxDB are killed in turn.
func TestSoakEveryCommandIsStoredWhateverIsKilled(t *testing.T) {
	each, kills := 100, 2
	if os.Getenv("VEDETTE_SOAK") != "" {
		each, kills = 1667, 20
	}
	h := newHost(t, "")
	h.start()
	victims := []string{"shell-audit", "vedette", "influxd"}
	type step struct{ shell, n int }
	typed := make(chan step)
	var typing sync.WaitGroup
	for i, name := range shells {
		s := h.shell(t, name)
		typing.Go(func() {
			for n := range each {
				if _, err := s.Run(within(t), fmt.Sprintf(": %s %d", name, n)); err != nil {
					t.Errorf("%s: prompt %d: %v", name, n, err)
					return
				}
				typed <- step{i, n}
			}
		})
	}
	go func() {
		typing.Wait()
		close(typed)
	}()
	done, kill, killed := 0, 0, map[string]int{}
	total := len(shells) * each
	for range typed {
		done++
		// So many kills of each, spread over all that is typed, and none before the one before has been made good: all are killed
		// while they work.
		if due := (done*kills*len(victims) + total/2) / total; due > kill {
			victim := victims[kill%len(victims)]
			kill++
			h.waitFor(victim+" is there to be killed", func() bool { return h.kill(victim) })
			killed[victim]++
		}
	}
	var rows []row
	deadline := time.Now().Add(3 * patience)
	ended := func() int {
		rows = h.commands()
		n := 0
		for _, r := range rows {
			if r.int("exit_code") == 0 {
				n++
			}
		}
		return n
	}
	for ended() < total && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
	}
	var got, want []string
	for _, r := range rows {
		got = append(got, r.text("shell")+r.text("command"))
		if r.int("exit_code") != 0 || r.int("duration_us") < 0 {
			t.Errorf("it has no end: %v", r)
		}
	}
	for _, name := range shells {
		for n := range each {
			want = append(want, fmt.Sprintf("%s: %s %d", name, name, n))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d commands are stored, %d were typed", len(got), len(want))
		missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(got, s) })
		t.Errorf("missing: %q", missing[:min(len(missing), 20)])
	}
	t.Logf("%d commands, killed: %v", total, killed)
	if out, err := h.vedette("audit", "verify", "--key", h.root+"/data/audit/first.key"); err != nil || !strings.HasPrefix(string(out), "Whole") {
		t.Errorf("after all this the chain is %s, %v", out, err)
	}
}

func TestAShellAroundTheHookIsToldAndWhatItRunsIsRecorded(t *testing.T) {
	h := newHost(t, "")
	h.start()
	s := h.shell(t, "bash")
	s.run("exec 9>&2", "true before")
	cmd := h.as(person, "bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(cmd.Env, "PS1="+terminal.Ready+"$ ")
	bare := startSession(t, cmd)
	bare.run("/bin/echo unseen", "/bin/ls --color=never /nowhere")
	h.waitFor("an event", func() bool { return len(h.events("no_hook")) > 0 })
	if e := h.events("no_hook")[0]; e.int("uid") != person || e.text("shell") != "bash" || !strings.HasPrefix(e.text("tty"), "pts/") {
		t.Errorf("got %v", e)
	}
	var programs []row
	h.waitFor("what it ran, with its end", func() bool {
		var err error
		programs, err = h.query("SELECT * FROM records.shell_command WHERE source = 'exec' AND command =~ /nowhere/")
		return err == nil && len(programs) == 1 && programs[0].int("exit_code") == 2
	})
	if p := programs[0]; p.text("command") != "/bin/ls --color=never /nowhere" || p.int("uid") != person || p.int("attestation") != 3 || p.int("duration_us") < 0 {
		t.Errorf("got %v", p)
	}
	if n := len(h.events("hook_gone")); n > 0 {
		t.Errorf("%d hooks are said to be gone", n)
	}
}

// TestAHostileSessionIsRecordedAndWhatIsMissedIsTold types what people type who do not want to be recorded.
func TestAHostileSessionIsRecordedAndWhatIsMissedIsTold(t *testing.T) {
	h := newHost(t, "")
	h.start()
	s := h.shell(t, "bash")
	lines := []string{
		" echo leading space", "HISTCONTROL=ignoreboth", " echo ignored", "HISTIGNORE='*'", "echo not kept", "history -c", "set +o history",
		"echo without history", "HISTSIZE=0", "echo dup", "echo dup", "unset PROMPT_COMMAND", "PS0=", "echo after", "enable -d vedette_audit",
		"echo '\x16\x1b[2J'", "PATH=/nowhere", "PATH=/usr/bin:/bin",
	}
	s.run(lines...)
	if err := s.Type("for i in 1 2\rdo echo $i\rdone\r"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prompt(within(t)); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(lines), "for i in 1 2\\ndo echo $i\\ndone", "kill -9 $$")
	for i, line := range want {
		want[i] = strings.ReplaceAll(line, "\x16\x1b", `\x1b`)
	}
	if err := s.Type("kill -9 $$\r"); err != nil {
		t.Fatal(err)
	}
	var got []string
	h.waitFor("all that was typed", func() bool {
		got = nil
		for _, r := range h.commands() {
			got = append(got, r.text("command"))
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("recorded are\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		for _, r := range append(h.commands(), h.events(".*")...) {
			t.Log(r)
		}
	}
	h.waitFor("the end of the shell", func() bool { return len(h.events("bye")) > 0 })

	// What no hook sees: the shell becomes one without, and goes on.
	s = h.shell(t, "bash")
	s.run("echo honest")
	h.waitFor("its last honest command", func() bool {
		return slices.ContainsFunc(h.commands(), func(r row) bool { return r.text("command") == "echo honest" })
	})
	if err := s.Type("exec bash --norc\r/bin/echo unseen\r"); err != nil {
		t.Fatal(err)
	}
	h.waitFor("that it is told", func() bool { return len(h.events("no_hook"))+len(h.events("hook_gone")) > 0 })
}

func TestWhatAShellRunsWhoseHookWasTakenAwayIsRecordedAllTheSame(t *testing.T) {
	h := newHost(t, "")
	h.start()
	s := h.shell(t, "zsh")
	const away = "preexec_functions=() precmd_functions=()"
	s.run("true", away, "/bin/echo unheard")
	h.waitFor("what it ran, and the command that never ends", func() bool {
		programs, err := h.query("SELECT * FROM records.shell_command WHERE source = 'exec' AND command = '/bin/echo unheard'")
		return err == nil && len(programs) == 1 && programs[0].int("uid") == person && slices.ContainsFunc(h.commands(), func(r row) bool {
			return r.text("command") == away && r.int("exit_code") < 0
		})
	})
}
