package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func TestDeadLettersAreSentAgainByTheDaemonAndThoseThatAreBadStay(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	letters, err := influx.OpenDeadLetters(s.path("data", "deadletters"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for lane, lines := range map[influx.Lane][]string{
		influx.Points: {fmt.Sprintf("mended,k=a v=1 %d", now.UnixNano()), fmt.Sprintf("mended,k=b v=2 %d", now.UnixNano()),
			"bad line", fmt.Sprintf("mended v=3 %d", now.Add(-60*24*time.Hour).UnixNano())},
		influx.Records: {fmt.Sprintf("shell_command v=4 %d", now.UnixNano())},
	} {
		for _, line := range lines {
			if err := letters.Add(lane, [][]byte{[]byte(line)}, "400: for a test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := letters.Close(); err != nil {
		t.Fatal(err)
	}
	d := s.startReady()
	d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })

	out, errOut, code := s.run("deadletter", "retry", "--measurement", "bad")
	if code != 0 || out != "0 stored, 0 too old, 1 refused again\n" {
		t.Fatalf("retry of the bad one, exit code %d: %s%s", code, out, errOut)
	}
	out, errOut, code = s.run("deadletter", "retry")
	if code != 0 || out != "3 stored, 1 too old, 1 refused again\n" {
		t.Fatalf("retry, exit code %d: %s%s", code, out, errOut)
	}
	var left []struct{ Measurement, Reason string }
	out, _, _ = s.run("deadletter", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &left); err != nil || len(left) != 1 || left[0].Measurement != "bad" || left[0].Reason != "400: for a test" {
		t.Errorf("left: %s", out)
	}
	for q, want := range map[string]int{"SELECT v FROM mended": 2, "SELECT v FROM vedette.records.shell_command": 1} {
		if rows, err := s.query(q); err != nil || len(rows) != want {
			t.Errorf("%s: %v, %v", q, rows, err)
		}
	}
	out, errOut, code = s.run("deadletter", "drop", "--all", "--yes")
	if code != 0 || out != "1 dropped\n" {
		t.Errorf("drop, exit code %d: %s%s", code, out, errOut)
	}
	if out, _, _ = s.run("deadletter", "list"); out != "No dead letters.\n" {
		t.Errorf("left: %s", out)
	}
}

func TestAWrongTypeIsShownWithItsFieldAndItsPointsAreDeadLetters(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	r.start()
	r.provision("secret-of-probe")
	// Somebody has stored a text where the probe has a number.
	r.write("quality/month", fmt.Sprintf(`http_quality http_code="none" %d`, time.Now().UnixNano()))
	s := r.site("probe:secret-of-probe")
	d := s.start()
	st := d.waitStatus("points are set aside", func(st console.Status) bool { return st.InfluxDB.Rejected > 20 && len(st.InfluxDB.WrongFields) > 0 })
	if f := st.InfluxDB.WrongFields[0]; f.Measurement != "http_quality" || f.Field != "http_code" || f.Given != "integer" || f.Existing != "string" || f.Points == 0 {
		t.Errorf("wrong field: %+v", f)
	}
	if out, _, _ := s.run("status"); !strings.Contains(out, "field http_code of http_quality comes as integer, InfluxDB has string") {
		t.Errorf("status:\n%s", out)
	}
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)
	// Without the daemon they can still be looked at.
	out, _, code := s.run("deadletter", "show", "-n", "1")
	if code != 0 || !strings.Contains(out, "already exists as type string") || !strings.Contains(out, "http_quality,") {
		t.Errorf("show, exit code %d:\n%s", code, out)
	}
}
