package probe

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeFile writes a file of the test's own and returns its path.
func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// clientPair writes a client's certificate and key.
func clientPair(t *testing.T, by *authority) (cert, key string) {
	t.Helper()
	private, signed := makeCertificate(t, &x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, by)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "client.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed.Raw})),
		writeFile(t, "client.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// goServer serves with net/http in all versions of HTTP over TCP, over TLS if there is a config.
func goServer(t *testing.T, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	scheme := "http://"
	go func() {
		defer close(done)
		if config == nil {
			_ = server.Serve(l)
			return
		}
		_ = server.ServeTLS(l, "", "")
	}()
	if config != nil {
		scheme = "https://"
	}
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return scheme + l.Addr().String()
}

// pages answers with pages of all kinds. plain and secure are addresses to redirect to.
func pages(plain, secure func() string) http.HandlerFunc {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte("<p>cart</p>\n"), 10000))
	_ = w.Close()
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header()["Date"] = nil // its second may change between two requests, and not its length, but let them be equal
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("X-Asked", fmt.Sprintf("%s %s %s %d", r.Method, r.Header.Get("Authorization"), r.Header.Get("Cookie"), len(body)))
			w.Header().Add("X-Two", "a")
			w.Header().Add("X-Two", "b")
			fmt.Fprint(w, "echo")
		case "/long":
			_, _ = w.Write(make([]byte, 300000))
		case "/none":
			w.WriteHeader(204)
		case "/gzip":
			if r.Header.Get("Accept-Encoding") == "" {
				fmt.Fprint(w, "plain")
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		case "/hints":
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(103)
			fmt.Fprint(w, "hints")
		case "/near":
			http.Redirect(w, r, "/echo?from=near", http.StatusFound)
		case "/secure":
			http.Redirect(w, r, secure()+"/echo", http.StatusMovedPermanently)
		case "/plain":
			http.Redirect(w, r, plain()+"/echo", http.StatusTemporaryRedirect)
		default:
			http.NotFound(w, r)
		}
	}
}

