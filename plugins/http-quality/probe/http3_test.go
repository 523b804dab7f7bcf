package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// quicServer serves HTTP/3 with quic-go's own server: there is no other one at hand, so what both get wrong alike is not seen.
func quicServer(t *testing.T, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{TLSConfig: http3.ConfigureTLSConfig(config), Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(conn)
	}()
	t.Cleanup(func() {
		server.Close()
		conn.Close()
		<-done
	})
	return "https://" + conn.LocalAddr().String()
}

func TestHTTP3(t *testing.T) {
	ca := newAuthority(t)
	var secure string
	handler := pages(func() string { return secure }, func() string { return secure })
	secure = quicServer(t, serverConfig(t, ca, nil), handler)
	upload := bytes.Repeat([]byte("0123456789"), 100000)
	for _, c := range []struct {
		name    string
		path    string
		target  Target
		outcome Outcome
		check   func(h *Hop) bool
	}{
		{"page", "/echo", Target{}, OutcomeOK, func(h *Hop) bool {
			return h.Status == 200 && h.BodySize == 4 && h.ContentLength == 4 && h.HeaderSize > 20
		}},
		{"long", "/long", Target{}, OutcomeOK, func(h *Hop) bool { return h.BodySize == 300000 }},
		{"head", "/echo", Target{Method: "HEAD"}, OutcomeOK, func(h *Hop) bool { return h.BodySize == 0 && h.ContentLength == 4 }},
		{"none", "/none", Target{}, OutcomeOK, func(h *Hop) bool { return h.Status == 204 }},
		{"hints", "/hints", Target{}, OutcomeOK, func(h *Hop) bool { return h.Status == 200 && h.BodySize == 5 }},
		{"not found", "/x?a=%20b", Target{}, OutcomeStatus, func(h *Hop) bool { return h.Status == 404 }},
		{"gzip", "/gzip", Target{Compression: true, Expect: Expectation{BodyContains: "<p>cart</p>\n<p>"}}, OutcomeOK,
			func(h *Hop) bool { return h.BodySize < 1000 }},
		{"upload", "/echo", Target{Method: "POST", Body: upload, Expect: Expectation{Header: []Field{{"X-Asked", "POST   1000000"}}}}, OutcomeOK,
			func(h *Hop) bool { return h.RequestSize > int64(len(upload)) && h.Sent.Time >= h.Pretransfer.Time }},
		{"header", "/echo", Target{Header: []Field{{"Cookie", "a=b"}, {"Host", "shop.vedette.test"}},
			Expect: Expectation{Header: []Field{{"X-Asked", "a=b"}, {"X-Two", "b"}}}}, OutcomeOK, func(h *Hop) bool { return true }},
		{"redirect", "/near", Target{MaxRedirects: 3}, OutcomeOK, func(h *Hop) bool { return h.HTTPVersion == "3" }},
		{"limit", "/long", Target{MaxBody: 1000}, OutcomeBody, func(h *Hop) bool { return h.BodySize == 1000 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.target.URL, c.target.RootCAs, c.target.Version = parseURL(t, secure+c.path), ca.pool, HTTP3
			res := runTarget(t, c.target)
			wantOutcome(t, res, c.outcome, PhaseTransfer, "")
			h := res.Last()
			if !c.check(h) || h.HTTPVersion != "3" || h.TLSVersion != "TLS 1.3" || !near(h.CertExpiry, time.Now().Add(240*time.Hour)) {
				t.Errorf("%+v", h)
			}
			if h.RemoteIP != netip.MustParseAddr("127.0.0.1") || h.LocalIP != h.RemoteIP || h.Lag.Reached || h.Retrans >= 0 {
				t.Errorf("%+v", h)
			}
			for _, reached := range []Span{h.Resolved, h.Connected, h.Secured, h.Pretransfer, h.Sent, h.FirstByte} {
				if !reached.Reached {
					t.Errorf("%+v", h)
				}
			}
			if n := res.Curl().NumConnects; n != len(res.Hops) {
				t.Errorf("%d connections for %d hops", n, len(res.Hops))
			}
		})
	}
}

func TestHTTP3LeavesNothing(t *testing.T) {
	ca := newAuthority(t)
	for name, timeout := range map[string]time.Duration{"ok": patience, "timeout": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			secure := quicServer(t, serverConfig(t, ca, nil), func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "hello")
				if timeout != patience {
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				}
			})
			for range 5 {
				res := runTarget(t, Target{URL: parseURL(t, secure), RootCAs: ca.pool, Version: HTTP3, Timeout: timeout})
				if name == "ok" {
					wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
				} else {
					wantOutcome(t, res, OutcomeTimeout, PhaseTransfer, "no answer within 500ms: reading the answer")
				}
			}
		})
	}
}

