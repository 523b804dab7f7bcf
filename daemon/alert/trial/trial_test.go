package trial

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// run runs the tests of a file.
func run(t *testing.T, name string) []Result {
	t.Helper()
	p, notifiers := configured(t)
	tests, diags := Read([]string{filepath.Join("testdata", name)}, p, notifiers)
	if diags.HasErrors() {
		t.Fatal(strings.Join(diags.Errors(), "\n"))
	}
	var results []Result
	for _, one := range tests {
		results = append(results, Run(one, p, notifiers))
	}
	return results
}

func TestTestsThatHoldPass(t *testing.T) {
	for _, r := range run(t, "pass.test.hcl") {
		if len(r.Failures) > 0 {
			t.Errorf("%s:\n  %s\nthe story is\n  %s", r.Name, strings.Join(r.Failures, "\n  "), strings.Join(r.Story, "\n  "))
		}
	}
}

func TestATestThatFailsSaysWhatWasNotSoAndWhatHasHappened(t *testing.T) {
	var out bytes.Buffer
	results := run(t, "fail.test.hcl")
	failed, err := Write(&out, results)
	if err != nil || failed != 3 {
		t.Errorf("%d have failed (%v)", failed, err)
	}
	golden(t, "fail.golden", out.Bytes())
}

func TestWhatIsWrongWithAFileHasItsPlace(t *testing.T) {
	p, notifiers := configured(t)
	_, diags := Read([]string{filepath.Join("testdata", "wrong.test.hcl"), filepath.Join("testdata", "none.test.hcl")}, p, notifiers)
	var out bytes.Buffer
	if err := diags.Write(&out); err != nil || !diags.HasErrors() {
		t.Fatal(err)
	}
	golden(t, "wrong.golden", out.Bytes())
}

// TestAReportIsJUnits holds what CI systems read of a report: suites, cases, failures, and no character that XML does not have.
func TestAReportIsJUnits(t *testing.T) {
	results := slices.Concat(run(t, "pass.test.hcl"), run(t, "fail.test.hcl"))
	results[0].Story = append(results[0].Story, "\x1b[31m\x00 ]]> <&")
	var out bytes.Buffer
	if err := WriteJUnit(&out, results); err != nil {
		t.Fatal(err)
	}
	elements := map[string]int{}
	var failures, cases int
	for d := xml.NewDecoder(bytes.NewReader(out.Bytes())); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements[start.Name.Local]++
		for _, a := range start.Attr {
			switch {
			case start.Name.Local == "testsuites" && a.Name.Local == "tests" && a.Value != "11", start.Name.Local == "testsuites" && a.Name.Local == "failures" && a.Value != "3":
				t.Errorf("%s is %s", a.Name.Local, a.Value)
			case a.Name.Local == "time" && !regexp.MustCompile(`^\d+\.\d{3}$`).MatchString(a.Value):
				t.Errorf("the time is %q", a.Value)
			}
		}
	}
	failures, cases = elements["failure"], elements["testcase"]
	if elements["testsuites"] != 1 || elements["testsuite"] != 2 || cases != 11 || failures != 3 || elements["system-out"] < 8 {
		t.Errorf("there are %v", elements)
	}
	if strings.ContainsAny(out.String(), "\x1b\x00") {
		t.Error("control characters are in it")
	}
}

