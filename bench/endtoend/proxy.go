package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/bench/process"
	"github.com/vedette-monitor/vedette/bench/report"
)

// proxy stands before InfluxDB and notes how old each point is when InfluxDB answers that it has it.
type proxy struct {
	url    string
	server *http.Server

	mu   sync.Mutex
	ages report.Quantiles
}

func startProxy(to string) (*proxy, error) {
	target, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{url: "http://" + listener.Addr().String()}
	forward := httputil.NewSingleHostReverseProxy(target)
	p.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		seen := &status{ResponseWriter: w}
		forward.ServeHTTP(seen, r)
		if seen.code == http.StatusNoContent {
			p.note(body, r.Header.Get("Content-Encoding") == "gzip", time.Now())
		}
	})}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (p *proxy) note(body []byte, packed bool, now time.Time) {
	if packed {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return
		}
		if body, err = io.ReadAll(z); err != nil {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range bytes.Lines(body) {
		if !bytes.HasPrefix(line, []byte("load,")) {
			continue
		}
		line = bytes.TrimSpace(line)
		at, err := strconv.ParseInt(string(line[bytes.LastIndexByte(line, ' ')+1:]), 10, 64)
		if err == nil {
			p.ages = append(p.ages, float64(now.UnixNano()-at)/1e6)
		}
	}
}

// wait waits until n points are stored.
func (p *proxy) wait(ctx context.Context, n int) (report.Quantiles, error) {
	err := process.Until(ctx, fmt.Sprint(n, " points are stored"), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.ages) >= n
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ages, err
}

func (p *proxy) end() { _ = p.server.Close() }
