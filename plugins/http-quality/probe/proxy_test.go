package probe

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// httpProxy connects where it is told to, and passes plain requests on, for who brings the authorization, if one is set.
func httpProxy(t *testing.T, authorization string) netip.AddrPort {
	t.Helper()
	return listen(t, "127.0.0.1:0", func(conn net.Conn) {
		in := bufio.NewReader(conn)
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if authorization != "" && request.Header.Get("Proxy-Authorization") != authorization {
			fmt.Fprint(conn, "HTTP/1.1 407 Who Are You\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 3\r\n\r\nno\n")
			return
		}
		if request.Method == "CONNECT" {
			pass(conn, request.Host, func(net.Conn) error {
				_, err := fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\nX-Proxy: test\r\n\r\n")
				return err
			})
			return
		}
		pass(conn, request.Host, func(there net.Conn) error {
			request.Header.Del("Proxy-Authorization")
			return request.Write(there)
		})
	})
}

// pass connects to an address and passes on what comes from either side, after begin.
func pass(conn net.Conn, address string, begin func(there net.Conn) error) {
	there, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		fmt.Fprint(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer there.Close()
	if begin(there) != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(there, conn)
		_ = there.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(conn, there)
	conn.Close()
	both.Wait()
}

// socksProxy speaks SOCKS 5 (RFC 1928), with a user and a password (RFC 1929) if one is set.
func socksProxy(t *testing.T, user, password string) netip.AddrPort {
	t.Helper()
	return listen(t, "127.0.0.1:0", func(conn net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(conn, b); err != nil {
				return make([]byte, n)
			}
			return b
		}
		text := func() string { return string(read(int(read(1)[0]))) }
		read(1)
		text() // the methods
		if user == "" {
			_, _ = conn.Write([]byte{5, 0})
		} else {
			_, _ = conn.Write([]byte{5, 2})
			read(1)
			given, secret := text(), text()
			if given != user || secret != password {
				_, _ = conn.Write([]byte{1, 1})
				return
			}
			_, _ = conn.Write([]byte{1, 0})
		}
		var host string
		switch read(4)[3] {
		case 1:
			host = net.IP(read(4)).String()
		case 3:
			host = text()
		default:
			return
		}
		port := read(2)
		pass(conn, net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1]))), func(net.Conn) error {
			_, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
			return err
		})
	})
}

