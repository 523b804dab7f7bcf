package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

// audited is a site whose daemon records what a shell types, which the test writes as its hook would.
type audited struct {
	*site
	daemon *daemon
	seq    int64
}

func newAudited(t *testing.T) *audited {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the audit needs root: run this test as root, or make test-unit for the others")
	}
	a := &audited{site: newSite(t, "")}
	// Users must get to the spool.
	if err := os.Chmod(a.home, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("chattr", "-R", "-a", a.path("spool")).CombinedOutput(); err != nil {
			t.Logf("chattr: %v\n%s", err, out)
		}
	})
	a.configure(withEmbedded(fmt.Sprintf(`
plugin "shell-audit" {
  directory = %q
  spool     = %q
  socket    = %q
  kernel    = "off"
  env       = { GORACE = "atexit_sleep_ms=0" }
}
`, a.path("audit"), a.path("spool"), a.path("audit.sock"))))
	a.daemon = a.startReady()
	waitUntil(t, "the spool is there", patience, func() bool {
		_, err := os.Stat(a.path("spool", "u", "0.log"))
		return err == nil
	})
	a.vedette = filepath.Join(programs, "plain", "vedette") // there are many calls
	return a
}

// leaveRecords writes records as a hook does.
func (a *audited) leaveRecords(records ...record.Record) {
	a.t.Helper()
	file, err := os.OpenFile(a.path("spool", "u", "0.log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, r := range records {
		a.seq++
		r.Shell, r.PID, r.Birth, r.Seq, r.History = "bash", 1<<22-1, 1, a.seq, record.NoHistory
		raw, err := r.Append(nil)
		if err == nil {
			_, err = file.Write(raw)
		}
		if err != nil {
			a.t.Fatal(err)
		}
	}
}

// begin types a command, which runs until what is returned is written.
func (a *audited) begin(command string) (end record.Record) {
	a.t.Helper()
	at := record.Micros(time.Now().UnixMicro())
	a.leaveRecords(record.Record{Kind: record.Start, Started: at, Exit: record.NoExitCode, Cwd: "/root", Command: command})
	return record.Record{Kind: record.End, Started: at, Ended: at + 1500, Exit: 0}
}

func (a *audited) runCommands(commands ...string) {
	a.t.Helper()
	for _, c := range commands {
		a.leaveRecords(a.begin(c))
	}
}

// waitRecorded waits until so many commands are in InfluxDB with their ends.
func (a *audited) waitRecorded(n int) {
	a.t.Helper()
	waitUntil(a.t, fmt.Sprint(n, " commands are in InfluxDB"), patience, func() bool {
		rows, err := a.query(`SELECT count(exit_code) FROM "records".shell_command`)
		if err != nil || len(rows) == 0 {
			return false
		}
		got, _ := rows[0]["count"].Int()
		return got == int64(n)
	})
}

// following is a tail that runs.
type following struct {
	cmd *exec.Cmd
	out output
}

func (a *audited) follow(args ...string) *following {
	a.t.Helper()
	f := &following{cmd: exec.Command(a.vedette, append([]string{"audit", "tail"}, args...)...)}
	f.cmd.Dir, f.cmd.Env = a.home, append(environment(a.home), "TZ=UTC")
	f.cmd.Stdout, f.cmd.Stderr = &f.out, tee{&f.out, &a.said}
	if err := f.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		if f.cmd.ProcessState == nil {
			_ = f.cmd.Process.Kill()
			_ = f.cmd.Wait()
		}
	})
	return f
}

// promised is how soon a command is shown.
const promised = time.Second

