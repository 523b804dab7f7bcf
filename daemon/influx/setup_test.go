package influx_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// What servers say that have no version, or are none, is scripted: the real ones in these tests have theirs.
func TestServersAreToldApartByWhatTheySayOfThemselves(t *testing.T) {
	type page struct {
		status int
		body   string
	}
	ok1 := `{"results":[{"statement_id":0}]}`
	for name, c := range map[string]struct {
		version         string // in the header
		pages           map[string]page
		server, problem string
	}{
		"1.x by its header": {"1.8.10", map[string]page{"/query": {200, ok1}}, "InfluxDB 1.8.10", ""},
		"1.x behind a door": {"1.8.10", map[string]page{"/ping": {401, ""}, "/query": {200, ok1}}, "InfluxDB 1.8.10", ""},
		"1.x without a version": {"unknown", map[string]page{"/health": {200, `{"name":"influxdb","version":"unknown"}`}, "/query": {200, ok1}},
			"InfluxDB 1.x", ""},
		"1.x behind a proxy": {"", map[string]page{"/health": {200, `{"name":"influxdb","version":"1.8.3"}`}, "/query": {200, ok1}}, "InfluxDB 1.8.3", ""},
		"2.x by its header":  {"v2.7.12", nil, "InfluxDB 2.7.12", "needs an organization"},
		"2.x without a version": {"dev", map[string]page{"/health": {200, `{"name":"influxdb","version":"dev"}`}, "/ready": {200, `{"status":"ready"}`}},
			"InfluxDB 2.x", "needs an organization"},
		"3.x":         {"3.1.0", nil, "InfluxDB 3.1.0", "this release"},
		"a web page":  {"", map[string]page{"/ping": {200, "<html>"}, "/health": {200, "<html>"}}, "", "no InfluxDB 1.x or 2.x answers"},
		"a 404 of it": {"", nil, "", "no InfluxDB 1.x or 2.x answers"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.version != "" {
					w.Header().Set("X-Influxdb-Version", c.version)
				}
				p, found := c.pages[r.URL.Path]
				if !found {
					p.status = http.StatusNotFound
				}
				w.WriteHeader(p.status)
				fmt.Fprint(w, p.body)
			}))
			defer srv.Close()
			s, err := influx.NewSetup(influx.SetupOptions{URL: srv.URL, Bucket: "b"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !s.Prepare(limited(t), influx.Points, false) {
				t.Error("it would be asked for ever")
			}
			if r := s.Report(); r.Server != c.server || !strings.Contains(r.Problem, c.problem) || (r.Problem != "") != (c.problem != "") {
				t.Errorf("report: %+v", r)
			}
		})
	}
}

func TestServerThatIsAwayIsSetUpLater(t *testing.T) {
	var told []influx.Report
	s, err := influx.NewSetup(influx.SetupOptions{URL: "http://127.0.0.1:1", Bucket: "b", OnReport: func(r influx.Report) { told = append(told, r) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if s.Prepare(limited(t), influx.Points, false) {
			t.Error("it is said to be set up")
		}
	}
	if len(told) != 1 || !strings.Contains(told[0].Problem, "connection refused") {
		t.Errorf("told %+v", told)
	}
}

func TestRuledServerTakesTheRetentionOfTheConfiguration(t *testing.T) {
	name := unique()
	credentials := server.Credentials()
	for _, keep := range []time.Duration{32 * day, 5 * day, 0} {
		s, err := influx.NewSetup(influx.SetupOptions{URL: credentials.URL, Token: credentials.Admin.Token(), Bucket: name, Rule: true,
			Retention: keep, RecordsRetention: 2 * keep})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if !s.Prepare(limited(t), influx.Points, false) || s.Report().Problem != "" || len(s.Report().Differences) > 0 {
			t.Fatalf("report: %+v", s.Report())
		}
		var got []string
		for _, row := range query(t, "", fmt.Sprintf("SHOW RETENTION POLICIES ON %q", name))[0].Rows {
			got = append(got, row[0].String()+" "+row[1].String()+" "+row[4].String())
		}
		if want := fmt.Sprintf("autogen %s true, records %s false", long(keep), long(2*keep)); strings.Join(got, ", ") != want {
			t.Errorf("policies %s, want %s", got, want)
		}
	}
}

// What an administrator is asked for must be what is needed now, or nobody would know when all is well.
func TestStatementsAreToldForWhatIsMissingAloneAndTakenBack(t *testing.T) {
	credentials := server.Credentials()
	for name, c := range map[string]struct {
		privilege influx.Privilege
		looks     bool // so that it sees what differs
	}{
		"a token that may not look": {influx.Write, false},
		"a token that may look":     {influx.All, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket, user := unique(), unique()
			if err := setup(t).Database(limited(t), bucket, influx.RetentionPolicy{Name: "autogen", Duration: 5 * day, Default: true}); err != nil {
				t.Fatal(err)
			}
			if err := setup(t).User(limited(t), user, "password", c.privilege, bucket); err != nil {
				t.Fatal(err)
			}
			s, err := influx.NewSetup(influx.SetupOptions{URL: credentials.URL, Token: user + ":password", Bucket: bucket, Retention: 32 * day})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var passed atomic.Int64
			influx.SetSetupClock(s, func() time.Time { return time.Now().Add(time.Duration(passed.Load())) })
			var writers []*influx.Writer
			toPoints, toRecords := influx.Targets(bucket)
			for _, target := range []influx.Target{toPoints, toRecords} {
				w, _ := writerTo(t, influx.WriterOptions{URL: credentials.URL, Token: user + ":password", Bucket: target.Bucket, Prepare: s.To(target.Lane)})
				influx.SetWaits(w, 10*time.Millisecond)
				writers = append(writers, w)
			}
			wait, cancel := context.WithCancel(limited(t))
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := writers[1].Write(wait, lines(points(1)...))
				done <- err
			}()
			create := fmt.Sprintf(`CREATE RETENTION POLICY "records" ON %q DURATION 0s REPLICATION 1 SHARD DURATION 604800s`, bucket)
			asked := func() bool { return fmt.Sprint(s.Report().Needed) == "["+create+"]" }
			waitFor(t, asked)
			mustWrite(t, writers[0], influx.Result{Stored: 1}, points(1)...)
			passed.Add(int64(time.Hour))
			mustWrite(t, writers[0], influx.Result{Stored: 1}, points(1)...)
			if !asked() {
				t.Errorf("points are stored, and of records is said %+v", s.Report())
			}

			query(t, "", create)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if r := s.Report(); len(r.Needed) > 0 {
				t.Errorf("all is there, and the report says %+v", r)
			}
			if !c.looks {
				return
			}
			if r := s.Report(); len(r.Differences) != 1 {
				t.Fatalf("report: %+v", r)
			}
			_, change, _ := strings.Cut(s.Report().Differences[0], "to change it: ")
			query(t, "", change)
			passed.Add(int64(time.Hour))
			mustWrite(t, writers[0], influx.Result{Stored: 1}, points(1)...)
			if r := s.Report(); len(r.Differences) > 0 {
				t.Errorf("nothing differs, and the report says %+v", r)
			}
		})
	}
}

// long is a duration as InfluxDB writes it.
func long(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return d.String()
}
