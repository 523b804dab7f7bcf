package influx_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// The contract is what holds for InfluxDB 1.8 and for 2.x alike. contractServer gives the one that the tests are built
// for: 2.x with the tag influxdb2.

// contracted is an InfluxDB with what a test needs to do to it as its administrator.
type contracted struct {
	url, token, org string
	version         string
	// bucket makes a bucket, on 1.8 a database, whose points are kept for a time.
	bucket func(t testing.TB, name string, keep time.Duration)
	// drop removes it, with all that belongs to it.
	drop func(t testing.TB, name string)
	// retention is how long the bucket keeps points, on 1.8 database/policy.
	retention func(t testing.TB, name string) time.Duration
	// writeOnly makes a token that may write to the bucket, and nothing else.
	writeOnly func(t testing.TB, name string) string
}

const day = 24 * time.Hour

func (c contracted) setup(t testing.TB, bucket, token string) *influx.Setup {
	t.Helper()
	s, err := influx.NewSetup(influx.SetupOptions{URL: c.url, Token: token, Org: c.org, Bucket: bucket,
		Retention: 32 * day, RecordsRetention: 400 * day})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (c contracted) writer(t testing.TB, target influx.Target, token string, s *influx.Setup) (*influx.Writer, *refusals) {
	t.Helper()
	o := influx.WriterOptions{URL: c.url, Token: token, Org: c.org, Bucket: target.Bucket}
	if s != nil {
		o.Prepare = s.To(target.Lane)
	}
	w, refused := writerTo(t, o)
	influx.SetWaits(w, 10*time.Millisecond)
	return w, refused
}

func (c contracted) query(t testing.TB, database, q string) []influx.Series {
	t.Helper()
	r, err := influx.NewReader(influx.ReaderOptions{URL: c.url, Token: c.token, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Query(limited(t), q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return series
}

func rowsIn(series []influx.Series) (n int) {
	for _, s := range series {
		n += len(s.Rows)
	}
	return n
}

func mustWrite(t testing.TB, w *influx.Writer, want influx.Result, text ...string) influx.Result {
	t.Helper()
	got, err := w.Write(limited(t), lines(text...))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, got, want)
	return got
}

func TestContractSetUpMakesBothTargetsBeforeTheFirstWriteAndOneTextReadsThem(t *testing.T) {
	c := contractServer(t)
	name := unique()
	s := c.setup(t, name, c.token)
	points, records := influx.Targets(name)
	now := time.Now().UnixNano()
	for _, target := range []influx.Target{records, points} {
		w, _ := c.writer(t, target, c.token, s)
		mustWrite(t, w, influx.Result{Stored: 1}, fmt.Sprintf("m,lane=%s v=1 %d", target.Lane, now))
		if state := w.State(); state.Retries != 0 {
			t.Errorf("%s: the first write was made before the set-up: %+v %+v", target.Lane, state, s.Report())
		}
	}
	for q, lane := range map[string]string{
		`SELECT v, lane::tag FROM m`:                                 "points",
		fmt.Sprintf(`SELECT v, lane FROM %q..m`, name):               "points",
		fmt.Sprintf(`SELECT v, lane FROM %q."autogen"."m"`, name):    "points",
		fmt.Sprintf(`SELECT v, lane FROM %q."records"."m"`, name):    "records",
		fmt.Sprintf(`SELECT v, lane::tag FROM %q.records.m`, name):   "records",
		fmt.Sprintf(`SELECT last(v), lane FROM %q.records.m`, name):  "records",
		`SELECT count(v) FROM m WHERE lane = 'points' GROUP BY lane`: "",
	} {
		series := c.query(t, name, q)
		if rowsIn(series) != 1 || lane != "" && series[0].Rows[0][2].String() != lane {
			t.Errorf("%s: %v", q, series)
		}
	}
	r, err := influx.NewReader(influx.ReaderOptions{URL: c.url, Token: c.token, Database: name, Policy: "records"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if series, err := r.Query(limited(t), "SELECT lane, v FROM m"); err != nil || rowsIn(series) != 1 || series[0].Rows[0][1].String() != "records" {
		t.Errorf("with the policy of the reader: %v, %v", series, err)
	}
	if raw, kept := c.retention(t, points.Bucket), c.retention(t, records.Bucket); raw != 32*day || kept != 400*day {
		t.Errorf("points are kept %s, records %s", raw, kept)
	}
	report := s.Report()
	if report.Server != "InfluxDB "+c.version || report.Problem != "" || len(report.Differences)+len(report.Needed) > 0 {
		t.Errorf("report: %+v", report)
	}
	if !s.Prepare(limited(t), influx.Points, false) || len(s.Report().Differences)+len(s.Report().Needed) > 0 {
		t.Errorf("the second set-up reports: %+v", s.Report())
	}
}

func TestContractWhatIsThereIsNotChangedButReported(t *testing.T) {
	c := contractServer(t)
	name := unique()
	c.bucket(t, name, 5*day)
	s := c.setup(t, name, c.token)
	for range 2 {
		if s.Prepare(limited(t), influx.Points, false) {
			t.Error("nobody would see that it is changed later")
		}
	}
	r := s.Report()
	if r.Problem != "" {
		t.Fatal(r.Problem)
	}
	if len(r.Differences) != 1 || !strings.Contains(r.Differences[0], "keeps points 5d, the configuration says 32d; to change it: ") || len(r.Needed) > 0 {
		t.Errorf("report: %+v", r)
	}
	if kept := c.retention(t, name); kept != 5*day {
		t.Errorf("now it keeps points %s", kept)
	}
	if kept := c.retention(t, name+"/records"); kept != 400*day {
		t.Errorf("records are kept %s", kept)
	}
}

func TestContractTargetThatIsDroppedIsMadeAgainAndTheBatchArrives(t *testing.T) {
	c := contractServer(t)
	name := unique()
	s := c.setup(t, name, c.token)
	points, records := influx.Targets(name)
	w, refused := c.writer(t, points, c.token, s)
	now := time.Now().UnixNano()
	mustWrite(t, w, influx.Result{Stored: 1}, fmt.Sprintf("m v=1 %d", now))
	c.drop(t, name)
	mustWrite(t, w, influx.Result{Stored: 1}, fmt.Sprintf("m v=2 %d", now+1))
	// On 1.8 the records are in the same database, so the first set-up has brought them back too.
	w, _ = c.writer(t, records, c.token, s)
	mustWrite(t, w, influx.Result{Stored: 1}, fmt.Sprintf("m v=3 %d", now+2))
	if n := rowsIn(c.query(t, name, "SELECT v FROM m")); n != 1 || len(refused.lines) > 0 {
		t.Errorf("%d points, refused %q", n, refused.why)
	}
}

func TestContractWithoutRightsWritingGoesOnAndTheCommandsAreTold(t *testing.T) {
	c := contractServer(t)
	name := unique()
	c.bucket(t, name, 32*day)
	token := c.writeOnly(t, name)
	s := c.setup(t, name, token)
	points, records := influx.Targets(name)
	w, _ := c.writer(t, points, token, s)
	mustWrite(t, w, influx.Result{Stored: 1}, fmt.Sprintf("m v=1 %d", time.Now().UnixNano()))
	if r := s.Report(); len(r.Needed)+len(r.Differences) > 0 || r.Problem != "" {
		t.Errorf("nothing is known to be missing, and the report says %+v", r)
	}

	// What is missing holds its own lane until an administrator has done what the report says.
	w, refused := c.writer(t, records, token, s)
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := w.Write(ctx, lines(fmt.Sprintf("m v=1 %d", time.Now().UnixNano())))
		done <- err
	}()
	waitFor(t, func() bool { return w.State().Condition == influx.Misconfigured && len(s.Report().Needed) > 0 })
	r := s.Report()
	if !slices.ContainsFunc(r.Needed, func(command string) bool {
		return strings.Contains(command, "records") && (strings.Contains(command, "34560000s"))
	}) {
		t.Errorf("report: %+v", r)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || len(refused.lines) > 0 {
		t.Errorf("%v, refused %q", err, refused.why)
	}
}

func TestContractWrongTokenHolds(t *testing.T) {
	c := contractServer(t)
	name := unique()
	c.bucket(t, name, 32*day)
	s := c.setup(t, name, "nobody:wrong-password")
	points, _ := influx.Targets(name)
	w, refused := c.writer(t, points, "nobody:wrong-password", s)
	ctx, cancel := context.WithCancel(limited(t))
	done := make(chan error, 1)
	go func() {
		_, err := w.Write(ctx, lines(fmt.Sprintf("m v=1 %d", time.Now().UnixNano())))
		done <- err
	}()
	waitFor(t, func() bool { return w.State().Retries > 2 })
	if state := w.State(); state.Condition != influx.Misconfigured || !strings.Contains(state.LastError, "401") {
		t.Errorf("state: %+v", state)
	}
	if r := s.Report(); !strings.Contains(r.Problem, "401") || strings.Contains(r.Problem, "wrong-password") {
		t.Errorf("report: %+v", r)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || len(refused.lines) > 0 {
		t.Errorf("%v, refused %q", err, refused.why)
	}
}

func TestContractBadPointsAreFoundAndTheOthersStored(t *testing.T) {
	c := contractServer(t)
	now := time.Now().UnixNano()
	old := time.Now().Add(-60 * day).UnixNano()
	for name, test := range map[string]struct {
		before []string
		bad    []string
		want   influx.Result
		most   int // requests
	}{
		"a wrong type":               {[]string{"m v=1 %d"}, []string{`m v="x" %d`}, influx.Result{Stored: 5000, Rejected: 1}, 5},
		"a wrong type of odd names":  {[]string{`a\ "b"\,c v\ \=x\,é=1 %d`}, []string{`a\ "b"\,c v\ \=x\,é=1i %d`}, influx.Result{Stored: 5000, Rejected: 1}, 5},
		"a new field with two types": {nil, []string{"fresh w=1 %d", "fresh w=true %d"}, influx.Result{Stored: 5001, Rejected: 1}, 5},
		"three conflicts": {[]string{"m v=1 %d", "n v=1i %d", `o v="x" %d`}, []string{`m v="x" %d`, "n v=1 %d", "o v=true %d"},
			influx.Result{Stored: 5000, Rejected: 3}, 10},
		"a line that is none":            {nil, []string{"no fields"}, influx.Result{Stored: 5000, Rejected: 1}, 30},
		"a conflict and no line":         {[]string{"m v=1 %d"}, []string{`m v="x" %d`, "no fields"}, influx.Result{Stored: 5000, Rejected: 2}, 60},
		"a point beyond retention":       {nil, []string{fmt.Sprintf("p v=1 %d", old)}, influx.Result{Stored: 5000, Expired: 1}, 5},
		"beyond retention and no fields": {nil, []string{fmt.Sprintf("p v=1 %d", old), "m v="}, influx.Result{Stored: 5000, Expired: 1, Rejected: 1}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := unique()
			c.bucket(t, bucket, 32*day)
			w, refused := c.writer(t, influx.Target{Bucket: bucket}, c.token, nil)
			dated := func(line string) string {
				if strings.Contains(line, "%d") {
					now++
					return fmt.Sprintf(line, now)
				}
				return line
			}
			for _, line := range test.before {
				mustWrite(t, w, influx.Result{Stored: 1}, dated(line))
			}
			batch := make([]string, 0, 5010)
			for i := range 5000 {
				batch = append(batch, fmt.Sprintf("good,host=a v=%d.5 %d", i, now-int64(i)))
			}
			for i, line := range test.bad {
				batch = slices.Insert(batch, 1000+i*1000, dated(line))
			}
			got := mustWrite(t, w, test.want, batch...)
			t.Logf("%d requests", got.Requests)
			if got.Requests > test.most {
				t.Errorf("%d requests, want at most %d", got.Requests, test.most)
			}
			if n := rowsIn(c.query(t, bucket, "SELECT v FROM good")); n != 5000 {
				t.Errorf("%d of the good points are there; refused: %q", n, refused.lines)
			}
			for _, line := range refused.lines {
				if strings.HasPrefix(line, "good") {
					t.Errorf("a good point was set aside: %s", line)
				}
			}
		})
	}
}
