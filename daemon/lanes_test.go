package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// auditSite is a site whose plugin gives as many records as samples, and whose points go to the remote InfluxDB.
func (r *remoteInfluxDB) auditSite(token string) *site {
	r.t.Helper()
	program := filepath.Join(r.t.TempDir(), "auditor")
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/plugins/auditor").CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	s := newSite(r.t, "")
	own := fmt.Sprintf("influxdb {\n  url    = %q\n  token  = %q\n  bucket = \"quality/month\"\n}\n", r.url, token)
	plugin := fmt.Sprintf("plugin \"auditor\" {\n  source   = %q\n  interval = \"100ms\"\n}\n", program)
	s.configure(strings.Replace(withEmbedded(plugin), "influxdb {\n  embedded = true\n  port     = 0\n}\n", own, 1))
	return s
}

// stored counts the points of a measurement in a retention policy.
func (s *site) stored(policy, measurement string) string {
	out, errOut, code := s.run("query", "-o", "csv", fmt.Sprintf("SELECT count(n) FROM %s.%s", policy, measurement))
	if code != 0 {
		s.t.Fatalf("query, exit code %d: %s", code, errOut)
	}
	return out
}

func TestSamplesGoOnWhileRecordsHaveNowhereToGo(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	r.start()
	r.provision("secret-of-probe")
	s := r.auditSite("probe:secret-of-probe")
	d := s.start()
	// There is no retention policy for records yet.
	st := d.waitStatus("samples are stored and records wait", func(st console.Status) bool {
		return st.InfluxDB.Stored > 20 && st.Queue.Records.Points > 20 && st.Queue.Samples.Points < 20
	})
	if state := st.InfluxDB.State; state != "holding" && state != "misconfigured" || !strings.Contains(st.InfluxDB.Error, "records") {
		t.Errorf("InfluxDB: %+v", st.InfluxDB)
	}
	if out, _, _ := s.run("status"); !strings.Contains(out, "of these are records: ") {
		t.Errorf("the status does not tell of the records:\n%s", out)
	}
	r.do("CREATE RETENTION POLICY records ON quality DURATION 400d REPLICATION 1")
	d.waitStatus("the records are stored", func(st console.Status) bool { return st.Queue.Records.Points < 20 && st.InfluxDB.State == "connected" })
	if in, other := s.stored("records", "audit_record"), s.stored("month", "audit_record"); in == "" || other != "" {
		t.Errorf("records are stored as %q, and among the samples as %q", in, other)
	}
	if in, other := s.stored("month", "audit_sample"), s.stored("records", "audit_sample"); in == "" || other != "" {
		t.Errorf("samples are stored as %q, and among the records as %q", in, other)
	}
}
