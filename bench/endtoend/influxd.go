package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/vedette-monitor/vedette/bench/process"
	"github.com/vedette-monitor/vedette/daemon/port"
)

// influxd is the InfluxDB 1.8 of all contestants, with authentication as in life.
type influxd struct {
	proc    *process.Process
	program string
	conf    string
	url     string
	client  http.Client
}

const token = "admin:bench"

func startInfluxd(ctx context.Context, program, dir string) (*influxd, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// Also while the server is down nobody else gets its port.
	reserved, err := port.Reserve(0)
	if err != nil {
		return nil, err
	}
	i := &influxd{program: program, conf: filepath.Join(dir, "influxdb.conf"), url: "http://" + reserved.Address()}
	config := fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "%[1]s/meta"
  logging-enabled = false
[data]
  dir = "%[1]s/data"
  wal-dir = "%[1]s/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "%[2]s"
  auth-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
[logging]
  level = "error"
`, dir, reserved.Address())
	if err := os.WriteFile(i.conf, []byte(config), 0o600); err != nil {
		return nil, err
	}
	if err := i.up(ctx); err != nil {
		return nil, err
	}
	return i, i.query("CREATE USER admin WITH PASSWORD 'bench' WITH ALL PRIVILEGES", nil)
}

// up starts the server, again after down.
func (i *influxd) up(ctx context.Context) (err error) {
	if i.proc, err = process.Start(ctx, filepath.Join(filepath.Dir(i.conf), "log"), i.program, "run", "-config", i.conf); err != nil {
		return err
	}
	err = process.Until(ctx, "InfluxDB answers", func() bool {
		r, err := i.client.Get(i.url + "/ping")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusNoContent
	})
	if err != nil {
		return i.proc.Fail(err)
	}
	return nil
}

func (i *influxd) end() { i.proc.End() }

func (i *influxd) get(path string, form url.Values, into any) error {
	request, err := http.NewRequest(http.MethodPost, i.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	if path == "/debug/vars" {
		request.Method, request.Body = http.MethodGet, nil
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "Token "+token)
	r, err := i.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("InfluxDB says %d: %s", r.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (i *influxd) query(q string, into any) error { return i.get("/query", url.Values{"q": {q}}, into) }

// database makes a database of a round's own.
func (i *influxd) database(name string) error { return i.query("CREATE DATABASE "+name, nil) }

func (i *influxd) drop(name string) { _ = i.query("DROP DATABASE "+name, nil) }

// written is how many points the server has taken since it started. It costs the server next to nothing.
func (i *influxd) written() int {
	var vars struct {
		Write struct {
			Values struct {
				PointReq int `json:"pointReq"`
			} `json:"values"`
		} `json:"write"`
	}
	if err := i.get("/debug/vars", nil, &vars); err != nil {
		return 0
	}
	return vars.Write.Values.PointReq
}

// stored counts the points of a round's database.
func (i *influxd) stored(database string) (int, error) {
	var answer struct {
		Results []struct {
			Series []struct {
				Values [][]any `json:"values"`
			} `json:"series"`
			Error string `json:"error"`
		} `json:"results"`
	}
	if err := i.query(`SELECT count(n) FROM "`+database+`".."load"`, &answer); err != nil {
		return 0, err
	}
	r := answer.Results[0]
	if len(r.Series) == 0 {
		return 0, nil
	}
	n, _ := r.Series[0].Values[0][1].(float64)
	return int(n), nil
}

// all waits until n points more than before are written, as its counter says, and then until they are in the database:
// the counter takes in what the daemon says of itself, so the second may come a moment later.
func (i *influxd) all(ctx context.Context, before, n int) error {
	return process.Until(ctx, fmt.Sprint("InfluxDB has ", n, " points"), func() bool { return i.written()-before >= n })
}

// check makes sure that the round's database has all points, and no more.
func (i *influxd) check(ctx context.Context, database string, n int) error {
	stored, last := 0, error(nil)
	if err := process.Until(ctx, fmt.Sprint("the database has ", n, " points"), func() bool {
		stored, last = i.stored(database)
		return last == nil && stored >= n
	}); err != nil {
		return fmt.Errorf("%w; it has %d (%v)", err, stored, last)
	}
	if stored != n {
		return fmt.Errorf("InfluxDB has %d points of %d", stored, n)
	}
	return nil
}
