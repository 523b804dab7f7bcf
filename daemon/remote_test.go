package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded"
	"github.com/vedette-monitor/vedette/daemon/process"
)

// remoteInfluxDB is an InfluxDB that is not the daemon's: with a configuration of its own, started when a test wants.
type remoteInfluxDB struct {
	t       *testing.T
	dir     string
	address string
	url     string
	stop    func() // ends what start has started
}

const remoteConf = `
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = %[1]q
[data]
  dir = %[2]q
  wal-dir = %[3]q
[http]
  bind-address = "%[4]s"
  auth-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
[logging]
  level = "warn"
`

func newRemoteInfluxDB(t *testing.T) *remoteInfluxDB {
	t.Helper()
	r := &remoteInfluxDB{t: t, dir: t.TempDir(), address: reservePort(t).Address()}
	r.url = "http://" + r.address
	r.writeConf()
	return r
}

func (r *remoteInfluxDB) writeConf() {
	r.t.Helper()
	conf := fmt.Sprintf(remoteConf, filepath.Join(r.dir, "meta"), filepath.Join(r.dir, "data"), filepath.Join(r.dir, "wal"), r.address)
	writeFile(r.t, filepath.Join(r.dir, "influxdb.conf"), []byte(conf))
}

func (r *remoteInfluxDB) start() {
	r.t.Helper()
	// As the embedded one is started: what it has answered is to survive the next kill too.
	if err := embedded.BeginSegments(filepath.Join(r.dir, "wal")); err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs, "influxd"), "run", "-config", filepath.Join(r.dir, "influxdb.conf"))
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		r.t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = child.Signal(syscall.SIGKILL)
		<-child.Done()
	})
	r.stop = stop
	r.t.Cleanup(func() {
		stop()
		if r.t.Failed() {
			r.t.Logf("the remote InfluxDB said:\n%s", said)
		}
	})
	waitUntil(r.t, "the remote InfluxDB answers", patience, func() bool {
		resp, err := http.Get(r.url + "/ping")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusNoContent
	})
}

// do runs a statement, as its administrator would.
func (r *remoteInfluxDB) do(statement string) {
	r.t.Helper()
	resp, err := http.PostForm(strings.Replace(r.url, "://", "://root:secret-of-root@", 1)+"/query", url.Values{"q": {statement}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(body), "error") {
		r.t.Fatalf("%s: %s, %s, %v", statement, resp.Status, body, err)
	}
}

// write stores a line, as its administrator would.
func (r *remoteInfluxDB) write(bucket, line string) {
	r.t.Helper()
	request, err := http.NewRequest(http.MethodPost, r.url+"/api/v2/write?bucket="+bucket, strings.NewReader(line))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token root:secret-of-root")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusNoContent {
		r.t.Fatalf("write to %s: %s", bucket, resp.Status)
	}
}

// provision makes what the daemon of the test expects.
func (r *remoteInfluxDB) provision(password string) {
	r.t.Helper()
	r.do("CREATE USER root WITH PASSWORD 'secret-of-root' WITH ALL PRIVILEGES")
	r.do("CREATE DATABASE quality WITH DURATION 30d NAME month")
	r.do("CREATE USER probe WITH PASSWORD '" + password + "'")
	r.do("GRANT ALL ON quality TO probe")
}

// provisionRecords adds what an administrator has to: without it what alerts do waits, as all records.
func (r *remoteInfluxDB) provisionRecords() {
	r.t.Helper()
	r.do("CREATE RETENTION POLICY records ON quality DURATION 400d REPLICATION 1")
}

// remoteSite is a busy site whose points go to the remote InfluxDB.
func (r *remoteInfluxDB) site(token string) *site {
	r.t.Helper()
	s := busySite(r.t)
	text, err := os.ReadFile(s.path("config.hcl"))
	if err != nil {
		r.t.Fatal(err)
	}
	own := fmt.Sprintf("influxdb {\n  url    = %q\n  token  = %q\n  bucket = \"quality/month\"\n}", r.url, token)
	s.configure(strings.Replace(string(text), "influxdb {\n  embedded = true\n  port     = 0\n}", own, 1))
	_, password, _ := strings.Cut(token, ":")
	s.secrets = []string{password}
	return s
}

