package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// exampleOfAlerts makes a directory with the example of alerts, whose plugins are those that are built here.
func exampleOfAlerts(t *testing.T) (dir, tests string) {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(examples, "alerts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		files[e.Name()] = read(t, filepath.Join(examples, "alerts", e.Name()))
	}
	dir = withPlugins(t, files)
	return dir, filepath.Join(dir, "alerts"+config.TestSuffix)
}

func TestTheTestsOfTheExamplePass(t *testing.T) {
	dir, tests := exampleOfAlerts(t)
	report := filepath.Join(t.TempDir(), "report.xml")
	code, out, errOut := vedette(t, "test", "--config", dir, "--junit", report, tests)
	if code != 0 || errOut != "" {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
	// Each of the alerts has a test.
	text := read(t, report)
	for _, name := range []string{
		"site_bad_over_telecom", "site_down", "certificate_expires", "dangerous_command", "host_silent", "site_error_rate", "availability_low", "no_points",
	} {
		if !strings.Contains(text, `classname="`+name+`"`) {
			t.Errorf("there is no test of %s", name)
		}
	}
}

func TestTheExitStatusOfATestSaysWhatIsWrong(t *testing.T) {
	dir, tests := exampleOfAlerts(t)
	failing := write(t, t.TempDir(), "x.test.hcl", "test \"x\" {\n  rule = alert.no_points\n  at \"1m\" {\n    state = \"firing\"\n  }\n}\n")
	wrong := write(t, t.TempDir(), "y.test.hcl", "test \"y\" {\n  rule = alert.nothing\n}\n")
	for _, tc := range []struct {
		args  []string
		code  int
		shows string
	}{
		{[]string{"--config", dir, "--run", "one line", tests}, 0, "1 test, 0 failed."},
		{[]string{"--config", dir, failing, tests}, 1, "FAIL  x"},
		{[]string{"--config", dir, wrong}, 2, "y.test.hcl:2,10"},
		{[]string{"--config", dir, filepath.Join(dir, "none.test.hcl")}, 2, "no such file"},
		{[]string{"--config", filepath.Join(dir, "none.hcl"), tests}, 2, "none.hcl"},
		{[]string{"--config", dir, "--run", "nothing of this name", tests}, 2, "none of 14 tests is chosen"},
		{[]string{"--config", dir, "--run", "(", tests}, 2, "--run"},
		{nil, 2, "name a file with tests"},
		{[]string{"--replay", "7d", tests}, 2, "--replay reads no files"},
		{[]string{"--replay", "tomorrow", "--config", dir}, 2, "no duration"},
		{[]string{"--replay", "7d", "--rule", "site_donw", "--config", dir}, 2, `Did you mean "site_down"?`},
		{[]string{"--replay", "7d", "--rule", "host_silent", "--config", dir}, 2, "has a query"},
		{[]string{"--rule", "x", tests}, 2, "--rule is for --replay"},
		{[]string{"--no-such-flag"}, 2, "no-such-flag"},
	} {
		code, out, errOut := vedette(t, append([]string{"test"}, tc.args...)...)
		if code != tc.code || !strings.Contains(out+errOut, tc.shows) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s%s", tc.args, code, tc.code, tc.shows, out, errOut)
		}
	}
}