func TestHTTP3FailuresHaveTheRightOutcomeAndPhase(t *testing.T) {
	ca := newAuthority(t)
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/half":
			w.Header().Set("Content-Length", "20")
			io.WriteString(w, "hi")
		case "/hang":
			<-r.Context().Done()
		}
	}
	good := func(t *testing.T) string { return quicServer(t, serverConfig(t, ca, nil), handler) }
	for _, c := range []struct {
		name    string
		address func(t *testing.T) string
		timeout time.Duration
		outcome Outcome
		ended   Phase
		text    string
	}{
		{"nobody listens", func(t *testing.T) string {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			return "https://" + conn.LocalAddr().String()
		}, 0, OutcomeConnect, PhaseTCP, "connection refused"},
		{"says nothing", func(t *testing.T) string {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return "https://" + conn.LocalAddr().String()
		}, 600 * time.Millisecond, OutcomeTimeout, PhaseTCP, "no answer within 600ms: connecting"},
		{"another certificate", func(t *testing.T) string {
			return quicServer(t, serverConfig(t, ca, func(c *x509.Certificate) { c.IPAddresses = nil }), handler)
		}, 0, OutcomeCertificate, PhaseTLS, "certificate of 127.0.0.1: "},
		{"expired", func(t *testing.T) string {
			return quicServer(t, serverConfig(t, ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), handler)
		}, 0, OutcomeCertificate, PhaseTLS, "expired on "},
		{"client certificate", func(t *testing.T) string {
			config := serverConfig(t, ca, nil)
			config.ClientAuth = tls.RequireAnyClientCert
			return quicServer(t, config, handler)
		}, 0, OutcomeTLS, PhaseWait, "certificate"},
		{"no HTTP/3", func(t *testing.T) string {
			config := serverConfig(t, ca, nil)
			config.NextProtos = []string{"other"}
			l, err := quic.ListenAddr("127.0.0.1:0", config, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return "https://" + l.Addr().String()
		}, 0, OutcomeTLS, PhaseTLS, ""},
		{"aborts", func(t *testing.T) string { return good(t) + "/abort" }, 0, OutcomeReceive, PhaseWait, ""},
		{"short body", func(t *testing.T) string { return good(t) + "/half" }, 0, OutcomeReceive, PhaseTransfer, "within the body"},
		{"hangs", func(t *testing.T) string { return good(t) + "/hang" }, 600 * time.Millisecond, OutcomeTimeout, PhaseWait, "waiting for the first byte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			leavesNothing(t)
			res := runTarget(t, Target{URL: parseURL(t, c.address(t)), RootCAs: ca.pool, Version: HTTP3, Timeout: c.timeout})
			h := res.Last()
			// The server refuses a client after its handshake, which ends before the server's: that may be told while the request
			// is still written.
			if c.outcome == OutcomeTLS && c.ended == PhaseWait && h.Ended == PhaseRequest {
				c.ended = PhaseRequest
			}
			wantOutcome(t, res, c.outcome, c.ended, c.text)
			if h.Connected.Reached != (c.ended >= PhaseTLS) || h.Secured.Reached != (c.ended > PhaseTLS) || h.FirstByte.Reached != (c.ended == PhaseTransfer) {
				t.Errorf("%+v", h)
			}
			if c.outcome == OutcomeCertificate && h.CertExpiry.IsZero() {
				t.Error("the certificate's facts are lost")
			}
		})
	}
}

func TestHTTP3ConnectionIsReused(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	secure := quicServer(t, serverConfig(t, ca, nil), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })
	p := newProber(t, Target{URL: parseURL(t, secure), RootCAs: ca.pool, Version: HTTP3, Reuse: true, Timeout: patience})
	for i := range 3 {
		res := p.Run(t.Context())
		checkResult(t, res)
		wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
		if h := res.Last(); h.Reused != (i > 0) || h.Connected.Reached != (i == 0) || h.TLSVersion != "TLS 1.3" || h.CertExpiry.IsZero() {
			t.Errorf("%d: %+v", i, h)
		}
	}
	p.Close()
	if res := p.Run(t.Context()); res.Outcome != OutcomeOK || res.Last().Reused {
		t.Errorf("after Close: %v, %+v", res.Err, res.Last())
	}
}

func TestCancelledContextEndsHTTP3AtOnce(t *testing.T) {
	leavesNothing(t)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := newProber(t, Target{URL: parseURL(t, fmt.Sprintf("https://%s", conn.LocalAddr())), Version: HTTP3, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(300*time.Millisecond, cancel)
	defer timer.Stop()
	res := p.Run(ctx)
	wantOutcome(t, res, OutcomeTimeout, PhaseTCP, "stopped early: connecting")
	if !errors.Is(res.Err, context.Canceled) || res.Total > patience {
		t.Errorf("after %v: %v", res.Total, res.Err)
	}
}
