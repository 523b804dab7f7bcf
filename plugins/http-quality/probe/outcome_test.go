package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestGoodAnswerIsOK(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	plain := says(t, answer)
	secure := secureServer(t, serverConfig(t, ca, nil), func(conn net.Conn) {
		readRequest(conn)
		conn.Write([]byte(answer))
	})
	for _, address := range []string{"http://" + plain.String(), "https://" + secure.String()} {
		res := runTarget(t, Target{URL: parseURL(t, address+"/x"), RootCAs: ca.pool, Expect: Expectation{
			Status: []StatusRange{{200, 200}}, Header: []Field{{"content-length", "5"}}, BodyContains: "ell", Within: patience,
		}})
		wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
		h := res.Last()
		if h.Status != 200 || h.BodySize != 5 || h.ContentLength != 5 || h.HTTPVersion != "1.1" || h.HeaderSize != int64(len(answer)-5) {
			t.Errorf("%s: %+v", address, h)
		}
		if h.RemoteIP != netip.MustParseAddr("127.0.0.1") || h.LocalIP != h.RemoteIP || h.URL != address+"/x" {
			t.Errorf("%s: %+v", address, h)
		}
		if !res.BodyChecked || !res.BodyMatched {
			t.Errorf("%s: body checked %t, matched %t", address, res.BodyChecked, res.BodyMatched)
		}
		if h.Secure && (h.TLSVersion != "TLS 1.3" || !near(h.CertExpiry, time.Now().Add(240*time.Hour))) {
			t.Errorf("tls %q, certificate until %v", h.TLSVersion, h.CertExpiry)
		}
	}
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() < time.Minute }

func TestExpectationsThatFailAreAllNamedAndTheFirstIsTheOutcome(t *testing.T) {
	leavesNothing(t)
	at := says(t, "HTTP/1.1 503 Sorry\r\nX-Mood: bad\r\nContent-Encoding: gzip\r\n\r\nclosed")
	good := Expectation{Status: []StatusRange{{500, 599}}, Header: []Field{{"x-mood", ""}}, BodyContains: "close", Within: patience}
	for _, c := range []struct {
		change func(*Expectation)
		failed []string
		text   string
	}{
		{func(e *Expectation) {}, nil, ""},
		{func(e *Expectation) { e.Status = nil }, []string{"status"}, "status 503, expected 2xx, 3xx"},
		{func(e *Expectation) { e.Header[0].Value = "good" }, []string{"header"}, `header x-mood does not contain "good"`},
		{func(e *Expectation) { e.Header[0].Name = "X-Other" }, []string{"header"}, "no header X-Other"},
		{func(e *Expectation) { e.BodyContains = "open" }, []string{"body"}, `encoded as "gzip"`},
		{func(e *Expectation) { e.Within = 1 }, []string{"slow"}, "expected at most 1ns"},
		{func(e *Expectation) { *e = Expectation{Header: []Field{{"a", ""}}, BodyContains: "open", Within: 1} },
			[]string{"status", "header", "body", "slow"}, "status 503"},
	} {
		expect := good.clone()
		c.change(&expect)
		res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), Expect: expect})
		outcome := OutcomeOK
		if len(c.failed) > 0 {
			outcome = Outcome(c.failed[0])
		}
		wantOutcome(t, res, outcome, PhaseTransfer, c.text)
		if fmt.Sprint(res.Failed) != fmt.Sprint(c.failed) {
			t.Errorf("failed %v, want %v", res.Failed, c.failed)
		}
	}
}