func TestATestIsReadWithoutItsNeighbours(t *testing.T) {
	for text, says := range map[string]string{
		"":                               "",
		`test "x" {}`:                    `The argument "rule" is required`,
		`test "x" { rule = alert.slow }`: "Say what has to be so",
		"test \"x\" {\nrule = alert.slow\nat \"1m\" {}\n}": "Say what has to be so at this time",
		`test "x" {`: "",
	} {
		_, diags := read(t, text)
		if got := strings.Join(diags.Errors(), "; "); !strings.Contains(got, says) || says != "" && got == "" {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestAReplayTellsWhatWouldHaveFired(t *testing.T) {
	p, _ := configured(t)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := NewReplay(p, []string{"slow", "silent"}, begin)
	give := func(minute int, target string, total float64) {
		r.Observe(&point.Point{
			Measurement: []byte("http_quality"), Time: begin.Add(time.Duration(minute) * time.Minute).UnixNano(),
			Tags:   []point.Tag{{Key: []byte("isp"), Value: []byte("ct")}, {Key: []byte("target"), Value: []byte(target)}},
			Fields: []point.Field{point.FieldOf("available", true), point.FieldOf("http_code", int64(200)), point.FieldOf("total_time", total)},
		})
	}
	for minute := range 60 {
		total := 0.4
		if minute >= 10 && minute < 20 || minute >= 50 {
			total = 3
		}
		give(minute, "shop", total)
		if minute < 30 || minute >= 55 {
			give(minute, "blog x", 0.4)
		}
	}
	episodes, unknown := r.End(begin.Add(time.Hour))
	var got []string
	for _, e := range episodes {
		to := "…"
		if !e.To.IsZero() {
			to = e.To.UTC().Format("15:04:05")
		}
		got = append(got, strings.Join([]string{e.Alert, e.Severity, e.Labels, e.From.UTC().Format("15:04:05"), to}, " "))
	}
	want := []string{
		"silent warning target=never 00:10:00 …", "slow critical target=shop 00:12:00 00:21:00",
		`silent warning target="blog x" 00:39:00 00:55:00`, "slow critical target=shop 00:52:00 …",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it is\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if r.Points != 95 || len(unknown) != 0 {
		t.Errorf("%d points, unknown %v", r.Points, unknown)
	}
}

func TestAReplayCountsEventsAndSeesWhatWasCompleted(t *testing.T) {
	p, _ := configured(t)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := NewReplay(p, []string{"rm", "ended"}, begin)
	for i, command := range []string{"rm a", "rm b", "ls", "rm c"} {
		r.Observe(&point.Point{
			Measurement: []byte("shell_command"), Time: begin.Add(time.Duration(i) * time.Minute).UnixNano(), Tags: []point.Tag{{Key: []byte("user"), Value: []byte("root")}},
			Fields: []point.Field{point.FieldOf("command", command), point.FieldOf("exit_code", int64(i%2))},
		})
	}
	episodes, _ := r.End(begin.Add(time.Hour))
	events, ended := 0, 0
	for _, e := range episodes {
		if e.Alert == "rm" {
			events += e.Events
		} else {
			ended++
		}
	}
	if events != 3 || ended != 2 || len(episodes) != 3 {
		t.Errorf("%d events and %d ends in %d episodes", events, ended, len(episodes))
	}
}

// FuzzValues holds that any values are refused, or are of the kind that the field has, and are not more than a test may have.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"0.4 2.5x3 _ ?", "true falsex2", "a b x3", "1e400", "-0 0x10 1x999999", "_x3 ?x2", "1x000001"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []expression.Kind{expression.Any, expression.Number, expression.Bool, expression.Text} {
			list, err := parse(text, kind)
			if err != nil {
				continue
			}
			if len(list) > mostPoints {
				t.Fatalf("%d values", len(list))
			}
			for _, v := range list {
				if v.missing || v.none {
					continue
				}
				made := point.FieldOf("x", v.value)
				if made.Kind == point.Missing || made.Kind == point.Float && (math.IsNaN(made.Float()) || math.IsInf(made.Float(), 0)) {
					t.Fatalf("%q makes %v", text, v.value)
				}
				switch kind {
				case expression.Number:
					if made.Kind != point.Float && made.Kind != point.Int {
						t.Fatalf("%q is no number", text)
					}
				case expression.Bool:
					if made.Kind != point.Bool {
						t.Fatalf("%q is no truth value", text)
					}
				case expression.Text:
					if made.Kind != point.String {
						t.Fatalf("%q is no text", text)
					}
				}
			}
		}
	})
}