func (f *following) wait(t *testing.T, what string) time.Duration {
	t.Helper()
	began := time.Now()
	found := regexp.MustCompile(what)
	for !found.MatchString(f.out.String()) {
		if time.Since(began) > 5*promised {
			t.Fatalf("after %s tail does not show %s:\n%s", 5*promised, what, f.out.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// interrupt ends it as Ctrl-C does, which reaches the daemon's program and the plugin's.
func (f *following) interrupt(t *testing.T) {
	t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, f.out.String())
	}
}

func TestTailShowsACommandWhenItIsTypedAndWhenItHasEnded(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.runCommands("one", "two", "three", "four", "five", "six", "seven")
	a.waitRecorded(7)
	local, remote := a.follow(), a.follow("--remote", "-n", "2")
	for _, f := range []*following{local, remote} {
		f.wait(t, `(?m)  seven$`)
	}
	const columns = `(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  spot  root  -  +`
	took := map[string]time.Duration{}
	end := a.begin("sleep infinity")
	took["start"] = local.wait(t, columns+`… +/root +sleep infinity$`)
	remote.wait(t, columns+`… +/root +sleep infinity$`)
	a.leaveRecords(end)
	took["end"] = local.wait(t, columns+`0 +1ms  /root +sleep infinity$`)
	remote.wait(t, columns+`0 +1ms  /root +sleep infinity$`)
	t.Logf("shown after %v", took)

	if got := local.out.String(); strings.Contains(got, "  two\n") || !strings.Contains(got, "  three\n") || strings.Count(got, "\n") != 7 {
		t.Errorf("it did not begin with the newest five:\n%s", got)
	}
	if got := remote.out.String(); strings.Contains(got, "  five\n") || strings.Count(got, "\n") != 4 {
		t.Errorf("from InfluxDB it did not begin with the newest two:\n%s", got)
	}

	// The daemon ends and runs again: what was typed meanwhile is shown.
	a.daemon.end()
	a.runCommands("typed meanwhile")
	a.daemon = a.startReady()
	for _, f := range []*following{local, remote} {
		waitUntil(t, "what was typed meanwhile is shown", patience, func() bool { return strings.Contains(f.out.String(), "typed meanwhile\n") })
		f.interrupt(t)
	}
}

func TestTailShowsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.runCommands("systemctl stop nginx", "ls /a/b", "systemctl start nginx")
	a.waitRecorded(3)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a pattern":       {[]string{"--match", `^systemctl (stop|x)`}, "systemctl stop nginx"},
		"with a slash":    {[]string{"--match", `/a/b$`}, "ls /a/b"},
		"nobody's":        {[]string{"--user", "nobody"}, ""},
		"of one of these": {[]string{"--user", "nobody", "--user", "root", "-n", "1"}, "systemctl start nginx"},
		"of another host": {[]string{"--host", "it's"}, ""},
		"since":           {[]string{"--since", "1h", "--match", "stop"}, "systemctl stop nginx"},
		"too late":        {[]string{"--since", "2100-01-01"}, ""},
		"none":            {[]string{"-n", "0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, code := a.run(append([]string{"audit", "tail", "--no-follow"}, tc.args...)...)
			if code != 0 || errOut != "" || (tc.want == "") != (out == "") || tc.want != "" && (!strings.HasSuffix(out, "  "+tc.want+"\n") || strings.Count(out, "\n") != 1) {
				t.Errorf("exit status %d, %s\n%s", code, errOut, out)
			}
		})
	}
	a.store("shell_command,host=spot,user=root,source=exec command=\"/usr/bin/ls\",exit_code=0i " + strconv.FormatInt(time.Now().UnixNano(), 10))
	if out, _, _ := a.run("audit", "tail", "--no-follow", "-n", "1"); strings.Contains(out, "/usr/bin/ls") {
		t.Errorf("a program that nobody typed is shown:\n%s", out)
	}
	if out, _, _ := a.run("audit", "tail", "--no-follow", "-n", "1", "--programs"); !strings.HasSuffix(out, "» /usr/bin/ls\n") {
		t.Errorf("a program is not shown:\n%s", out)
	}
	out, _, _ := a.run("audit", "tail", "--no-follow", "--events")
	if !strings.Contains(out, "! start: the collector begins") {
		t.Errorf("no event:\n%s", out)
	}
	out, _, _ = a.run("audit", "tail", "--no-follow", "-o", "json", "-n", "1")
	var row console.LivePoint
	if err := json.Unmarshal([]byte(out), &row); err != nil || row.Fields["command"] != "systemctl start nginx" || row.Tags["host"] != "spot" {
		t.Errorf("%v\n%s", err, out)
	}
}

// store writes a line of line protocol into InfluxDB, as who may write there could.
func (a *audited) store(line string) {
	a.t.Helper()
	var made struct {
		URL    string
		Writer struct{ Name, Password string }
	}
	text, err := os.ReadFile(a.path("data", "influxdb", "credentials.json"))
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, made.URL+"/write?db=vedette&rp=records", strings.NewReader(line))
	if err != nil {
		a.t.Fatal(err)
	}
	req.SetBasicAuth(made.Writer.Name, made.Writer.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		a.t.Fatalf("InfluxDB does not take it: %s", resp.Status)
	}
}

func TestARowOfSomebodyElseDoesNothingToATerminal(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.store("shell_command,host=evil\x1b[2J,user=\u202eroot,shell=bash,source=hook command=\"\x1b]0;title\x07\nsecond line\u009b2J\",cwd=\"\x1b[1A\",tty=\"\x1b[5m\",exit_code=\"\x1b[31m\" " +
		strconv.FormatInt(time.Now().UnixNano(), 10))
	for _, args := range [][]string{{"--remote"}, {"--remote", "-o", "json"}, {"--host", "evil\x1b[2J"}} {
		out, errOut, code := a.run(append([]string{"audit", "tail", "--no-follow"}, args...)...)
		if code != 0 || strings.Count(out, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(out, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: exit status %d\n%q\n%s", args, code, out, errOut)
		}
	}
	// On a terminal the colours are its own.
	cmd := exec.Command("script", "-qec", "stty cols 100 && exec "+a.vedette+" audit tail --no-follow --remote", "/dev/null")
	cmd.Dir, cmd.Env = a.home, append(environment(a.home), "NO_COLOR=1", "TERM=xterm")
	out, err := cmd.Output()
	if err != nil || bytes.ContainsRune(out, '\x1b') || !bytes.Contains(out, []byte(`\x1b]0;title`)) || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("%v\n%q", err, out)
	}
}