func TestBadServersHaveTheRightOutcomeAndPhase(t *testing.T) {
	ca := newAuthority(t)
	good := serverConfig(t, ca, nil)
	endless := func(piece string) func(net.Conn) {
		return func(conn net.Conn) {
			readRequest(conn)
			for {
				if _, err := conn.Write([]byte(piece)); err != nil {
					return
				}
			}
		}
	}
	afterRequest := func(do func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			readRequest(conn)
			do(conn)
		}
	}
	answer := func(text string) func(net.Conn) {
		return afterRequest(func(conn net.Conn) { conn.Write([]byte(text)) })
	}
	const short = 600 * time.Millisecond // the timeout of those that never answer
	for _, c := range []struct {
		name    string
		serve   func(net.Conn)
		timeout time.Duration
		outcome Outcome
		ended   Phase
		text    string
	}{
		{"accepts and says nothing", drain, short, OutcomeTimeout, PhaseWait, "no answer within 600ms: waiting for the first byte"},
		{"closes without an answer", afterRequest(func(net.Conn) {}), 0, OutcomeReceive, PhaseWait, "connection closed"},
		{"resets without an answer", afterRequest(reset), 0, OutcomeReceive, PhaseWait, "connection reset by peer"},
		{"half a status line", answer("HTTP/1.1 20"), 0, OutcomeReceive, PhaseTransfer, "connection closed within the status line"},
		{"half a header", answer("HTTP/1.1 200 OK\r\nA: b\r\n"), 0, OutcomeReceive, PhaseTransfer, "connection closed within the header"},
		{"a header that stalls", afterRequest(func(conn net.Conn) { conn.Write([]byte("HTTP/1.1 200 OK\r\nA")); drain(conn) }),
			short, OutcomeTimeout, PhaseTransfer, "reading the answer"},
		{"resets within the header", afterRequest(func(conn net.Conn) {
			conn.Write([]byte("HTTP/1.1 200 OK\r\n"))
			awaitRead(t, conn) // or the reset would overtake the line
			reset(conn)
		}), 0, OutcomeReceive, PhaseTransfer, "connection reset by peer within the header"},
		{"endless header", endless("HTTP/1.1 200 OK\r\nA: b\r\n"), 0, OutcomeReceive, PhaseTransfer, "more than 262144 bytes"},
		{"endless line", endless("HTTP/1.1 200 OK"), 0, OutcomeReceive, PhaseTransfer, "line of more than 65536 bytes"},
		{"endless interim answers", endless("HTTP/1.1 103 Early Hints\r\n\r\n"), 0, OutcomeReceive, PhaseTransfer, "more than 262144 bytes"},
		{"endless body", endless("HTTP/1.1 200 OK\r\n\r\n"), 0,
			OutcomeBody, PhaseTransfer, "body is longer than 10000 bytes"},
		{"short body", answer("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"), 0, OutcomeReceive, PhaseTransfer,
			"connection closed after 2 of 20 bytes of the body"},
		{"body that stalls", afterRequest(func(conn net.Conn) {
			conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"))
			drain(conn)
		}), short, OutcomeTimeout, PhaseTransfer, "reading the answer"},
		{"resets within the body", afterRequest(func(conn net.Conn) {
			conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"))
			awaitRead(t, conn)
			reset(conn)
		}), 0, OutcomeReceive, PhaseTransfer, "connection reset by peer after 2 of 20 bytes"},
		{"bad chunk size", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n"), 0,
			OutcomeReceive, PhaseTransfer, `bad chunk size "zz" after 2 bytes`},
		{"chunk longer than its size", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiho\r\n0\r\n\r\n"), 0,
			OutcomeReceive, PhaseTransfer, "chunk longer than its size"},
		{"chunks without an end", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"), 0,
			OutcomeReceive, PhaseTransfer, "connection closed after 2 bytes of the body"},
		{"trailer without an end", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n"), 0,
			OutcomeReceive, PhaseTransfer, "within the trailer"},
		{"a length beside a coding", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 9\r\n\r\nhello"), 0, OutcomeOK, PhaseTransfer, ""},
		{"two lengths", answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi"), 0,
			OutcomeReceive, PhaseTransfer, "content length is 2 as well as 3"},
		{"negative length", answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi"), 0,
			OutcomeReceive, PhaseTransfer, `content length is "-1"`},
		{"HTTP/0.9", answer("<html>hello</html>"), 0, OutcomeReceive, PhaseTransfer, `not HTTP/1: it starts with "<html>hello</html>"`},
		{"HTTP/2 in plain text", answer("HTTP/2 200\r\n\r\n"), 0, OutcomeReceive, PhaseTransfer, "not HTTP/1"},
		{"a few bytes that are not HTTP, and silence", afterRequest(func(conn net.Conn) { conn.Write([]byte("SSH\x00\xff")); drain(conn) }),
			0, OutcomeReceive, PhaseTransfer, `"SSH\x00\xff"`},
		{"status of letters", answer("HTTP/1.1 abc\r\n\r\n"), 0, OutcomeReceive, PhaseTransfer, "not HTTP/1"},
		{"unasked switch of protocols", answer("HTTP/1.1 101 Switching\r\n\r\n\x81\x02hi"), 0, OutcomeStatus, PhaseTransfer, "status 101"},
		{"NUL and 8-bit in the header", answer("HTTP/1.1 200 O\x00K\xff\r\nA\x00\xff: \x00\xff\r\nContent-Length: 2\r\n\r\nhi"), 0, OutcomeOK, PhaseTransfer, ""},
		{"more than announced", answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiho"), 0, OutcomeOK, PhaseTransfer, ""},
		{"lines without carriage return", answer("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"), 0, OutcomeOK, PhaseTransfer, ""},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(c.name+"/"+scheme, func(t *testing.T) {
				leavesNothing(t)
				var at netip.AddrPort
				if scheme == "http" {
					at = listen(t, "127.0.0.1:0", c.serve)
				} else {
					at = secureServer(t, good, c.serve)
				}
				target := Target{URL: parseURL(t, scheme+"://"+at.String()), RootCAs: ca.pool, Timeout: c.timeout, MaxBody: 10000}
				began := time.Now()
				res := runTarget(t, target)
				wantOutcome(t, res, c.outcome, c.ended, c.text)
				h := res.Last()
				if !h.Sent.Reached || h.RequestSize == 0 || h.FirstByte.Reached != (c.ended == PhaseTransfer) {
					t.Errorf("reached: %+v", h)
				}
				if c.timeout > 0 && (res.Total < c.timeout || time.Since(began) > c.timeout+patience/2) {
					t.Errorf("took %v and %v, with a timeout of %v", res.Total, time.Since(began), c.timeout)
				}
				if c.outcome == OutcomeBody && h.BodySize != 10000 {
					t.Errorf("read %d bytes of the body", h.BodySize)
				}
			})
		}
	}
}