// TestAReplayJudgesWhatInfluxDBHas writes hours of probes and commands into a real InfluxDB, and has alerts judge them.
func TestAReplayJudgesWhatInfluxDBHas(t *testing.T) {
	running := withInfluxDB(t)
	now := time.Now().Truncate(time.Second)
	begin := now.Add(-3 * time.Hour)
	var probes, commands strings.Builder
	// They are more than a page of them, whose last moment is on two pages.
	for i := range 3 * 3600 {
		at := begin.Add(time.Duration(i) * time.Second)
		for _, isp := range []string{"ct", "cu", "cm"} {
			up, code := true, 200
			if minute := i / 60; minute >= 60 && minute < 75 && isp != "cm" {
				up, code = false, 0
			}
			total := 0.4
			if i/60 >= 170 && isp == "ct" {
				total = 2.5
			}
			fmt.Fprintf(&probes, "http_quality,target=shop,isp=%s available=%t,up=%di,http_code=%di,total_time=%v,error=\"a \\\"b\\\"\" %d\n", isp, up, map[bool]int{true: 1}[up], code, total, at.UnixNano())
		}
		if i%60 == 0 {
			fmt.Fprintf(&commands, "shell_command,host=web-1,user=root command=\"ls\",uid=0i %d\n", at.UnixNano())
		}
	}
	for i, command := range []string{"rm -rf /", "mkfs.ext4 /dev/sda1"} {
		fmt.Fprintf(&commands, "shell_command,host=web-1,user=root command=%q,uid=0i %d\n", command, begin.Add(time.Hour+time.Duration(i)*time.Minute).UnixNano()+1)
	}
	storeLines(t, running, "", probes.String())
	storeLines(t, running, "records", commands.String())

	dir, _ := exampleOfAlerts(t)
	write(t, dir, "zz-plugins.hcl", fmt.Sprintf("daemon {\n  plugin_dir = %q\n  data_dir   = %q\n}\n", pluginDir, running.Daemon.DataDir))
	code, out, errOut := vedette(t, "test", "--config", dir, "--replay", "4h")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, out, errOut)
	}
	shown := func(at time.Duration) string { return begin.Add(at).Local().Format(time.DateTime) }
	for _, want := range []string{
		// The third bad sample over telecom, and the second good one; of two lines that are down the first one that is up.
		"site_bad_over_telecom  warning   target=shop          " + shown(time.Hour+2*time.Second) + "  " + shown(time.Hour+15*time.Minute+time.Second) + "  14m59s",
		"site_bad_over_telecom  warning   target=shop          " + shown(170*time.Minute+2*time.Second) + "  still fires",
		"site_down              critical  target=shop          " + shown(time.Hour+time.Second),
		"dangerous_command      critical  host=web-1 user=root " + shown(time.Hour) + "                       2×",
		"site_down: fires 1 time, for 14m59s", "dangerous_command: 2 events", "certificate_expires: does not fire",
		"host_silent: left out, for its query asks for now",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}

	code, out, errOut = vedette(t, "test", "--config", dir, "--replay", "4h", "--rule", "site_down", "-o", "json")
	var result struct {
		Points   int
		Episodes []struct {
			Alert, Severity, Labels string
			From, To                time.Time
			Seconds                 float64 `json:"firing_s"`
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, out, errOut)
	}
	if len(result.Episodes) != 1 || result.Points != 3*3*3600 || result.Episodes[0].Seconds != 899 || !result.Episodes[0].From.Equal(begin.Add(time.Hour+time.Second)) {
		t.Errorf("it is %+v", result)
	}
}

// storeLines writes lines into a retention policy of the daemon's InfluxDB.
func storeLines(t testing.TB, cfg *config.Config, policy, lines string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cfg.Daemon.DataDir, "influxdb", "credentials.json"))
	var made struct {
		URL    string
		Writer struct{ Name, Password string }
	}
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, made.URL+"/write?db=vedette&rp="+policy, strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(made.Writer.Name, made.Writer.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("InfluxDB does not take points: %s", resp.Status)
	}
}

func TestTheTestOfThePageAboutAlertsPasses(t *testing.T) {
	page := read(t, "../../docs/alerts.md")
	first := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindStringSubmatch(page)
	shown := regexp.MustCompile("(?s)```\n(test .*?)```").FindStringSubmatch(page)
	if first == nil || shown == nil {
		t.Fatal("the page has no alert, or no test")
	}
	dir := withPlugins(t, map[string]string{
		"example.hcl": first[1], "http-quality.hcl": "plugin \"http-quality\" {}\n", "notifiers.hcl": read(t, filepath.Join(examples, "alerts", "notifiers.hcl")),
	})
	if code, out, errOut := vedette(t, "test", "--config", dir, write(t, dir, "page"+config.TestSuffix, shown[1])); code != 0 || !strings.Contains(out, "1 test, 0 failed.") {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
}
