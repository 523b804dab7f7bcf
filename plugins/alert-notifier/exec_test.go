package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup/markuptest"
	"github.com/vedette-monitor/vedette/sdk"
)

// script writes a program of a shell's.
func script(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAProgramGetsTheNoticeAndNothingOfItAsArguments(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	program := script(t, `cat >"$OUT/stdin"; env >"$OUT/env"; echo "$# $1" >"$OUT/args"; pwd >"$OUT/pwd"`)
	t.Setenv("VEDETTE_TEST_SECRET", "must not be passed on")
	for _, text := range markuptest.Corpus {
		n := firing()
		n.Title, n.Note = text, text
		n.Alerts[0].Summary, n.Alerts[0].Detail, n.Alerts[0].Name = text, text, text
		n.Alerts[0].Labels["host"] = text
		c := open(t, "exec", object{"command": []string{program, "$(reboot) {{.Title}}"}, "environment": object{"OUT": out}})
		d := c.one(t, n)
		if d.Outcome != sdk.Delivered || d.Code != "exit 0" || d.Bytes == 0 {
			t.Fatalf("%.30q: it is %+v", text, d)
		}
		read := func(name string) string {
			content, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			return string(content)
		}
		var got struct {
			Version int
			ID      string `json:"id"`
			Kind    string
			Alerts  []struct {
				Incident string
				Value    float64
				Labels   map[string]string
			}
		}
		if err := json.Unmarshal([]byte(read("stdin")), &got); err != nil || got.Version != 1 || got.ID != "n-1" || got.Kind != "firing" || len(got.Alerts) != 1 || got.Alerts[0].Value != 2.5 || got.Alerts[0].Incident != "INC1" {
			t.Errorf("%.30q: on standard input was %+v, %v", text, got, err)
		}
		if got := read("args"); got != "1 $(reboot) {{.Title}}\n" {
			t.Errorf("%.30q: the arguments are %q", text, got)
		}
		env := read("env")
		for _, want := range []string{"\nVEDETTE_ID=n-1\n", "\nVEDETTE_KIND=firing\n", "\nVEDETTE_SEVERITY=critical\n", "\nVEDETTE_INCIDENT=INC1\n", "\nVEDETTE_NOTIFIER=exec.test\n", "\nVEDETTE_COUNT=1\n", "\nVEDETTE_LATE=false\n"} {
			if !strings.Contains("\n"+env, want) {
				t.Errorf("%.30q: the environment has no %q:\n%.2000s", text, want, env)
			}
		}
		if strings.Contains(env, "must not") || markuptest.Clean(env) != nil || read("pwd") != "/\n" {
			t.Errorf("%.30q: the environment is\n%.2000s", text, env)
		}
	}
}

func TestAProgramsEndSaysWhatBecameOfTheNotice(t *testing.T) {
	for status, want := range map[int]sdk.Outcome{
		0: sdk.Delivered, 1: sdk.Temporary, 64: sdk.PermanentConfig, 67: sdk.PermanentRecipient, 68: sdk.PermanentRecipient, 75: sdk.Temporary, 77: sdk.PermanentConfig,
		78: sdk.PermanentConfig, 127: sdk.Temporary,
	} {
		d := open(t, "exec", object{"command": []string{script(t, "echo out; echo err >&2; exit "+strconv.Itoa(status))}}).one(t, firing())
		if d.Outcome != want || d.Code != fmt.Sprintf("exit %d", status) || want != sdk.Delivered && d.Message != "out err" {
			t.Errorf("status %d is %+v", status, d)
		}
	}
	if d := open(t, "exec", object{"command": []string{script(t, "kill -9 $$")}}).one(t, firing()); d.Outcome != sdk.Unknown || d.Code != "signal" {
		t.Errorf("killed it is %+v", d)
	}
	notes := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(notes, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/no/such/program", notes, "/tmp"} {
		c := open(t, "exec", object{"command": []string{program}})
		if d := c.one(t, firing()); d.Outcome != sdk.PermanentConfig || d.Code != "start" {
			t.Errorf("%s is %+v", program, d)
		}
		if d := c.Check(within(t, patience)); d.Outcome != sdk.PermanentConfig {
			t.Errorf("%s: the check is %+v", program, d)
		}
	}
	if d := open(t, "exec", object{"command": []string{"/bin/true"}}).Check(within(t, patience)); d.Outcome != sdk.Delivered {
		t.Errorf("the check is %+v", d)
	}
}

func TestOfAProgramsOutputTheBeginningIsKept(t *testing.T) {
	c := open(t, "exec", object{"command": []string{script(t, "yes loud | head -c 50000000; exit 1")}})
	if d := c.one(t, firing()); d.Outcome != sdk.Temporary || len(d.Message) > maxOutput || !strings.HasPrefix(d.Message, "loud loud") {
		t.Errorf("it is %+v", d)
	}
	// As the standard library copies it: by whatever method is the quickest.
	var b capped
	if n, err := io.Copy(&b, strings.NewReader(strings.Repeat("x", 100_000))); n != 100_000 || err != nil || len(b.kept) != maxOutput {
		t.Errorf("of %d bytes %d are kept, %v", n, len(b.kept), err)
	}
}

func TestAProgramThatHangsIsKilledWithAllThatItStarted(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	// What it starts holds its output, too.
	program := script(t, `echo $$ >>"$PIDS"; sh -c 'echo $$ >>"$PIDS"; sleep 600' & wait`)
	c := open(t, "exec", object{"command": []string{program}, "environment": object{"PIDS": pids}})
	begun := time.Now()
	report := c.Notify(within(t, 500*time.Millisecond), firing())
	if took := time.Since(begun); took > 10*time.Second || len(report.Deliveries) != 1 || report.Deliveries[0].Outcome != sdk.Unknown || report.Deliveries[0].Code != "timeout" {
		t.Errorf("after %v it is %+v", took, report)
	}
	content, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(string(content))
	if len(list) != 2 {
		t.Fatalf("these ran: %q", list)
	}
	for _, text := range list {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		until(t, "process "+text+" is gone", func() bool { return isGone(pid) })
	}
}

func TestWhatAProgramLeavesBehindIsKilled(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	program := script(t, `sleep 600 >/dev/null 2>&1 & echo $! >"$PIDS"`)
	if d := open(t, "exec", object{"command": []string{program}, "environment": object{"PIDS": pids}}).one(t, firing()); d.Outcome != sdk.Delivered {
		t.Errorf("it is %+v", d)
	}
	content, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "what was left behind is gone", func() bool { return isGone(pid) })
}

// isGone reports whether a process has ended; one that nobody has waited for counts.
func isGone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

func TestAProgramRunsAsItsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root runs a program as somebody else; make test-unit leaves this out")
	}
	c := open(t, "exec", object{"command": []string{"/bin/sh", "-c", `echo "$(id -u) $(id -G) $HOME"; exit 1`}, "user": "nobody"})
	if d := c.one(t, firing()); d.Message != "65534 65534 /nonexistent" {
		t.Errorf("it is %+v", d)
	}
	if _, err := tryOpen("exec", object{"command": []string{"/bin/true"}, "user": "no-such-user"}); err == nil {
		t.Error("a user who is not there was taken")
	}
}

func TestAProgramThatCanNotBeRunIsRefused(t *testing.T) {
	for what, config := range map[string]object{
		"nothing": {"command": []string{}}, "relative": {"command": []string{"program"}}, "a name of ours": {"command": []string{"/bin/true"}, "environment": object{"VEDETTE_ID": "x"}},
		"no name": {"command": []string{"/bin/true"}, "environment": object{"A=B": "x"}},
	} {
		if _, err := tryOpen("exec", config); err == nil {
			t.Errorf("%s: it was taken", what)
		}
	}
}
