package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// runWith runs vedette with something to read.
func (s *site) runWith(input string, args ...string) (out, errOut string, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(programs, "vedette"), args...)
	cmd.Dir, cmd.Env = s.home, environment(s.home)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	fmt.Fprintf(&s.said, "$ vedette %q\n%s%s", args, stdout.String(), stderr.String())
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// settled is a site whose plugin is done: what is stored does not change any more.
func settledSite(t *testing.T) (*site, *daemon) {
	t.Helper()
	s := busySite(t)
	d := s.startReady()
	st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 20 })
	d.settle(st.Plugins[0].Pid)
	return s, d
}

func TestShellAnswersQuestionsFromAPipe(t *testing.T) {
	t.Parallel()
	s, _ := settledSite(t)
	out, errOut, code := s.runWith(`SHOW MEASUREMENTS

format csv
SELECT count(up) FROM http_quality;
use vedette.records
SELECT * FROM http_quality
use "vedette"
format json
SELECT last(up) FROM http_quality
exit
SELECT nothing
`, "influx", "shell")
	if code != 0 || errOut != "" {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	for _, want := range []string{"name\n", "\nhttp_quality\n", "name,time,count\nhttp_quality,", `"name": "http_quality"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, errOut, code = s.runWith("SELECT\nformat yaml\nuse a.b.c\nDROP MEASUREMENT http_quality\nSHOW DATABASES\n", "influx", "shell", "-o", "csv")
	if code != 1 || !strings.Contains(out, "vedette") || strings.Count(errOut, "Error: ") != 4 || !strings.Contains(errOut, "yaml") ||
		!strings.Contains(errOut, "requires WRITE privilege") && !strings.Contains(errOut, "not authorized") {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
	out, errOut, code = s.runWith("SHOW USERS\n", "influx", "shell", "--admin")
	if code != 0 || !strings.Contains(out, "vedette_writer") {
		t.Errorf("as the administrator, exit code %d:\n%s%s", code, out, errOut)
	}
}

func TestAnalystGetsAUserWhoMayReadAndNothingElse(t *testing.T) {
	t.Parallel()
	s, d := settledSite(t)
	base := d.waitReady().InfluxDB.URL
	ask := func(user, password, q string) (status int, text string) {
		t.Helper()
		request, err := http.NewRequest(http.MethodPost, base+"/query", strings.NewReader(url.Values{"q": {q}, "db": {"vedette"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(user, password)
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer json.RawMessage
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer)
	}
	out, errOut, code := s.run("influx", "user", "add", "ana")
	password := strings.TrimSpace(out)
	if code != 0 || len(password) < 20 || strings.Contains(errOut, password) || !strings.Contains(errOut, "this once") {
		t.Fatalf("exit code %d: %q %s", code, out, errOut)
	}
	if status, text := ask("ana", password, "SELECT count(up) FROM http_quality"); status != 200 || !strings.Contains(text, `"count"`) {
		t.Errorf("a question is answered with %d %s", status, text)
	}
	for _, forbidden := range []string{"DROP MEASUREMENT http_quality", "SHOW USERS", "CREATE DATABASE x", "SELECT up INTO y FROM http_quality"} {
		if status, text := ask("ana", password, forbidden); status == 200 && !strings.Contains(text, "error") {
			t.Errorf("%s: %d %s", forbidden, status, text)
		}
	}
	out, _, code = s.runWith("from-a-pipe\nsecond line\n", "influx", "user", "add", "bob", "--password-stdin")
	if status, _ := ask("bob", "from-a-pipe", "SHOW MEASUREMENTS"); code != 0 || status != 200 || strings.Contains(out, "from-a-pipe") {
		t.Errorf("exit code %d, %d: %s", code, status, out)
	}

	out, _, _ = s.run("influx", "user", "list")
	for _, want := range []string{"ana             read vedette", "vedette_reader  read vedette   the daemon's own", "vedette_admin   everything     the daemon's own"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, args := range [][]string{{"add", "ana"}, {"add", "a:b"}, {"add", "vedette_reader"}, {"remove", "vedette_writer"}, {"remove", "nobody"}} {
		if _, errOut, code := s.run(append([]string{"influx", "user"}, args...)...); code != 1 || errOut == "" {
			t.Errorf("%q: exit code %d, %s", args, code, errOut)
		}
	}
	if out, errOut, code := s.run("influx", "user", "remove", "ana"); code != 0 {
		t.Errorf("exit code %d: %s%s", code, out, errOut)
	}
	if status, _ := ask("ana", password, "SHOW MEASUREMENTS"); status != http.StatusUnauthorized {
		t.Errorf("after her removal ana is answered with %d", status)
	}
}

func TestBackupComesBackBesideWhatIsThere(t *testing.T) {
	t.Parallel()
	s, d := settledSite(t)
	if _, errOut, code := s.runWith("INSERT\n", "influx", "shell"); code != 1 || errOut == "" {
		t.Errorf("exit code %d", code)
	}
	all := "SELECT count(*) FROM %s..http_quality"
	before, err := s.query(fmt.Sprintf(all, "vedette"))
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, code := s.run("influx", "backup", "copy")
	if code != 0 || !strings.Contains(out, "are in copy") {
		t.Fatalf("exit code %d: %s%s", code, out, errOut)
	}
	if err := filepath.WalkDir(s.path("copy"), func(path string, entry os.DirEntry, err error) error {
		if info, e := entry.Info(); err != nil || e != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := s.run("influx", "backup", "copy"); code != 1 || !strings.Contains(errOut, "not empty") {
		t.Errorf("over another, exit code %d: %s", code, errOut)
	}
	if _, errOut, code := s.run("influx", "restore", "copy", "--database", "vedette"); code != 1 || !strings.Contains(errOut, "already") {
		t.Errorf("over the present one, exit code %d: %s", code, errOut)
	}
	if _, errOut, code := s.run("influx", "restore", "tmp"); code != 1 || !strings.Contains(errOut, "no backup") {
		t.Errorf("from nothing, exit code %d: %s", code, errOut)
	}
	// What is lost comes back.
	if _, errOut, code := s.runWith("DROP MEASUREMENT http_quality\n", "influx", "shell", "--admin"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	out, errOut, code = s.run("influx", "restore", "copy")
	if code != 0 || !strings.Contains(out, "vedette_restored") {
		t.Fatalf("exit code %d: %s%s", code, out, errOut)
	}
	after, err := s.query(fmt.Sprintf(all, "vedette_restored"))
	if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v was backed up, %v came back, %v", before, after, err)
	}
	policies, err := s.queryAs("--admin", `SHOW RETENTION POLICIES ON "vedette_restored"`)
	if err != nil || strings.Count(policies, ",0s,") != 2 {
		t.Errorf("policies: %s, %v", policies, err)
	}
	// As the command says: among the present ones again.
	into := `SELECT * INTO "vedette"."autogen"."http_quality" FROM "vedette_restored"."autogen"."http_quality" GROUP BY *`
	if _, err := s.queryAs("--admin", into); err != nil {
		t.Fatal(err)
	}
	if again, err := s.query(fmt.Sprintf(all, "vedette")); err != nil || fmt.Sprint(again) != fmt.Sprint(before) {
		t.Errorf("%v was backed up, %v is there, %v", before, again, err)
	}
	release(t, d.waitReady().Plugins[0].Pid)
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)
	if _, errOut, code := s.run("influx", "backup", "other"); code != 1 || !strings.Contains(errOut, "vedette run") {
		t.Errorf("without a daemon, exit code %d: %s", code, errOut)
	}
}

// queryAs asks in a shell, and gets CSV.
func (s *site) queryAs(who, q string) (string, error) {
	s.t.Helper()
	out, errOut, code := s.runWith(q+"\n", "influx", "shell", who, "-o", "csv")
	if code != 0 {
		return out, fmt.Errorf("%s", errOut)
	}
	return out, nil
}

func TestUsersAreManagedOnAnInfluxDBOfOnesOwn(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	r.start()
	r.provision("secret-of-probe")
	s := r.site("root:secret-of-root")
	out, errOut, code := s.runWith("secret-of-ana\n", "influx", "user", "add", "ana", "--password-stdin")
	if code != 0 || !strings.Contains(out, "ana may read the database quality") {
		t.Errorf("exit code %d: %s%s", code, out, errOut)
	}
	if out, _, _ := s.run("influx", "user", "list", "-o", "csv"); !strings.Contains(out, "ana,read quality,\n") || !strings.Contains(out, "root,everything,the daemon's own\n") {
		t.Errorf("list:\n%s", out)
	}
	s = r.site("probe:secret-of-probe")
	if _, errOut, code := s.run("influx", "user", "list"); code != 1 || !strings.Contains(errOut, "admin privilege") && !strings.Contains(errOut, "403") {
		t.Errorf("without the right, exit code %d: %s", code, errOut)
	}
	if _, errOut, code := s.run("influx", "backup", "copy"); code != 1 || !strings.Contains(errOut, "its own tools") {
		t.Errorf("backup, exit code %d: %s", code, errOut)
	}
}

// The spool belongs to no server: what waits when the configuration names another one goes there, and what was stored
// stays where it is.
func TestChangeToAnInfluxDBOfOnesOwnLosesNothing(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.startReady()
	st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 20 })
	// InfluxDB stands still, so that points wait.
	hold(t, st.InfluxDB.Pid)
	st = d.waitStatus("points wait on disk", func(st console.Status) bool { return st.Queue.Points > 50 })
	plugin := st.Plugins[0].Pid
	hold(t, plugin)
	var taken uint64
	d.waitStatus("nothing more comes", func(st console.Status) bool {
		still := st.Plugins[0].Points == taken
		taken = st.Plugins[0].Points
		return still
	})
	r := newRemoteInfluxDB(t)
	r.start()
	r.provision("secret-of-probe")
	r.provisionRecords()
	other := r.site("probe:secret-of-probe")
	text, err := os.ReadFile(other.path("config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	embeddedText, err := os.ReadFile(s.path("config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	s.configure(string(text))
	out, errOut, code := s.run("reload")
	if code != 0 || !strings.Contains(out, "takes effect at the next start: influxdb") {
		t.Errorf("reload, exit code %d: %s%s", code, out, errOut)
	}
	d.kill()
	s.waitGone(goneDeadline)

	d = s.start()
	d.waitStatus("what has waited is stored there", func(st console.Status) bool { return st.InfluxDB.Stored > 60 && st.InfluxDB.State == "connected" })
	st = d.waitReady()
	d.settle(st.Plugins[0].Pid)
	total := taken + d.waitReady().Plugins[0].Points
	there := s.times(t)
	release(t, st.Plugins[0].Pid)
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)

	s.configure(string(embeddedText))
	d = s.startReady()
	here := s.times(t)
	both := map[string]bool{}
	for at := range there {
		both[at] = true
	}
	for at := range here {
		both[at] = true
	}
	// The last start has made points too, so there may be more.
	if uint64(len(both)) < total || len(there) < 50 || len(here) < 20 {
		t.Errorf("%d points were accepted; %d are in the one, %d in the other, %d in all", total, len(here), len(there), len(both))
	}
	_ = d
}

// times are the series and times of all probes that are stored.
func (s *site) times(t *testing.T) map[string]bool {
	t.Helper()
	out, errOut, code := s.run("query", "-o", "csv", "SELECT up, target::tag FROM http_quality")
	if code != 0 {
		t.Fatal(errOut)
	}
	all := map[string]bool{}
	for line := range strings.Lines(out) {
		all[line] = true
	}
	return all
}
