package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// atOnce is how many probes of a closed loop are under way.
const atOnce = 8

// loop probes URLs in turn, as a process of its own: engine|httptrace PROCESSORS CA PROBES URL..., where no processors are all.
func loop(args []string) error {
	if len(args) < 5 {
		return errors.New("usage: loop engine|httptrace PROCESSORS CA PROBES URL")
	}
	processors, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(processors)
	text, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	n, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	urls := args[4:]
	one := tracer(urls, roots)
	if args[0] == "engine" {
		debug.SetGCPercent(150) // what the plugin comes to where probes make as much garbage as those with TLS
		if one, err = engine(urls, roots); err != nil {
			return err
		}
	}
	var begun, failed atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := begun.Add(1); i <= n; i = begun.Add(1) {
				if one(int(i)%len(urls)) != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d probes failed", n)
	}
	return nil
}

func engine(urls []string, roots *x509.CertPool) (func(int) error, error) {
	var probers []*probe.Prober
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		p, err := probe.New(probe.Target{URL: u, RootCAs: roots})
		if err != nil {
			return nil, err
		}
		probers = append(probers, p)
	}
	return func(i int) error {
		r := probers[i].Run(context.Background())
		_ = r.Curl()
		return r.Err
	}, nil
}

// tracer is the prober that one writes with net/http and httptrace: a fresh connection, all phases, the whole body.
func tracer(urls []string, roots *x509.CertPool) func(int) error {
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	return func(i int) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var phases [6]time.Duration
		start := time.Now()
		mark := func(i int) { phases[i] = time.Since(start) }
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			DNSDone:              func(httptrace.DNSDoneInfo) { mark(0) },
			ConnectDone:          func(string, string, error) { mark(1) },
			TLSHandshakeDone:     func(tls.ConnectionState, error) { mark(2) },
			WroteRequest:         func(httptrace.WroteRequestInfo) { mark(3) },
			GotFirstResponseByte: func() { mark(4) },
		}), http.MethodGet, urls[i], nil)
		if err != nil {
			return err
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
		mark(5)
		return err
	}
}
