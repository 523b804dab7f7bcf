package probe

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A moment of ours may be noted late on a busy machine, never early. So what lies between a moment noted before a server's
// delay can begin and one noted after its end is at least the delay; a single phase may have lost some of it to the one before.
const (
	delay  = 100 * time.Millisecond
	excess = 5 * time.Second
)

func TestPhasesMeasureWhatTheServersTake(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	config := serverConfig(t, ca, nil)
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		time.Sleep(delay) // the hello is here, so the client noted its connection
		return nil, nil
	}
	at := secureServer(t, config, func(conn net.Conn) {
		readRequest(conn)
		time.Sleep(4 * delay)
		conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
		time.Sleep(4 * delay)
		conn.Write([]byte("world"))
	})
	dns := dnsServer(t, map[string]record{"shop.vedette.test.": {
		addrs: []string{"127.0.0.1"}, delay: map[dnsmessage.Type]time.Duration{dnsmessage.TypeA: delay, dnsmessage.TypeAAAA: time.Hour},
	}})
	res := runTarget(t, Target{
		URL:     parseURL(t, fmt.Sprintf("https://shop.vedette.test:%d/", at.Port())),
		RootCAs: ca.pool, Resolver: dns, Family: IPv4, Expect: Expectation{BodyContains: "lowo"},
	})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	h := res.Last()
	ps := h.Phases()
	for _, c := range []struct {
		name       string
		span       Span
		atLeast    time.Duration
		cumulative time.Duration // since which at least the whole delay passed
		whole      time.Duration
	}{
		{"dns", ps.DNS, delay, h.Resolved.Time, delay},
		{"tls", ps.TLS, delay, h.Secured.Time - h.Connected.Time, delay},
		{"wait", ps.Wait, delay, h.FirstByte.Time - h.Secured.Time, 4 * delay},
		{"transfer", ps.Transfer, delay, h.Total - h.Secured.Time, 8 * delay},
	} {
		if !c.span.Reached || c.span.Time < c.atLeast || c.span.Time > 4*delay+excess || c.cumulative < c.whole {
			t.Errorf("%s took %v (%v), want at least %v", c.name, c.span.Time, c.cumulative, c.whole)
		}
	}
	if !ps.TCP.Reached || !ps.Request.Reached || ps.TCP.Time > excess || ps.Request.Time > excess {
		t.Errorf("tcp %+v, request %+v", ps.TCP, ps.Request)
	}
	if res.Total < 10*delay {
		t.Errorf("all took %v", res.Total)
	}
	c := res.Curl()
	if c.NameLookup != h.Resolved || c.Connect != h.Connected || c.AppConnect != h.Secured || c.PreTransfer != h.Pretransfer ||
		c.StartTransfer != h.FirstByte || c.Redirect.Reached || c.Total != h.Total || h.Sent != h.Pretransfer {
		t.Errorf("%+v is not the same as %+v", c, h)
	}
}

func TestLongBodyIsPartOfTheRequestPhase(t *testing.T) {
	leavesNothing(t)
	at := listen(t, "127.0.0.1:0", func(conn net.Conn) {
		conn.Read(make([]byte, 1))
		time.Sleep(delay)
		readRequest(conn)
		conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	})
	res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), Method: "POST", Body: make([]byte, 64<<20)})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	h := res.Last()
	if h.Sent.Time-h.Connected.Time < delay || h.Pretransfer.Time > h.Sent.Time || h.RequestSize <= 64<<20 {
		t.Errorf("%+v", h)
	}
}

func TestInterimAnswersAreSkippedAndCounted(t *testing.T) {
	leavesNothing(t)
	const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	const final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
	at := listen(t, "127.0.0.1:0", func(conn net.Conn) {
		readRequest(conn)
		conn.Write([]byte(interim))
		time.Sleep(4 * delay)
		conn.Write([]byte(final + "hi"))
	})
	res := probeURL(t, "http://"+at.String())
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	h := res.Last()
	if h.Status != 200 || h.HeaderSize != int64(len(interim+final)) || h.BodySize != 2 {
		t.Errorf("%+v", h)
	}
	// curl takes the first byte of an interim answer for that of the answer.
	if h.Total-h.Connected.Time < 4*delay || h.Phases().Transfer.Time < delay {
		t.Errorf("%+v", h.Phases())
	}
}

func TestCurlTimesAreSumsOverHops(t *testing.T) {
	at := func(ms int) Span { return Span{time.Duration(ms) * time.Millisecond, true} }
	// Section 4's case: http redirects to https.
	res := Result{Total: 453 * time.Millisecond, Hops: []Hop{
		{Resolved: at(31), Connected: at(51), Pretransfer: at(52), Sent: at(52), FirstByte: at(103), Total: 103 * time.Millisecond,
			Ended: PhaseTransfer, HeaderSize: 100, RequestSize: 50, BodySize: 7, Status: 302},
		{Start: 103 * time.Millisecond, Resolved: at(31), Connected: at(52), Secured: at(78), Pretransfer: at(79), Sent: at(79),
			FirstByte: at(149), Total: 350 * time.Millisecond, Ended: PhaseTransfer, HeaderSize: 200, RequestSize: 60, BodySize: 1000,
			Status: 200, Secure: true, ContentLength: 1000},
	}}
	want := Curl{
		NameLookup: at(62), Connect: at(103), AppConnect: at(78), PreTransfer: at(131), StartTransfer: at(252), Redirect: at(103),
		Total: 453 * time.Millisecond, HTTPCode: 200, SizeDownload: 1000, SizeHeader: 300, SizeRequest: 110,
		SpeedDownload: 2207, ContentLength: 1000, NumRedirects: 1, NumConnects: 2,
	}
	if got := res.Curl(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// A second hop that fails in the handshake adds what it reached; a plain first hop alone leaves AppConnect absent.
	second := &res.Hops[1]
	second.Secured, second.Pretransfer, second.Sent, second.FirstByte, second.Ended = Span{}, Span{}, Span{}, Span{}, PhaseTLS
	if got := res.Curl(); got.Connect != at(103) || got.AppConnect.Reached || got.StartTransfer != at(103) {
		t.Errorf("%+v", got)
	}
	if ps := second.Phases(); ps.TLS != at(298) || ps.Request.Reached || ps.Wait.Reached || ps.Transfer.Reached {
		t.Errorf("%+v", ps)
	}
}
