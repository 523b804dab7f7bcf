package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/vedette-monitor/vedette/bench/process"
)

const (
	pageSize  = 1024
	addresses = 8 // of loopback, so that the ports of one do not run out
)

// nginx is the site that all contestants probe.
type nginx struct {
	*process.Process
	ca      string // file
	counted int
}

func startNginx(ctx context.Context, dir string) (*nginx, error) {
	if err := os.Chmod(dir, 0o755); err != nil { // its worker may be another user
		return nil, err
	}
	n := &nginx{ca: filepath.Join(dir, "ca.pem")}
	if err := writeCertificates(n.ca, filepath.Join(dir, "site.pem"), filepath.Join(dir, "key.pem")); err != nil {
		return nil, err
	}
	conf := strings.ReplaceAll(`
daemon off;
pid $DIR/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 8192; }
http {
  access_log off;
  error_log stderr error;
  client_body_temp_path $DIR/a; proxy_temp_path $DIR/b; fastcgi_temp_path $DIR/c; uwsgi_temp_path $DIR/d; scgi_temp_path $DIR/e;
  ssl_certificate $DIR/site.pem;
  ssl_certificate_key $DIR/key.pem;
  ssl_protocols TLSv1.3;
  ssl_session_tickets off;
  server { listen 18080 backlog=4096; listen 18443 ssl backlog=4096; root $DIR/root; }
  server { listen 127.0.0.1:18099; location / { stub_status; } }
}
`, "$DIR", dir)
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		return nil, err
	}
	for path, text := range map[string][]byte{"nginx.conf": []byte(conf), "root/index.html": bytes.Repeat([]byte{'a'}, pageSize)} {
		if err := os.WriteFile(filepath.Join(dir, path), text, 0o644); err != nil {
			return nil, err
		}
	}
	var err error
	n.Process, err = process.Start(ctx, filepath.Join(dir, "nginx.log"), "nginx", "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	if err != nil {
		return nil, err
	}
	if err := process.Until(ctx, "nginx answers", func() bool { return n.requests() > 0 }); err != nil {
		n.End()
		return nil, n.Fail(err)
	}
	return n, nil
}

// probed is how many requests nginx has counted, without those that asked for the count by this.
func (n *nginx) probed() int {
	n.counted++
	return n.requests() - n.counted
}

// requests is how many requests nginx has counted, this one among them.
func (n *nginx) requests() int {
	r, err := http.Get("http://127.0.0.1:18099/")
	if err != nil {
		return 0
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return 0
	}
	// The third line: accepts handled requests.
	var accepts, handled, requests int
	_, rest, _ := strings.Cut(string(text), "requests")
	_, _ = fmt.Sscan(strings.TrimSpace(rest), &accepts, &handled, &requests)
	return requests
}

// urls are n different ones.
func urls(scheme string, n int) []string {
	port := map[string]int{"http": 18080, "https": 18443}[scheme]
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s://127.0.0.%d:%d/?n=%d", scheme, 1+i%addresses, port, i))
	}
	return all
}
