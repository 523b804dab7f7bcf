package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
)

// modern is a site whose server agrees on a key exchange with ML-KEM, which nginx does only with a newer OpenSSL. It has the
// certificates and the page of the other one.
type modern struct {
	server *http.Server
	port   int
	served atomic.Int64
}

func startModern(like *nginx) (*modern, error) {
	dir := filepath.Dir(like.ca)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "site.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		return nil, err
	}
	m := &modern{port: listener.Addr().(*net.TCPAddr).Port}
	page := bytes.Repeat([]byte{'a'}, pageSize)
	m.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			m.served.Add(1)
			_, _ = w.Write(page)
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true},
	}
	go func() { _ = m.server.ServeTLS(listener, "", "") }()
	return m, nil
}

func (m *modern) close() { _ = m.server.Close() }

func (m *modern) probed() int { return int(m.served.Load()) }

func (m *modern) urls(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("https://127.0.0.%d:%d/?n=%d", i%addresses+1, m.port, i))
	}
	return all
}