func TestPointsWaitForAnInfluxDBThatIsAway(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	r.start()
	r.provision("secret-of-probe")
	r.provisionRecords()
	r.stop()
	s := r.site("probe:secret-of-probe")
	d := s.start()
	st := d.waitStatus("points wait on disk", func(st console.Status) bool {
		return st.Queue.Points > 50 && st.Plugins[0].State == "ready" && st.InfluxDB.State == "holding"
	})
	if db := st.InfluxDB; db.Embedded || db.Pid != 0 || db.URL != r.url || db.Bucket != "quality/month" ||
		!strings.Contains(db.Error, "connection refused") {
		t.Errorf("InfluxDB: %+v", db)
	}
	if out, _, code := s.run("status"); code != 0 || !strings.Contains(out, "last error: ") || !strings.Contains(out, "holding for") {
		t.Errorf("status, exit code %d:\n%s", code, out)
	}
	_, errOut, code := s.run("query", "SHOW MEASUREMENTS")
	if code != 1 || !strings.Contains(errOut, r.url) || strings.Contains(errOut, "embedded") {
		t.Errorf("query, exit code %d: %s", code, errOut)
	}
	d.wantProcesses(2)

	taken, asked := st.Plugins[0].Points, time.Now()
	r.start()
	st = d.waitStatus("what has waited is stored", func(st console.Status) bool {
		return st.InfluxDB.State == "connected" && uint64(st.InfluxDB.Stored) > taken
	})
	if st.InfluxDB.Rejected != 0 || st.InfluxDB.Expired != 0 {
		t.Errorf("points were set aside: %+v", st.InfluxDB)
	}
	waitUntil(t, "a query finds all that were taken", patience, func() bool { return uint64(s.count(asked)) >= taken })
	d.signal(syscall.SIGINT)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAnInterruptWithoutInfluxDBIsNotHeldUpAndLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	s := r.site("probe:secret-of-probe")
	d := s.start()
	st := d.waitStatus("points wait on disk", func(st console.Status) bool { return st.Queue.Points > 50 })
	d.signal(syscall.SIGINT)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.waitGone(goneDeadline)
	ended, taken := time.Now(), st.Plugins[0].Points
	r.start()
	r.provision("secret-of-probe")
	d = s.start()
	waitUntil(t, "the points from before are stored", patience, func() bool { return uint64(s.count(ended)) >= taken })
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)
}

func TestAWrongTokenIsAPersonsBusinessAndNotShown(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	r.start()
	r.provision("another-password")
	s := r.site("probe:secret-of-probe")
	d := s.start()
	st := d.waitStatus("the token is refused, and points wait", func(st console.Status) bool {
		return st.InfluxDB.State == "misconfigured" && st.Plugins[0].Points > 0
	})
	if !strings.Contains(st.InfluxDB.Error, "401") {
		t.Errorf("InfluxDB: %+v", st.InfluxDB)
	}
	if _, errOut, code := s.run("query", "SHOW MEASUREMENTS"); code != 1 || !strings.Contains(errOut, "401") {
		t.Errorf("query, exit code %d: %s", code, errOut)
	}
	asked, taken := time.Now(), st.Plugins[0].Points

	// The daemon would try again by and by; a new start does at once, and nothing that has waited is lost.
	d.signal(syscall.SIGINT)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.do("SET PASSWORD FOR probe = 'secret-of-probe'")
	s.start()
	waitUntil(t, "the points from before are stored", patience, func() bool { return uint64(s.count(asked)) >= max(1, taken) })
}

func TestAnInfluxDBOfOnesOwnIsSetUpAsFarAsTheTokenMay(t *testing.T) {
	t.Parallel()
	r := newRemoteInfluxDB(t)
	r.start()
	r.do("CREATE USER root WITH PASSWORD 'secret-of-root' WITH ALL PRIVILEGES")
	s := r.site("root:secret-of-root")
	d := s.start()
	st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	if db := st.InfluxDB; db.Server != "InfluxDB 1.8.3" || db.SetupProblem != "" || len(db.Differences)+len(db.Needed) > 0 || db.Retries > 0 {
		t.Errorf("InfluxDB: %+v", db)
	}
	out, _, _ := s.run("query", "-o", "csv", "SHOW RETENTION POLICIES ON quality")
	if !strings.Contains(out, "month,768h0m0s,24h0m0s,1,true\n") || !strings.Contains(out, "records,9600h0m0s,168h0m0s,1,false\n") {
		t.Errorf("policies:\n%s", out)
	}
	// Somebody removes it all, and it is made again.
	r.do("DROP DATABASE quality")
	st = d.waitStatus("points are stored again", func(now console.Status) bool {
		return now.InfluxDB.Retries > st.InfluxDB.Retries && now.InfluxDB.Stored > st.InfluxDB.Stored && now.InfluxDB.State == "connected"
	})
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)

	r.do("DROP DATABASE quality")
	r.do("CREATE DATABASE quality WITH DURATION 30d NAME month")
	r.do("CREATE USER probe WITH PASSWORD 'secret-of-probe'")
	r.do("GRANT ALL ON quality TO probe")
	s = r.site("probe:secret-of-probe")
	d = s.start()
	st = d.waitStatus("points are stored without the rights of an administrator", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	create := `CREATE RETENTION POLICY "records" ON "quality" DURATION 34560000s REPLICATION 1 SHARD DURATION 604800s`
	if db := st.InfluxDB; len(db.Needed) != 1 || db.Needed[0] != create || len(db.Differences) != 1 || !strings.Contains(db.Differences[0], "keeps points 30d") {
		t.Errorf("InfluxDB: %+v", db)
	}
	out, _, _ = s.run("status")
	if !strings.Contains(out, "an administrator has to run:\n            "+create+"\n") || !strings.Contains(out, `differs: retention policy "month"`) {
		t.Errorf("status:\n%s", out)
	}
	if said := d.out.String(); strings.Count(said, "an administrator has to run this") != 1 || strings.Count(said, "stays as it is: difference") != 1 {
		t.Errorf("it is not logged once")
	}
	// What the daemon has named is all that it takes.
	r.do(create)
	r.do(`ALTER RETENTION POLICY "month" ON "quality" DURATION 32d`)
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)
	d = s.start()
	st = d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	if db := st.InfluxDB; len(db.Needed)+len(db.Differences) > 0 {
		t.Errorf("InfluxDB: %+v", db)
	}
	d.signal(syscall.SIGINT)
	d.exit(drainDeadline)
}
