package main

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// squatter listens where InfluxDB did, takes everything, and notes who shows a password.
type squatter struct {
	mu        sync.Mutex
	passwords []string
}

func (q *squatter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if shown := r.Header.Get("Authorization"); shown != "" {
		q.mu.Lock()
		q.passwords = append(q.passwords, r.URL.Path+" "+shown)
		q.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func TestWhoTakesThePortOfADeadInfluxDBGetsNeitherPointsNorPasswords(t *testing.T) {
	t.Parallel()
	s := busySite(t)
	d := s.startReady()
	before := d.waitStatus("points are stored", func(st console.Status) bool { return st.InfluxDB.Stored > 20 })
	address, err := url.Parse(before.InfluxDB.URL)
	if err != nil {
		t.Fatal(err)
	}
	// The port is free only between the end of InfluxDB and its next start, so InfluxDB is killed until it is caught.
	var listener net.Listener
	waitUntil(t, "the port is taken", patience, func() bool {
		if st, err := d.status(); err == nil && st.InfluxDB.Pid != 0 {
			_ = syscall.Kill(st.InfluxDB.Pid, syscall.SIGKILL)
		}
		for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
			if listener, err = net.Listen("tcp", address.Host); err == nil {
				return true
			}
		}
		return false
	})
	thief := &squatter{}
	server := &http.Server{Handler: thief}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { _ = server.Close() })

	held := d.waitStatus("points wait on disk", func(st console.Status) bool { return st.Queue.Points > 50 })
	if held.InfluxDB.State == "ready" {
		t.Errorf("InfluxDB is said to be ready: %+v", held.InfluxDB)
	}
	if _, _, code := s.run("query", "SHOW DATABASES"); code == 0 {
		t.Error("a query was answered by somebody else")
	}
	_ = server.Close()
	<-served
	thief.mu.Lock()
	for _, shown := range thief.passwords {
		t.Errorf("a password was shown: %s", shown)
	}
	thief.mu.Unlock()
	now, err := d.status()
	if err != nil {
		t.Fatal(err)
	}
	accepted := int(now.Plugins[0].Points)
	d.waitStatus("InfluxDB is back and has everything", func(st console.Status) bool {
		return st.InfluxDB.State == "ready" && st.InfluxDB.Stored >= accepted
	})
	waitUntil(t, "all accepted points are found", patience, func() bool { return int(s.count(time.Now())) >= accepted })
}