func TestBadProxiesHaveTheRightOutcomeAndPhase(t *testing.T) {
	ca := newAuthority(t)
	plain := says(t, okAnswer)
	secure := secureServer(t, serverConfig(t, ca, nil), func(conn net.Conn) { readRequest(conn); io.WriteString(conn, okAnswer) })
	answering := func(text string) func(net.Conn) {
		return func(conn net.Conn) { readRequest(conn); io.WriteString(conn, text) }
	}
	const short = 600 * time.Millisecond
	for _, c := range []struct {
		name    string
		scheme  string
		target  string
		serve   func(net.Conn)
		timeout time.Duration
		outcome Outcome
		ended   Phase
		text    string
	}{
		{"says nothing", "http", "https", drain, short, OutcomeTimeout, PhaseTLS, "no answer within 600ms: shaking hands"},
		{"closes", "http", "https", func(conn net.Conn) { readRequest(conn) }, 0, OutcomeConnect, PhaseTLS, "waiting for the proxy: connection closed"},
		{"resets", "http", "https", func(conn net.Conn) { readRequest(conn); reset(conn) }, 0, OutcomeConnect, PhaseTLS, "waiting for the proxy: connection reset"},
		{"refuses", "http", "https", answering("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), 0, OutcomeConnect, PhaseTLS, "status 403"},
		{"redirects", "http", "https", answering("HTTP/1.1 302 No\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n"), 0, OutcomeConnect, PhaseTLS, "status 302"},
		{"is none", "http", "https", answering("SSH-2.0-x\r\n"), 0, OutcomeConnect, PhaseTLS, "not HTTP/1"},
		{"half a header", "http", "https", answering("HTTP/1.1 200 OK\r\nA: b"), 0, OutcomeConnect, PhaseTLS, "within the header"},
		{"endless header", "http", "https", answering("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 100000)), 0, OutcomeConnect, PhaseTLS, "more than 262144 bytes"},
		{"says too much", "http", "https", answering("HTTP/1.1 200 OK\r\n\r\nhello"), 0, OutcomeConnect, PhaseTLS, "more than it was asked"},
		{"connects and closes", "http", "https", answering("HTTP/1.1 200 OK\r\n\r\n"), 0, OutcomeTLS, PhaseTLS, "connection closed"},
		{"socks that says nothing", "socks5", "http", drain, short, OutcomeTimeout, PhaseRequest, "no answer within 600ms: sending the request"},
		{"socks that closes", "socks5", "http", func(conn net.Conn) { conn.Read(make([]byte, 3)) }, 0, OutcomeConnect, PhaseRequest, "asking the proxy for 127.0.0.1:"},
		{"socks that is none", "socks5", "https", func(conn net.Conn) { conn.Read(make([]byte, 3)); io.WriteString(conn, "HTTP/1.1 400 Bad\r\n\r\n") }, 0, OutcomeConnect, PhaseTLS, "asking the proxy for 127.0.0.1:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			leavesNothing(t)
			proxy := parseURL(t, c.scheme+"://alice:hunter2@"+listen(t, "127.0.0.1:0", c.serve).String())
			address := map[string]string{"http": "http://" + plain.String(), "https": "https://" + secure.String()}[c.target]
			res := runTarget(t, Target{URL: parseURL(t, address), RootCAs: ca.pool, Proxy: proxy, Timeout: c.timeout})
			wantOutcome(t, res, c.outcome, c.ended, c.text)
			h := res.Last()
			if !h.Connected.Reached || h.Secured.Reached || h.Pretransfer.Reached || h.Status != 0 || h.RemoteIP != plain.Addr() {
				t.Errorf("%+v", h)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", res.Err, res), "hunter2") {
				t.Errorf("the proxy's password is told: %+v", res)
			}
		})
	}
	t.Run("is not there", func(t *testing.T) {
		leavesNothing(t)
		res := runTarget(t, Target{URL: parseURL(t, "http://"+plain.String()), Proxy: parseURL(t, "http://alice:hunter2@127.0.0.1:1")})
		wantOutcome(t, res, OutcomeConnect, PhaseTCP, "connecting to proxy 127.0.0.1:1: connection refused")
	})
	t.Run("has no name", func(t *testing.T) {
		leavesNothing(t)
		res := runTarget(t, Target{URL: parseURL(t, "http://"+plain.String()), Proxy: parseURL(t, "http://alice:hunter2@nobody.invalid"),
			Resolver: dnsServer(t, nil)})
		wantOutcome(t, res, OutcomeDNS, PhaseDNS, "looking up nobody.invalid: no such host")
	})
}

// The target's name is looked up by the proxy, and the proxy's by the prober.
func TestProxyLooksTheTargetUp(t *testing.T) {
	leavesNothing(t)
	asked := make(chan string, 2)
	for _, c := range []struct{ scheme, url, want string }{
		{"http", "http://shop.vedette.test:81/a", "GET http://shop.vedette.test:81/a HTTP/1.1"},
		{"http", "https://shop.vedette.test/a", "CONNECT shop.vedette.test:443 HTTP/1.1"},
		{"http", "https://[::1]:8443/a", "CONNECT [::1]:8443 HTTP/1.1"},
	} {
		at := server(t, func(head string) []byte {
			asked <- strings.SplitN(head, "\r\n", 2)[0]
			return []byte("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n")
		})
		runTarget(t, Target{URL: parseURL(t, c.url), Proxy: parseURL(t, c.scheme+"://"+at.String())})
		if got := <-asked; got != c.want {
			t.Errorf("the proxy is asked %q, want %q", got, c.want)
		}
	}
}