func TestRefusedConnectionIsConnect(t *testing.T) {
	leavesNothing(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	res := probeURL(t, "http://"+at)
	wantOutcome(t, res, OutcomeConnect, PhaseTCP, "connecting to "+at+": connection refused")
	h := res.Last()
	if !h.Resolved.Reached || h.Connected.Reached || res.Curl().Connect.Reached || res.Curl().NumConnects != 0 {
		t.Errorf("reached: %+v", h)
	}
	if !errors.Is(res.Err, syscall.ECONNREFUSED) {
		t.Errorf("%v does not wrap ECONNREFUSED", res.Err)
	}
}

func TestResetBeforeOrWithinTheHandshakeIsTLS(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"closed": func(net.Conn) {},
		"within": func(conn net.Conn) { conn.Read(make([]byte, 4096)); reset(conn) },
		"garbage": func(conn net.Conn) {
			conn.Write([]byte("220 mail.example ESMTP\r\n"))
			drain(conn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			res := probeURL(t, "https://"+listen(t, "127.0.0.1:0", serve).String())
			wantOutcome(t, res, OutcomeTLS, PhaseTLS, "handshake with 127.0.0.1: ")
			if c := res.Curl(); !c.Connect.Reached || c.AppConnect.Reached || c.NumConnects != 1 {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestSilentHandshakeTimesOut(t *testing.T) {
	leavesNothing(t)
	at := listen(t, "127.0.0.1:0", drain)
	res := runTarget(t, Target{URL: parseURL(t, "https://"+at.String()), Timeout: 600 * time.Millisecond})
	wantOutcome(t, res, OutcomeTimeout, PhaseTLS, "no answer within 600ms: shaking hands")
	if !res.Last().Connected.Reached {
		t.Error("connect was lost")
	}
}

func TestOldTLSAndMissingClientCertificateAreTLS(t *testing.T) {
	ca := newAuthority(t)
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.0 only":                    func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 },
		"client certificate with TLS 1.2": func(c *tls.Config) { c.MaxVersion, c.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert },
		"client certificate with TLS 1.3": func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			config := serverConfig(t, ca, nil)
			change(config)
			at := secureServer(t, config, drain)
			res := runTarget(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool})
			if res.Outcome != OutcomeTLS || !strings.Contains(res.Err.Error(), "tls: ") {
				t.Errorf("outcome %s: %v", res.Outcome, res.Err)
			}
		})
	}
}

func TestBadCertificatesAreCertificateAndKeepTheirExpiry(t *testing.T) {
	ca := newAuthority(t)
	now := time.Now()
	for _, c := range []struct {
		name   string
		by     *authority
		change func(*x509.Certificate)
		expiry time.Time
		text   string
	}{
		{"expired", ca, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }, now.Add(-time.Minute), "expired on "},
		{"not yet valid", ca, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }, now.Add(240 * time.Hour), "not valid before "},
		{"wrong name", ca, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.vedette.test"} },
			now.Add(240 * time.Hour), "x509: "},
		{"self-signed", nil, nil, now.Add(240 * time.Hour), "x509: "},
		{"hostile name", nil, func(c *x509.Certificate) { c.Subject.CommonName = "\x1b[2J\n" + strings.Repeat("x", 5000) },
			now.Add(240 * time.Hour), "x509: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			leavesNothing(t)
			at := secureServer(t, serverConfig(t, c.by, c.change), func(conn net.Conn) {
				readRequest(conn)
				conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			})
			target := Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool}
			res := runTarget(t, target)
			wantOutcome(t, res, OutcomeCertificate, PhaseTLS, c.text)
			h := res.Last()
			if !near(h.CertExpiry, c.expiry) || h.TLSVersion == "" || h.Secured.Reached || h.Sent.Reached {
				t.Errorf("%+v, want expiry %v", h, c.expiry)
			}
			target.InsecureSkipVerify = true
			res = runTarget(t, target)
			wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
			if !near(res.Last().CertExpiry, c.expiry) {
				t.Errorf("without verification: expiry %v, want %v", res.Last().CertExpiry, c.expiry)
			}
		})
	}
}

