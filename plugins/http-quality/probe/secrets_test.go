package probe

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Whatever becomes of a probe, nothing that it was given in confidence is told, in no form in which it was sent.
func TestNoSecretIsTold(t *testing.T) {
	const secret = "hunter2-s3cr3t"
	ca := newAuthority(t)
	password, token := writeFile(t, "password", []byte(secret+"\n")), writeFile(t, "token", []byte(secret+"\n"))
	cert, key := clientPair(t, ca)
	echo := func(conn net.Conn) { // gives back all that it was sent, in the places where it is looked at
		head, body, ok := readRequest(conn)
		if !ok {
			return
		}
		flat := strings.NewReplacer("\r\n", " ", ":", " ").Replace(head + body)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-Echo: %s\r\nX-Version: 1\r\nContent-Length: %d\r\n\r\n%s", flat, len(flat), flat)
	}
	// What is no HTTP is shown in the error.
	mirror := func(before string) func(net.Conn) {
		return func(conn net.Conn) {
			head, body, _ := readRequest(conn)
			fmt.Fprint(conn, before+head+body)
		}
	}
	backwards := func(conn net.Conn) { // the header without the request line, so that it begins in the middle
		head, _, _ := readRequest(conn)
		_, fields, _ := strings.Cut(head, "\r\n")
		_, fields, _ = strings.Cut(fields, "\r\n")
		fmt.Fprint(conn, fields)
	}
	redirecting := func(to string) func(net.Conn) {
		return func(conn net.Conn) {
			readRequest(conn)
			fmt.Fprintf(conn, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to)
		}
	}
	plain := func(serve func(net.Conn)) string { return "http://" + listen(t, "127.0.0.1:0", serve).String() }
	secure := func(serve func(net.Conn)) string {
		return "https://" + secureServer(t, serverConfig(t, ca, nil), serve).String()
	}
	proxyWithUser := func(scheme string, serve func(net.Conn)) Target {
		u := parseURL(t, scheme+"://"+listen(t, "127.0.0.1:0", serve).String())
		u.User = parseURL(t, "http://alice@x").User
		return Target{Proxy: u, ProxyPasswordFile: password}
	}
	servers := map[string]string{
		"echo": plain(echo), "echo over TLS": secure(echo), "mirror": plain(mirror("")), "mirror over TLS": secure(mirror("")),
		"mirror as a status":     plain(mirror("HTTP/1.1 ")),
		"mirror as a field":      plain(mirror("HTTP/1.1 200 OK\r\nContent-Length: ")),
		"mirror as a chunk":      plain(mirror("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")),
		"mirror from the middle": plain(backwards),
		"reset":                  plain(func(conn net.Conn) { readRequest(conn); reset(conn) }),
		"refused":                "http://127.0.0.1:1", "no TLS": strings.Replace(plain(drain), "http:", "https:", 1),
		"redirect with a user":    plain(redirecting("http://bob:" + secret + "@127.0.0.1:1/?code=" + secret)),
		"redirect with one slash": plain(redirecting("http:/bob:" + secret + "@127.0.0.1:1/")),
		"redirect with three":     plain(redirecting("http:///bob:" + secret + "@127.0.0.1:1/")),
		"redirect to nothing":     plain(redirecting("ftp://bob:" + secret + "@x/?sig=" + secret)),
		"redirect that is broken": plain(redirecting("http://bob:" + secret + "@[::bad/?key=" + secret)),
		"redirect with a token":   plain(redirecting("/landing?token=" + secret)),
	}
	query := "/a?key=" + secret + "&code=" + secret + "&X-Amz-Signature=" + secret + "&access_token=" + secret
	targets := map[string]Target{
		"user":          {User: "alice", PasswordFile: password},
		"token":         {TokenFile: token},
		"header":        {Header: []Field{{"Authorization", "Bearer " + secret}, {"Cookie", "sid=" + secret}, {"X-Api-Key", secret}}},
		"body":          {Method: "POST", Body: []byte("password=" + secret)},
		"body file":     {Method: "POST", BodyFile: password},
		"client":        {CertFile: cert, KeyFile: key, MinTLS: tls.VersionTLS12},
		"proxy":         proxyWithUser("http", echo),
		"proxy mirrors": proxyWithUser("http", mirror("")),
		"proxy refuses": proxyWithUser("http", func(conn net.Conn) {
			readRequest(conn)
			fmt.Fprint(conn, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
		}),
		"proxy resets":    proxyWithUser("http", func(conn net.Conn) { readRequest(conn); reset(conn) }),
		"socks refuses":   proxyWithUser("socks5", func(conn net.Conn) { conn.Read(make([]byte, 64)); conn.Write([]byte{5, 2}); drain(conn) }),
		"proxy not there": {Proxy: parseURL(t, "http://alice:"+secret+"@127.0.0.1:1")},
		"HTTP/2":          {Version: HTTP2, TokenFile: token},
		"both":            {Version: AnyVersion, TokenFile: token},
		"reuse":           {Reuse: true, TokenFile: token},
		"line":            {TokenFile: token, Line: Line{Source: netip.MustParseAddr("192.0.2.77")}},
		"slow":            {TokenFile: token, ConnectTimeout: 1},
	}
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte("alice:" + secret)), base64.StdEncoding.EncodeToString([]byte("bob:" + secret))}
	expect := Expectation{Status: []StatusRange{{299, 299}}, Header: []Field{{"X-Echo", "nothing"}, {"X-Version", "2"}}, BodyContains: "nothing",
		FirstLine: "nothing", JSON: []JSONPath{jsonPath(t, "$.a", "b")}, CertValid: 0, Within: 1}
	for server, address := range servers {
		for name, target := range targets {
			for _, version := range []Version{target.Version, HTTP3} {
				if version == HTTP3 && (target.Proxy != nil || !strings.HasPrefix(address, "https:")) {
					continue
				}
				target.Version = version
				if version == HTTP2 && target.Proxy != nil && strings.HasPrefix(address, "http:") {
					continue
				}
				target.URL = parseURL(t, address+query)
				target.RootCAs, target.Timeout, target.MaxRedirects, target.Expect = ca.pool, 300*time.Millisecond, 3, expect
				p, err := New(target)
				if err != nil {
					t.Fatalf("%s, %s: %v", server, name, err)
				}
				res := p.Run(t.Context())
				p.Close()
				checkResult(t, res)
				said := fmt.Sprintf("%v %+v %s", res.Err, res, p.URL())
				for _, form := range forms {
					if strings.Contains(said, form) {
						t.Errorf("%s, %s: %s", server, name, said)
					}
				}
			}
		}
	}
}
