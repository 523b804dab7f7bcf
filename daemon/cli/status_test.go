package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
)

func TestAgesHaveTheTwoUnitsThatMatter(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "59s": 59 * time.Second, "1m0s": time.Minute, "59m59s": time.Hour - time.Second, "1h0m": time.Hour,
		"23h59m": 24*time.Hour - time.Minute, "1d0h": 24 * time.Hour, "400d23h": 401*24*time.Hour - time.Hour,
	} {
		if got := age(time.Now().Add(-d)); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func TestSizesAreWholeNumbersOfTheLargestUnit(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1<<20 - 1: "1023 KiB", 1 << 20: "1 MiB", 5 << 30: "5 GiB", 9 << 40: "9216 GiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

func TestTheStatusCountsASingleAlertInTheSingular(t *testing.T) {
	var out strings.Builder
	printAlertSummary(&out, console.Alerts{Rules: 2, Firing: 1, Waiting: 1})
	if want := "Alerts    1 fires; 1 notice waits (2 rules)\n"; !strings.Contains(out.String(), want) {
		t.Errorf("it lacks %q:\n%s", want, out.String())
	}
}

func TestTheStatusSaysWhatIsWrong(t *testing.T) {
	long := time.Now().Add(-50*time.Hour - 30*time.Minute)
	st := console.Status{
		Version: "1.2.3", Pid: 7, Started: long, DataDir: "/var/lib/vedette", Problem: "no space\x1b[2J",
		Plugins: []console.Plugin{
			{Name: "http-quality", Version: "0.1.0", State: "running", Since: long, Pid: 8, Points: 12},
			{Name: "x", State: "backoff", Since: long, Cause: "exit status 7\nboom", Refused: 3, RefusedReason: "no \x07fields", Restarts: 2},
		},
		Queue: console.Queue{
			Lane:    console.Lane{Points: 5, Bytes: 2048, DiskBytes: 8192, OldestAge: 1.5, Lost: 7, Dropped: 600, DroppedBytes: 3 << 20},
			Records: console.Lane{Points: 1, Bytes: 100, OldestAge: 0.25, Dropped: 2}, MaxBytes: 2 << 30,
		},
		Alerts: console.Alerts{Rules: 9, Firing: 3, Suppressed: 1, Acked: 2, Waiting: 4, Failing: []string{"email.ops", "x\x1b"}, Problem: "full"},
		InfluxDB: console.InfluxDB{URL: "http://127.0.0.1:8086", Bucket: "vedette", State: "holding", Since: long, Error: "refused\r", Stored: 1, Rejected: 2, Expired: 3,
			Refusal: "400: unable to\tparse", Refused: &long, LettersDropped: 4},
	}
	var out strings.Builder
	header, rows := pluginRows(st.Plugins)
	if err := printStatus(&out, st, header, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Vedette 1.2.3, process 7, up 2d2h\n", "PROBLEM: no space\ufffd[2J\n",
		"http-quality  0.1.0    running  2d2h   8    12      0        0\n",
		"x                      backoff  2d2h   -    0       3        2\n",
		"x is in state backoff: exit status 7\ufffdboom\n", "3 points of x were refused; the last because no \ufffdfields\n",
		"Alerts    3 fire, 1 of them suppressed, 2 acknowledged; 4 notices wait (9 rules)\n", "not delivering: email.ops, x\ufffd; see", "PROBLEM: full\n",
		"http://127.0.0.1:8086, bucket vedette: holding for 2d2h\n", "last error: refused\ufffd\n",
		"1 points stored, 2 set aside, 3 too old\n",
		"set aside last, 2d2h ago: 400: unable to\ufffdparse; see `vedette deadletter list`\n", "4 dead letters dropped to make room for newer ones\n",
		"5 points, 2 KiB, the oldest for 1.5s; 8 KiB of 2 GiB are in use\n",
		"of these are records: 1 points, 100 B, the oldest for 250ms\n", "7 points were lost to damage on disk\n",
		"600 points were dropped because it was full, 2 of them records: 3 MiB\n", "/var/lib/vedette\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, out.String())
		}
	}
}