func TestServerNameReplacesTheHostInTheHandshake(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	config := serverConfig(t, ca, func(c *x509.Certificate) { c.IPAddresses = nil })
	asked := make(chan string, 1)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		asked <- hello.ServerName
		return nil, nil
	}
	at := secureServer(t, config, func(conn net.Conn) { readRequest(conn); conn.Write([]byte("HTTP/1.1 204 None\r\n\r\n")) })
	res := runTarget(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool, ServerName: "shop.vedette.test"})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	if name := <-asked; name != "shop.vedette.test" {
		t.Errorf("asked for %q", name)
	}
}

func TestServerThatStopsReadingIsSend(t *testing.T) {
	leavesNothing(t)
	at := listen(t, "127.0.0.1:0", func(conn net.Conn) { conn.Read(make([]byte, 1000)); reset(conn) })
	target := Target{URL: parseURL(t, "http://"+at.String()), Method: "POST", Body: make([]byte, 64<<20)}
	res := runTarget(t, target)
	wantOutcome(t, res, OutcomeSend, PhaseRequest, "sending the request: ")
	if h := res.Last(); !h.Pretransfer.Reached || h.Sent.Reached || h.RequestSize == 0 || h.RequestSize >= 64<<20 {
		t.Errorf("%+v", h)
	}
}

func TestCancelledContextEndsEveryPhaseAtOnce(t *testing.T) {
	ca := newAuthority(t)
	dns := dnsServer(t, map[string]record{"mute.vedette.test.": {mute: true}})
	reading := func(first string) func(net.Conn) {
		return func(conn net.Conn) {
			readRequest(conn)
			conn.Write([]byte(first))
			drain(conn)
		}
	}
	for _, c := range []struct {
		ended   Phase
		address func(t *testing.T) string
	}{
		{PhaseDNS, func(t *testing.T) string { return "http://mute.vedette.test" }},
		{PhaseTCP, func(t *testing.T) string { return "http://" + unanswered(t) }},
		{PhaseTLS, func(t *testing.T) string { return "https://" + listen(t, "127.0.0.1:0", drain).String() }},
		{PhaseRequest, func(t *testing.T) string {
			hold := make(chan struct{})
			at := listen(t, "127.0.0.1:0", func(net.Conn) { <-hold })
			t.Cleanup(func() { close(hold) })
			return "http://" + at.String()
		}},
		{PhaseWait, func(t *testing.T) string { return "http://" + listen(t, "127.0.0.1:0", drain).String() }},
		{PhaseTransfer, func(t *testing.T) string {
			return "http://" + listen(t, "127.0.0.1:0", reading("HTTP/1.1 200 OK\r\n\r\nhi")).String()
		}},
	} {
		t.Run(c.ended.String(), func(t *testing.T) {
			leavesNothing(t)
			target := Target{URL: parseURL(t, c.address(t)), RootCAs: ca.pool, Resolver: dns, Timeout: time.Minute}
			if c.ended == PhaseRequest {
				target.Method, target.Body = "POST", make([]byte, 64<<20)
			}
			p := newProber(t, target)
			ctx, cancel := context.WithCancel(context.Background())
			timer := time.AfterFunc(500*time.Millisecond, cancel)
			defer timer.Stop()
			res := p.Run(ctx)
			checkResult(t, res)
			wantOutcome(t, res, OutcomeTimeout, c.ended, "stopped early: "+c.ended.doing())
			if !errors.Is(res.Err, context.Canceled) || res.Total > patience {
				t.Errorf("after %v: %v", res.Total, res.Err)
			}
			// The time is told that was left when the probe began.
			ctx, cancel = context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			res = p.Run(ctx)
			wantOutcome(t, res, OutcomeTimeout, c.ended, "no answer within ")
			if res.Err == nil || !strings.Contains(res.Err.Error(), "ms: "+c.ended.doing()) {
				t.Errorf("error %v", res.Err)
			}
			if !errors.Is(res.Err, context.DeadlineExceeded) || res.Total > patience {
				t.Errorf("after %v: %v", res.Total, res.Err)
			}
		})
	}
}
