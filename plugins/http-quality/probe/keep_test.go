package probe

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// chatty serves request after request on each connection, and counts connections.
func chatty(t *testing.T, connections *atomic.Int64, answer func(n int, conn net.Conn) bool) string {
	t.Helper()
	return "http://" + listen(t, "127.0.0.1:0", func(conn net.Conn) {
		connections.Add(1)
		for n := 0; ; n++ {
			if _, _, ok := readRequest(conn); !ok || !answer(n, conn) {
				return
			}
		}
	}).String()
}

func TestConnectionIsKeptWhereItMayBe(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		reused bool
	}{
		{"length", okAnswer, true},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", true},
		{"none", "HTTP/1.1 204 None\r\n\r\n", true},
		{"status that is not expected", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", true},
		{"server closes", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi", false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false},
		{"more than announced", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			leavesNothing(t)
			var connections atomic.Int64
			at := chatty(t, &connections, func(_ int, conn net.Conn) bool { _, err := conn.Write([]byte(c.answer)); return err == nil })
			p := newProber(t, Target{URL: parseURL(t, at), Reuse: true, Timeout: patience})
			defer p.Close()
			for i := range 3 {
				res := p.Run(t.Context())
				checkResult(t, res)
				h, reused := res.Last(), c.reused && i > 0
				if h.Reused != reused || h.Status == 0 || h.Resolved.Reached == reused || h.Connected.Reached == reused {
					t.Errorf("%d: %v, %+v", i, res.Err, h)
				}
				if got := res.Curl(); (got.NumConnects == 0) != reused || got.Connect.Reached == reused || !h.RemoteIP.IsValid() {
					t.Errorf("%d: %+v", i, got)
				}
			}
			if n := connections.Load(); n == 1 != c.reused {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// What a server does to a connection between two probes is seen before anything is sent over it.
func TestEndedConnectionIsReplacedBeforeTheRequest(t *testing.T) {
	for name, meanwhile := range map[string]func(conn net.Conn){
		"closed": func(conn net.Conn) { conn.Close() },
		"reset":  reset,
		"spoken": func(conn net.Conn) { conn.Write([]byte("HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			var connections, requests atomic.Int64
			first := make(chan net.Conn, 10)
			at := chatty(t, &connections, func(_ int, conn net.Conn) bool {
				requests.Add(1)
				_, err := conn.Write([]byte(okAnswer))
				first <- conn
				return err == nil
			})
			p := newProber(t, Target{URL: parseURL(t, at), Reuse: true, Timeout: patience})
			defer p.Close()
			p.Run(t.Context())
			meanwhile(<-first)
			for end := time.Now().Add(patience); p.keptIsQuiet() && time.Now().Before(end); time.Sleep(time.Millisecond) {
			}
			res := p.Run(t.Context())
			checkResult(t, res)
			wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
			if res.Last().Reused || requests.Load() != 2 || connections.Load() != 2 {
				t.Errorf("%d requests over %d connections: %+v", requests.Load(), connections.Load(), res.Last())
			}
		})
	}
}

// held keeps what is written back until it is released, so that several records of TLS leave in one segment.
type held struct {
	net.Conn
	on  bool
	out []byte
}

func (h *held) Write(b []byte) (int, error) {
	if !h.on {
		return h.Conn.Write(b)
	}
	h.out = append(h.out, b...)
	return len(b), nil
}

func (h *held) release() {
	h.on = false
	_, _ = h.Conn.Write(h.out)
	h.out = nil
}

// What a server says right after its answer is read with that by TLS, and the kernel has nothing of it any more.
func TestConnectionOfWhichTLSHasReadMoreIsReplaced(t *testing.T) {
	ca := newAuthority(t)
	for name, c := range map[string]struct {
		version Version
		serve   func(h *held, conn net.Conn)
	}{
		"an answer nobody has asked for": {HTTP1, func(h *held, conn net.Conn) {
			if _, _, ok := readRequest(conn); !ok {
				return
			}
			h.on = true
			for _, record := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "hi", "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"} {
				_, _ = conn.Write([]byte(record))
			}
			h.release()
			drain(conn)
		}},
		"the end of HTTP/2": {HTTP2, func(h *held, conn net.Conn) {
			speakHTTP2(func(p *peer) {
				h.on = true
				p.head(false, ":status", "200")
				_ = p.WriteData(1, true, []byte("hi"))
				_ = p.WriteGoAway(1, http2.ErrCodeNo, nil)
				h.release()
				drain(conn)
			})(conn)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			config := serverConfig(t, ca, nil)
			if c.version == HTTP2 {
				config.NextProtos = []string{"h2"}
			}
			var connections atomic.Int64
			at := listen(t, "127.0.0.1:0", func(raw net.Conn) {
				h := &held{Conn: raw}
				if conn := tls.Server(h, config); conn.Handshake() == nil {
					connections.Add(1)
					c.serve(h, conn)
				}
			})
			p := newProber(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool, Version: c.version, Reuse: true, Timeout: patience})
			defer p.Close()
			for i := range 3 {
				res := p.Run(t.Context())
				checkResult(t, res)
				wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
				if h := res.Last(); h.Reused || h.Status != 200 || h.BodySize != 2 || connections.Load() != int64(i+1) {
					t.Errorf("%d connections: %+v", connections.Load(), h)
				}
			}
		})
	}
}

func TestConnectionOverTLSIsKept(t *testing.T) {
	ca := newAuthority(t)
	for _, version := range []Version{HTTP1, HTTP2} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			leavesNothing(t)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hi") }))
			server.TLS, server.EnableHTTP2 = serverConfig(t, ca, nil), version == HTTP2
			server.StartTLS()
			defer server.Close()
			p := newProber(t, Target{URL: parseURL(t, server.URL), RootCAs: ca.pool, Version: version, Reuse: true, Timeout: patience})
			defer p.Close()
			for i := range 4 {
				res := p.Run(t.Context())
				checkResult(t, res)
				wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
				if res.Last().Reused != (i > 0) {
					t.Errorf("probe %d: %+v", i, res.Last())
				}
			}
		})
	}
}

// keptIsQuiet tells whether a kept connection looks as if it could be used.
func (p *Prober) keptIsQuiet() bool {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	for _, l := range p.kept.links {
		return l.quiet()
	}
	return false
}

// A kept connection that fails after the request was sent is a failure: the request is not sent again.
func TestFailureOverAKeptConnectionIsOne(t *testing.T) {
	leavesNothing(t)
	var connections, requests atomic.Int64
	at := chatty(t, &connections, func(n int, conn net.Conn) bool {
		requests.Add(1)
		if n > 0 {
			return false
		}
		_, err := conn.Write([]byte(okAnswer))
		return err == nil
	})
	p := newProber(t, Target{URL: parseURL(t, at), Reuse: true, Timeout: patience})
	defer p.Close()
	p.Run(t.Context())
	res := p.Run(t.Context())
	checkResult(t, res)
	wantOutcome(t, res, OutcomeReceive, PhaseWait, "connection closed")
	if requests.Load() != 2 || connections.Load() != 1 || !res.Last().Reused {
		t.Errorf("%d requests over %d connections: %+v", requests.Load(), connections.Load(), res.Last())
	}
}

func TestKeptConnectionsAreFewAndEndWithTheProber(t *testing.T) {
	leavesNothing(t)
	var connections atomic.Int64
	at := chatty(t, &connections, func(_ int, conn net.Conn) bool { _, err := conn.Write([]byte(okAnswer)); return err == nil })
	p := newProber(t, Target{URL: parseURL(t, at), Reuse: true, Timeout: patience})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 5 {
				if res := p.Run(t.Context()); res.Outcome != OutcomeOK {
					t.Error(res.Err)
				}
			}
		})
	}
	all.Wait()
	if n := len(p.kept.links); n != 1 {
		t.Errorf("%d connections are kept", n)
	}
	p.Close()
	if n := len(p.kept.links); n != 0 {
		t.Errorf("%d connections are kept after Close", n)
	}
}

func TestKeptConnectionSurvivesATimedOutNeighbour(t *testing.T) {
	leavesNothing(t)
	var connections atomic.Int64
	hold := make(chan struct{})
	at := chatty(t, &connections, func(n int, conn net.Conn) bool {
		if n == 1 {
			<-hold
		}
		_, err := conn.Write([]byte(okAnswer))
		return err == nil
	})
	p := newProber(t, Target{URL: parseURL(t, at), Reuse: true, Timeout: 500 * time.Millisecond})
	defer p.Close()
	p.Run(t.Context())
	res := p.Run(t.Context())
	wantOutcome(t, res, OutcomeTimeout, PhaseWait, "")
	close(hold)
	res = p.Run(t.Context())
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	if res.Last().Reused || connections.Load() != 2 {
		t.Error(fmt.Sprint("reused ", res.Last().Reused, ", connections ", connections.Load()))
	}
}