// firstKey takes the first key of the chain away.
func (a *audited) firstKey() (file string) {
	a.t.Helper()
	key, errOut, code := a.run("audit", "key", "--take")
	if code != 0 || !strings.Contains(errOut, "gone from this host") {
		a.t.Fatalf("exit status %d: %s", code, errOut)
	}
	file = filepath.Join(a.home, "the.key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

func (a *audited) wantVerified(code int, want string, args ...string) {
	a.t.Helper()
	out, errOut, got := a.run(append([]string{"audit", "verify"}, args...)...)
	if got != code || !regexp.MustCompile(want).MatchString(out+errOut) {
		a.t.Errorf("verify %q: exit status %d, want %d and %s:\n%s%s", args, got, code, want, out, errOut)
	}
}

func TestVerifyNamesWhatWasDoneToInfluxDB(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.wantVerified(0, `still on this host`, "--journal")
	key := a.firstKey()
	waiting := a.begin("runs all the time") // its end comes last
	a.runCommands("one", "two", "three", "four")
	a.leaveRecords(waiting)
	a.waitRecorded(5)
	const whole = `^Whole: links 1 to 11 of spot in InfluxDB hold, from `
	a.wantVerified(0, whole, "--key", key)
	a.wantVerified(0, `^Whole: links 1 to 11 of this host in the journal hold`, "--key", key, "--journal")
	a.wantVerified(2, `Error: .*was taken from this host.*--key FILE`)
	a.wantVerified(2, `Error: InfluxDB has nothing of the host "web"; it has: spot`, "--key", key, "--host", "web")
	a.wantVerified(2, `Error: reading the key: open `, "--key", a.path("no.key"))
	a.wantVerified(2, `Error: --since "x"`, "--key", key, "--since", "x")
	a.wantVerified(2, `no checkpoint of the chain`, "--key", key, "--since", "2100-01-01")

	rows, err := a.query(`SELECT command, "user" FROM "records".shell_command`)
	if err != nil || len(rows) != 5 {
		t.Fatalf("%v: %v", err, rows)
	}
	at := map[string]int64{}
	for _, r := range rows {
		when, ok := r["time"].Time()
		if !ok {
			t.Fatalf("a row has no time: %v", r)
		}
		at[r["command"].String()] = when.UnixNano()
	}
	// Links: 1 start of the collector, 2 start of what runs, 3 and 4 one, 5 and 6 two, 7 and 8 three, 9 and 10 four, 11 its end.
	a.store(fmt.Sprintf("shell_command,host=spot,isp=ct,idc=gz1,user=root,shell=bash,source=hook command=\"true\" %d", at["four"]))
	a.wantVerified(1, `^GAP: link 9 is altered: the command of root ‘true’ at .* is not as it was recorded.*\nAll is well up to there: links 1 to 8 of spot`, "--key", key)
	out, errOut, code := a.runWith(fmt.Sprintf("use vedette\nDELETE FROM shell_command WHERE time = %d\n", at["two"]), "influx", "shell", "--admin")
	if code != 0 {
		t.Fatalf("deleting a row: %s%s", out, errOut)
	}
	a.wantVerified(1, `^GAP: links 5 to 6 are missing, between the command of root ‘one’ at .* and the command of root ‘three’ at .*\nAll is well up to there: links 1 to 4 of spot`, "--key", key)
	a.wantVerified(0, `^Whole: links 1 to 11 of this host in the journal`, "--key", key, "--journal")
	a.store(fmt.Sprintf("shell_command,host=spot,isp=ct,idc=gz1,user=root,shell=bash,source=hook command=\"rm -rf /\" %d", at["one"]-1))
	a.wantVerified(1, `none of the chain: the command of root ‘rm -rf /’ at .* has no link`, "--key", key)
}

func TestVerifyCanNotBeFooledByAnInfluxDBThatEndsInBetween(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	key := a.firstKey()
	a.runCommands("one")
	a.waitRecorded(1)
	a.daemon.end()
	a.wantVerified(2, `the embedded InfluxDB is not running`, "--key", key)
	a.wantVerified(0, `Whole: links 1 to 4 of this host in the journal`, "--key", key, "--journal")
	if _, errOut, code := a.run("audit", "tail"); code != 1 || !strings.Contains(errOut, "the daemon is not running") {
		t.Errorf("tail without a daemon: exit status %d, %s", code, errOut)
	}
	if err := os.Remove(a.path("config.hcl")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	a.wantVerified(2, `there is no configuration config.hcl`, "--key", key)
}
