package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// rootConfig is what `make run` starts.
const rootConfig = "../config.hcl"

func TestRootConfigurationIsValid(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(rootConfig)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "")
	if out, errOut, code := s.run("validate", path); code != 0 || out != path+" is valid.\n" || errOut != "" {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}

// siteOfRootConfig is the root configuration as it is, but for ports that are free here.
func siteOfRootConfig(t *testing.T) *site {
	t.Helper()
	text, err := os.ReadFile(rootConfig)
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for _, port := range []string{"8420", "8086"} {
		if !strings.Contains(config, port) {
			t.Fatalf("%s has no port %s to replace", rootConfig, port)
		}
		config = strings.ReplaceAll(config, port, strconv.Itoa(reservePort(t).Number))
	}
	return newSite(t, config)
}

func TestRootConfigurationShowsItsPointsSoonAfterTheStart(t *testing.T) {
	t.Parallel()
	s := siteOfRootConfig(t)
	d := s.startReady()
	const query = "SELECT total_time, http_code, up FROM http_quality ORDER BY time DESC LIMIT 3"
	waitUntil(t, "both targets have a point", patience, func() bool { return s.count(time.Now()) >= 2 })

	t.Run("table", func(t *testing.T) {
		out, errOut, code := s.run("query", query)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if code != 0 || errOut != "" || len(lines) < 4 || lines[0] != "http_quality" {
			t.Fatalf("exit code %d, %s\n%s", code, errOut, out)
		}
		if got := strings.Fields(lines[1]); strings.Join(got, " ") != "time total_time http_code up" {
			t.Errorf("header %q", got)
		}
		row := regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+Z +[0-9.e-]+ +(200|204) +1$`)
		for _, line := range lines[2:] {
			if !row.MatchString(line) {
				t.Errorf("row %q", line)
			}
		}
	})
	t.Run("json", func(t *testing.T) {
		out, _, code := s.run("query", query, "-o", "json")
		var series []influx.Series
		if err := json.Unmarshal([]byte(out), &series); code != 0 || err != nil || len(series) != 1 || len(series[0].Rows) < 2 {
			t.Errorf("exit code %d, %v\n%s", code, err, out)
		}
	})
	t.Run("csv", func(t *testing.T) {
		out, _, code := s.run("query", "-o", "csv", query)
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if code != 0 || err != nil || len(rows) < 3 || strings.Join(rows[0], ",") != "name,time,total_time,http_code,up" {
			t.Errorf("exit code %d, %v\n%s", code, err, out)
		}
	})
	t.Run("greeting", func(t *testing.T) { d.wantGreetingToHoldTrue(t) })
	t.Run("status", func(t *testing.T) { d.wantStatusToListAll(t) })
}

// wantGreetingToHoldTrue runs the commands that the daemon told its user to type, as a shell understands them.
func (d *daemon) wantGreetingToHoldTrue(t *testing.T) {
	commands := regexp.MustCompile(`(?m)^  (\S*vedette (status|query).*)$`).FindAllStringSubmatch(d.out.String(), -1)
	if len(commands) != 2 {
		t.Fatalf("the greeting names %d commands", len(commands))
	}
	for _, c := range commands {
		cmd := exec.Command("sh", "-c", c[1])
		cmd.Dir, cmd.Env = d.home, environment(d.home)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "http") {
			t.Errorf("%s: %v\n%s", c[1], err, out)
		}
	}
}

func (d *daemon) wantStatusToListAll(t *testing.T) {
	st, err := d.status()
	if err != nil {
		t.Fatal(err)
	}
	p := st.Plugins[0]
	if len(st.Plugins) != 1 || p.Name != "http-quality" || p.State != "ready" || p.Pid == 0 || p.Points < 2 || p.Restarts != 0 ||
		p.Version != "1.2.3-test" || p.Since.Before(st.Started) {
		t.Errorf("plugins: %+v", st.Plugins)
	}
	if st.Pid != d.cmd.Process.Pid || st.Version != "1.2.3-test" || st.DataDir != d.path("data") || st.Tags["isp"] != "lan" {
		t.Errorf("status: %+v", st)
	}
	if db := st.InfluxDB; !db.Embedded || db.Pid == 0 || db.Stored < 2 || db.Bucket != "vedette" {
		t.Errorf("InfluxDB: %+v", db)
	}
	out, errOut, code := d.run("status")
	if code != 0 || errOut != "" {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	for _, want := range []string{
		`(?m)^Vedette 1\.2\.3-test, process ` + strconv.Itoa(st.Pid) + `, up \d+`,
		`(?m)^PLUGIN +VERSION +STATE +SINCE +PID +POINTS +REFUSED +RESTARTS$`,
		`(?m)^http-quality +1\.2\.3-test +ready +[0-9ms]+ +` + strconv.Itoa(p.Pid) + ` +\d+ +0 +0$`,
		`(?m)^InfluxDB +` + regexp.QuoteMeta(st.InfluxDB.URL) + `, bucket vedette: ready for `,
		`(?m)^Queue +\d+ points, `,
		`(?m)^Data +` + regexp.QuoteMeta(st.DataDir) + `$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("status has nothing like %s:\n%s", want, out)
		}
	}
}
