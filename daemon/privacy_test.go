package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/console"
)

func TestAllThatTheDaemonKeepsIsForItsUserAlone(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.startReady()
	d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	found := map[string]fs.FileMode{}
	err := filepath.WalkDir(s.path("data"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			return ignoreGone(err)
		}
		name, err := filepath.Rel(s.path("data"), path)
		found[name] = info.Mode()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		".": fs.ModeDir | 0o700, "run/control.sock": fs.ModeSocket | 0o600, "influxdb/credentials.json": 0o600,
		"influxdb/influxdb.conf": 0o600, "spool": fs.ModeDir | 0o700, "spool/samples/cursor": 0o600, "spool/records/cursor": 0o600,
	} {
		if got, there := found[name]; !there || got != want {
			t.Errorf("%s has mode %s (there: %t), want %s", name, got, there, want)
		}
	}
}

// ignoreGone passes over what is removed while it is looked for: InfluxDB and plugins work on.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// The path of a unix socket has at most 107 bytes. A data directory may be deeper.
func TestADeepDataDirectoryWorks(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	deep := s.path("data", strings.Repeat("deep/", 40))
	text, err := os.ReadFile(s.path("config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	s.configure(strings.Replace(string(text), "daemon {", fmt.Sprintf("daemon {\n  data_dir = %q\n", deep), 1))
	d := s.startReady()
	st := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 0 })
	if st.DataDir != filepath.Clean(deep) {
		t.Errorf("data directory %s", st.DataDir)
	}
	waitUntil(t, "a query finds points", patience, func() bool { return s.count(time.Now()) > 0 })
	// The sockets are elsewhere, and as private there.
	socket := app.ControlSocket(filepath.Clean(deep))
	elsewhere := filepath.Dir(socket)
	if strings.HasPrefix(elsewhere, deep) {
		t.Fatalf("the control socket is at %s", socket)
	}
	t.Cleanup(func() { _ = os.RemoveAll(elsewhere) })
	for path, want := range map[string]fs.FileMode{elsewhere: fs.ModeDir | 0o700, socket: fs.ModeSocket | 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, mode %v, want %v", path, err, info.Mode(), want)
		}
	}
	// A place that everybody may write to is only used if nobody else has prepared it.
	d.signal(syscall.SIGTERM)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(elsewhere); !os.IsNotExist(err) {
		t.Errorf("the run directory is left behind: %v", err)
	}
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(elsewhere, 0o777); err != nil {
		t.Fatal(err)
	}
	s.wantRefusal(elsewhere, "0700", "data_dir")
}

// All ways on which a secret could come out, at the most talkative level of the log: the address of a target, its
// headers and its body, a failing probe, a redirect that carries a secret, and the answers of status and query. Every
// output of every test is looked through for the passwords of the embedded InfluxDB as well.
func TestNoSecretIsInAnyOutput(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			http.Redirect(w, r, "/app?session=secret-in-redirect", http.StatusFound)
		case "/hang":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(web.Close)
	address := strings.TrimPrefix(web.URL, "http://")
	s := newSite(t, "")
	s.configure(withEmbedded(quickPlugin + fmt.Sprintf(`
  target "login" {
    url     = "http://watcher:secret-in-url@%[1]s/login?api_key=secret-in-query"
    headers = { Authorization = "Bearer secret-in-header" }
    body    = "password=secret-in-body"
    method  = "POST"
  }
  target "refused" {
    url = "http://watcher:secret-in-url@127.0.0.1:%[2]d/?token=secret-in-query"
  }
  target "hang" {
    url     = "http://watcher:secret-in-url@%[1]s/hang?token=secret-in-query"
    timeout = "300ms"
  }
  target "nowhere" {
    url = "http://watcher:secret-in-url@nowhere.invalid/?token=secret-in-query"
  }
}
plugin "refusing" {
  source = %[3]q
  env    = { SECRET = "secret-in-environment" }
  target "bad" {
    url = "http://watcher:secret-in-url@[::1/?token=secret-in-query"
  }
  target "worse" {
    url = "gopher://watcher:secret-in-url@127.0.0.1/?token=secret-in-query"
  }
  target "worst" {
    url     = "http://watcher:secret-in-url@127.0.0.1:port/"
    headers = { "Bad Name" = "secret-in-header" }
  }
}
`, address, reservePort(t).Number, s.careless())))
	s.secrets = []string{
		"secret-in-url", "secret-in-query", "secret-in-header", "secret-in-body", "secret-in-redirect", "secret-in-environment",
		"d2F0Y2hlcjpzZWNyZXQtaW4tdXJs", // the URL's user and password, as basic authorization sends them
	}
	d := s.start()
	d.waitStatus("one plugin probes and one has refused", func(st console.Status) bool {
		return st.Plugins[0].Points > 20 && st.Plugins[1].State == "failed" && st.InfluxDB.Stored > 20
	})
	for _, args := range [][]string{
		{"status"}, {"status", "-o", "json"}, {"query", "SELECT * FROM http_quality"}, {"query", "SHOW SERIES"}, {"query", "SHOW USERS"},
		{"validate", "config.hcl"},
	} {
		if out, _, _ := s.run(args...); args[0] == "query" && args[1] != "SHOW USERS" && !strings.Contains(out, "login") {
			t.Errorf("%q shows no points", args)
		}
	}
	d.signal(syscall.SIGTERM)
	d.exit(drainDeadline)
}

func TestNoSecretIsInAMessageAboutItsLine(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.secrets = []string{"secret-of-"}
	for _, mistake := range []string{
		"influxdb {\n  token = [\"secret-of-influxdb\"]\n}",
		"influxdb {\n  token = \"secret-of-influxdb\n}",
		"influxdb {\n  token = \"secret-of-influxdb\" org = \"o\"\n}",
		"influxdb {\n  url = \"http://probe:secret-of-probe@127.0.0.1:port\"\n}",
		"plugin \"http-quality\" {\n  target \"a\" {\n    url = \"http://u:secret-of-u@127.0.0.1/${nothing}\"\n  }\n}",
	} {
		s.configure(mistake)
		for _, args := range [][]string{{"validate", "config.hcl"}, {"run"}} {
			if _, errOut, code := s.run(args...); code != 1 || !strings.Contains(errOut, "config.hcl:") {
				t.Errorf("%q: exit code %d\n%s", args, code, errOut)
			}
		}
	}
}
