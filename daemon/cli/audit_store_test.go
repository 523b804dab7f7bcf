package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
)

// withInfluxDB runs a daemon without plugins, for its private InfluxDB, until the test ends.
func withInfluxDB(t testing.TB) *config.Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(influxdtest.Binary(t), filepath.Join(dir, "influxd")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.hcl")
	text := fmt.Sprintf("vantage {\n  host = \"h0\"\n}\ndaemon {\n  listen     = \"127.0.0.1:0\"\n  plugin_dir = %q\n}\ninfluxdb {\n  embedded = true\n  port     = 0\n}\n", dir)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diags := app.Load(path)
	if diags.HasErrors() {
		t.Fatalf("%v", diags)
	}
	a := app.New(cfg, app.Options{Version: "test", Logger: hclog.NewNullLogger()})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-a.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("the daemon ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the daemon does not come up")
	}
	return cfg.Config
}

// The commands of a busy day: of hosts, users and shells, each second one.
const (
	manyCommands                       = 50_000
	manyHosts, manyUsers, manyShells   = 4, 5, 2
	seriesOfMany                       = manyHosts * manyUsers * manyShells
	typedLast, typedOften, typedSeldom = "the very last", "systemctl restart shop", "cat /etc/shadow"
)

// storeMany writes commands into InfluxDB, as many as are there in a day, with the fields that a command has, and in one
// chain for each host.
func storeMany(t testing.TB, cfg *config.Config) {
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
	var lines strings.Builder
	begin := time.Now().Add(-manyCommands * time.Second).UnixNano()
	links := [manyHosts]int{}
	mac := strings.Repeat("0123456789abcdef", 4)
	for n := range manyCommands {
		command := fmt.Sprintf("ls -la /srv/www/%d", n)
		switch {
		case n == manyCommands-1:
			command = typedLast
		case n%100 == 7:
			command = typedOften
		case n == 1000:
			command = typedSeldom
		}
		h := n % manyHosts
		links[h] += 2
		at := begin + int64(n)*int64(time.Second)
		fmt.Fprintf(&lines, "shell_command,host=h%d,user=u%d,shell=%s,source=hook command=%q,history_id=%di,uid=1000i,auid=1000i,login_attested=true,session=\"8d3f22a1-%d-77\","+
			"pid=%di,ppid=1i,tty=\"pts/3\",cwd=\"/srv/www/htdocs\",exit_code=0i,duration_us=15340i,ssh_client=\"198.51.100.7\",address=\"192.0.2.1\",seq=%di,exe=\"/usr/bin/bash\","+
			"attestation=3i,chain_seq=%di,chain_mac=%q,end_chain_seq=%di,end_chain_mac=%q,timestamp=%di %d\n",
			h, n/manyHosts%manyUsers, []string{"bash", "zsh"}[n/manyHosts/manyUsers%manyShells], command, n, n/100, n/100, n, links[h]-1, mac, links[h], mac, at, at)
		if n%5000 < 4999 {
			continue
		}
		req, err := http.NewRequest(http.MethodPost, made.URL+"/write?db=vedette&rp=records", strings.NewReader(lines.String()))
		if err != nil {
			t.Fatal(err)
		}
		lines.Reset()
		req.SetBasicAuth(made.Writer.Name, made.Writer.Password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("InfluxDB does not take commands: %s", resp.Status)
		}
	}
}

func openMany(t testing.TB) *auditStore {
	t.Helper()
	cfg := withInfluxDB(t)
	storeMany(t, cfg)
	store, err := openAuditStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func TestFiftyThousandCommandsAreFewSeriesAndReadBackInOrder(t *testing.T) {
	store := openMany(t)
	series, err := store.query(t.Context(), "SHOW SERIES FROM shell_command")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range series {
		n += len(s.Rows)
	}
	if n != seriesOfMany {
		t.Errorf("there are %d series, want hosts × users × shells × sources = %d", n, seriesOfMany)
	}
	rows, err := (&tail{pluginCall: &pluginCall{}, store: store, newest: 5}).history(t.Context())
	if err != nil || len(rows) != 5 || rows[4].Fields["command"] == nil || fmt.Sprint(rows[4].Fields["command"]) != typedLast || rows[4].Tags["user"] == "" {
		t.Errorf("%v, the newest are %v", err, rows)
	}
	// All of a host's rows, in pages.
	next := uint64(1)
	err = store.rowsOfChain("h2", time.Unix(0, 0)).inOrder(t.Context(), 1, time.Time{}, mostAside, func(r console.LivePoint) error {
		if l := linksOf(r); l.seq != next || l.end != next+1 {
			return fmt.Errorf("links %d and %d come when it is %d's turn", l.seq, l.end, next)
		}
		next += 2
		return nil
	})
	if want := uint64(2*manyCommands/manyHosts + 1); err != nil || next != want {
		t.Errorf("%v, up to link %d, want %d", err, next, want)
	}
}

// BenchmarkAuditTail asks what audit tail asks, of 50,000 commands.
func BenchmarkAuditTail(b *testing.B) {
	store := openMany(b)
	recent := "time > " + moment(time.Now().Add(-overlap))
	for _, q := range []struct {
		name string
		tail tail
		poll bool
		want int
	}{
		{"newest", tail{newest: 5}, false, 5},
		{"newest_of_host", tail{newest: 5, hosts: []string{"h1"}}, false, 5},
		{"newest_of_user", tail{newest: 5, users: []string{"u3"}}, false, 5},
		{"match_often", tail{newest: 5, match: "systemctl (re)?start"}, false, 5},
		{"match_seldom", tail{newest: 5, match: "/etc/shadow"}, false, 1},
		{"last_hour", tail{newest: mostRows, since: time.Now().Add(-time.Hour)}, false, -1},
		{"poll", tail{newest: 5}, true, -1},
	} {
		b.Run(q.name, func(b *testing.B) {
			q.tail.store = store
			for b.Loop() {
				var rows []console.LivePoint
				var err error
				if q.poll {
					rows, err = q.tail.ask(b.Context(), mostRows, recent)
				} else {
					rows, err = q.tail.history(b.Context())
				}
				if err != nil || q.want >= 0 && len(rows) != q.want {
					b.Fatalf("%d rows, %v", len(rows), err)
				}
			}
		})
	}
	b.Run("verify_one_host", func(b *testing.B) {
		for b.Loop() {
			if err := store.rowsOfChain("h1", time.Unix(0, 0)).inOrder(b.Context(), 1, time.Time{}, mostAside, func(console.LivePoint) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*manyCommands/manyHosts)/b.Elapsed().Seconds(), "rows/s")
	})
}