func TestOptionsGiveTheNumbersOfCurl(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	bundle := writeFile(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	var plain, secure string
	handler := pages(func() string { return plain }, func() string { return secure })
	plain = goServer(t, nil, handler)
	secure = goServer(t, serverConfig(t, ca, nil), handler)
	demanding := serverConfig(t, ca, nil)
	demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	mutual := goServer(t, demanding, handler)
	old := serverConfig(t, ca, nil)
	old.MaxVersion = tls.VersionTLS12
	aged := goServer(t, old, handler)
	cert, key := clientPair(t, ca)
	password, token := writeFile(t, "password", []byte("p:ss wörd\n")), writeFile(t, "token", []byte("abc.def\n"))
	long := bytes.Repeat([]byte("0123456789"), 30000)
	upload := writeFile(t, "upload", long)
	port := plain[strings.LastIndex(plain, ":")+1:]
	proxy := "http://" + httpProxy(t, "").String()
	guarded := httpProxy(t, "Basic "+"YWxpY2U6czNjcjN0").String()
	socks := "socks5h://" + socksProxy(t, "", "").String()
	guardedSocks := socksProxy(t, "alice", "s3cr3t").String()
	loopback := netip.MustParseAddr("127.0.0.1")

	for _, c := range []struct {
		name   string
		url    string
		curl   []string
		target Target
		twice  bool // two probes; the second one counts
	}{
		{"h2", secure + "/echo", []string{"--http2"}, Target{Version: HTTP2}, false},
		{"h2 agreed on", secure + "/echo", []string{"--http2"}, Target{Version: AnyVersion}, false},
		{"h2 long", secure + "/long", []string{"--http2"}, Target{Version: HTTP2}, false},
		{"h2 head", secure + "/long", []string{"--http2", "--head"}, Target{Version: HTTP2, Method: "HEAD"}, false},
		{"h2 none", secure + "/none", []string{"--http2"}, Target{Version: HTTP2}, false},
		{"h2 not found", secure + "/x?y=%20z", []string{"--http2"}, Target{Version: HTTP2}, false},
		{"h2 upload", secure + "/echo", []string{"--http2", "--data-binary", "@" + upload, "--header", "Content-Type: a/b"},
			Target{Version: HTTP2, Method: "POST", BodyFile: upload, Header: []Field{{"Content-Type", "a/b"}}}, false},
		{"h2 redirect", secure + "/near", []string{"--http2", "--location"}, Target{Version: HTTP2, MaxRedirects: 5, Reuse: true}, false},
		{"h2 credentials", secure + "/echo", []string{"--http2", "--user", "alice:p:ss wörd", "--header", "Cookie: a=b"},
			Target{Version: HTTP2, User: "alice", PasswordFile: password, Header: []Field{{"Cookie", "a=b"}}}, false},
		{"h2 gzip", secure + "/gzip", []string{"--http2", "--compressed", "--header", "Accept-Encoding: gzip"},
			Target{Version: HTTP2, Compression: true, Expect: Expectation{BodyContains: "<p>cart</p>\n<p>"}}, false},
		{"h2 again", secure + "/echo", []string{"--http2"}, Target{Version: HTTP2, Reuse: true}, true},
		{"h2 without TLS", plain + "/echo", []string{"--http2-prior-knowledge"}, Target{Version: HTTP2}, false},
		{"h2 without TLS, long", plain + "/long", []string{"--http2-prior-knowledge"}, Target{Version: HTTP2}, false},
		{"h2 hints", secure + "/hints", []string{"--http2"}, Target{Version: HTTP2}, false},
		{"hints", plain + "/hints", []string{"--http1.1"}, Target{}, false},
		{"1.1 from a server of both", secure + "/echo", []string{"--http1.1"}, Target{}, false},
		{"gzip", plain + "/gzip", []string{"--compressed", "--header", "Accept-Encoding: gzip"},
			Target{Compression: true, Expect: Expectation{BodyContains: "<p>cart</p>\n<p>"}}, false},
		{"basic", plain + "/echo", []string{"--user", "alice:p:ss wörd"}, Target{User: "alice", PasswordFile: password}, false},
		{"bearer", plain + "/echo", []string{"--oauth2-bearer", "abc.def"}, Target{TokenFile: token}, false},
		{"bearer and a redirect away", plain + "/secure", []string{"--oauth2-bearer", "abc.def", "--location"},
			Target{TokenFile: token, MaxRedirects: 1}, false},
		{"upload", plain + "/echo", []string{"--data-binary", "@" + upload, "--header", "Content-Type:", "--header", "Expect:"},
			Target{Method: "POST", BodyFile: upload}, false},
		{"again", plain + "/echo", nil, Target{Reuse: true}, true},
		{"again over TLS", secure + "/long", nil, Target{Reuse: true}, true},
		{"redirect over the same connection", secure + "/near", []string{"--location"}, Target{Reuse: true, MaxRedirects: 3}, false},
		{"proxy", plain + "/echo", []string{"--proxy", proxy}, Target{Proxy: parseURL(t, proxy)}, false},
		{"proxy to TLS", secure + "/echo", []string{"--proxy", proxy}, Target{Proxy: parseURL(t, proxy)}, false},
		{"proxy to TLS and h2", secure + "/echo", []string{"--proxy", proxy, "--http2"}, Target{Proxy: parseURL(t, proxy), Version: HTTP2}, false},
		{"proxy and a redirect to TLS", plain + "/secure", []string{"--proxy", proxy, "--location"},
			Target{Proxy: parseURL(t, proxy), MaxRedirects: 2}, false},
		{"proxy with a user", plain + "/echo", []string{"--proxy", "http://alice:s3cr3t@" + guarded},
			Target{Proxy: parseURL(t, "http://alice:s3cr3t@"+guarded)}, false},
		{"proxy with a user to TLS", secure + "/echo", []string{"--proxy", "http://alice:s3cr3t@" + guarded},
			Target{Proxy: parseURL(t, "http://alice:s3cr3t@"+guarded)}, false},
		{"proxy that refuses", plain + "/echo", []string{"--proxy", "http://" + guarded}, Target{Proxy: parseURL(t, "http://"+guarded)}, false},
		{"proxy that refuses TLS", secure + "/echo", []string{"--proxy", "http://" + guarded}, Target{Proxy: parseURL(t, "http://"+guarded)}, false},
		{"socks", plain + "/echo", []string{"--proxy", socks}, Target{Proxy: parseURL(t, socks)}, false},
		{"socks to TLS", secure + "/echo", []string{"--proxy", socks}, Target{Proxy: parseURL(t, socks)}, false},
		{"socks with a user", plain + "/echo", []string{"--proxy", "socks5h://alice:s3cr3t@" + guardedSocks},
			Target{Proxy: parseURL(t, "socks5://alice:s3cr3t@"+guardedSocks)}, false},
		{"socks that refuses", plain + "/echo", []string{"--proxy", "socks5h://alice:wrong@" + guardedSocks},
			Target{Proxy: parseURL(t, "socks5://alice:wrong@"+guardedSocks)}, false},
		{"resolve", "http://shop.vedette.test:" + port + "/echo", []string{"--resolve", "shop.vedette.test:" + port + ":127.0.0.1"},
			Target{Address: loopback}, false},
		{"source", plain + "/echo", []string{"--interface", "127.0.0.9"}, Target{Line: Line{Source: netip.MustParseAddr("127.0.0.9")}}, false},
		{"client certificate", mutual + "/echo", []string{"--cert", cert, "--key", key}, Target{CertFile: cert, KeyFile: key}, false},
		{"no client certificate", mutual + "/echo", nil, Target{}, false},
		{"TLS 1.2", aged + "/echo", nil, Target{}, false},
		{"TLS too old", aged + "/echo", []string{"--tlsv1.3"}, Target{MinTLS: tls.VersionTLS13}, false},
		{"post-quantum", secure + "/echo", nil, Target{PostQuantum: true}, false},
		{"downgrade", secure + "/plain", []string{"--location"}, Target{MaxRedirects: 2}, false},
		{"no downgrade", secure + "/plain", []string{"--location", "--proto-redir", "=https"}, Target{MaxRedirects: 2, NoDowngrade: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append(c.curl, "--cacert", bundle, c.url)
			if c.twice {
				args = append(args, c.url, "--output", "/dev/null")
			}
			if c.target.Version == HTTP1 {
				args = append(args, "--http1.1")
			}
			want := askCurl(t, args...)
			c.target.URL, c.target.RootCAs, c.target.Timeout = parseURL(t, c.url), ca.pool, patience
			p := newProber(t, c.target)
			defer p.Close()
			res := p.Run(t.Context())
			checkResult(t, res)
			if c.twice {
				res = p.Run(t.Context())
				checkResult(t, res)
			}
			failed := res.Outcome != OutcomeOK && res.Outcome != OutcomeStatus
			if failed != (want.ExitCode != 0) {
				t.Errorf("outcome %s (%v), curl's exit code %d (%s)", res.Outcome, res.Err, want.ExitCode, want.ErrorMsg)
			}
			if c.target.BodyFile != "" {
				want.SizeRequest += int64(len(long)) // curl counts a body only if it is shorter than 64 KiB
			}
			if c.target.NoDowngrade {
				want.NumRedirects-- // curl counts the redirect that it does not follow
			}
			compare(t, res, want)
			if c.target.Reuse && c.twice && (res.Curl().Connect.Reached || !res.Last().Reused || res.Last().Phases().TLS.Reached) {
				t.Errorf("%+v", res.Last())
			}
		})
	}
}
