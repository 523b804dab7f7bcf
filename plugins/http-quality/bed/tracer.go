package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// tracer is the prober that one writes with net/http and httptrace: a fresh connection, all phases, the whole body.
type tracer struct{ transport *http.Transport }

func newTracer() *tracer {
	return &tracer{&http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{}}}
}

func (t *tracer) trust(roots *x509.CertPool) { t.transport.TLSClientConfig.RootCAs = roots }

func (t *tracer) run(address string, timeout time.Duration) measured {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	m := measured{Outcome: "ok", Phases: map[string]float64{}}
	// A callback of a connection that came too late may run when the request is over.
	var mu sync.Mutex
	last, over := time.Now(), false
	mark := func(phase string) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); !over {
			m.Phases[phase] = now.Sub(last).Seconds()
			last = now
		}
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone:              func(httptrace.DNSDoneInfo) { mark("dns") },
		ConnectDone:          func(string, string, error) { mark("tcp") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { mark("tls") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { mark("request") },
		GotFirstResponseByte: func() { mark("wait") },
	})
	err := func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := t.transport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
		mark("transfer")
		return err
	}()
	mu.Lock()
	defer mu.Unlock()
	over = true
	if err != nil {
		m.Outcome, m.Error = "error", err.Error()
	}
	return m
}
