package badserver

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/origin"
)

// Case is one server and what a probe of it finds.
type Case struct {
	Name string
	URL  string
	// Family is ipv4, or any.
	Family  string
	Outcome string
	// Phases are those that the last hop reached, in their order, the one in which it failed among them.
	Phases []string
	// Certificate says that the point tells the certificate's expiry.
	Certificate bool
	// AtLeast is how long the probe takes, be it because it must wait for its timeout.
	AtLeast time.Duration
}

// Timeout is the one for all probes of the corpus. It leaves room for servers that pause on purpose.
const Timeout = 2 * time.Second

// MaxBody is the longest body that a probe may read, in bytes.
const MaxBody = 1 << 20

// server is one that listens. Its URL has the path, if there is one, and a name of the origin's domain.
type server struct {
	name    string
	serve   func(*conn)
	path    string
	secure  *tls.Config // nil for plain http
	outcome string
	reached []string
	atLeast time.Duration
}

var (
	plain  = []string{"dns", "tcp", "request", "wait", "transfer"}
	secure = []string{"dns", "tcp", "tls", "request", "wait", "transfer"}
	hello  = plain[:2]
	shaken = secure[:3]
	asked  = plain[:4]
	secret = secure[:5]
)

// pause is longer than it takes to get what was sent before it.
const pause = 200 * time.Millisecond

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

// servers are all that listen.
func servers(a *origin.Authority) ([]server, error) {
	configs := map[string]*tls.Config{}
	for name, change := range map[string]func(*x509.Certificate){
		"good": nil,
		"expired": func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		},
		"wrong name":  func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} },
		"self-signed": nil,
	} {
		by := a
		if name == "self-signed" {
			by = nil
		}
		certificate, err := by.Issue(change)
		if err != nil {
			return nil, err
		}
		configs[name] = &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	good := configs["good"]
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	demanding := good.Clone()
	demanding.ClientAuth, demanding.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	late := good.Clone()
	late.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		time.Sleep(pause)
		return nil, nil
	}
	return []server{
		{name: "says nothing", serve: silent, outcome: "timeout", reached: asked, atLeast: Timeout},
		{name: "says nothing after the handshake", serve: silent, secure: good, outcome: "timeout", reached: secret, atLeast: Timeout},
		{name: "closes without an answer", serve: answer(""), outcome: "receive", reached: asked},
		{name: "resets without an answer", serve: after("", (*conn).reset), outcome: "receive", reached: asked},
		{name: "resets within the status line", serve: after("HTTP/1.1 20", (*conn).reset), outcome: "receive", reached: plain},
		{name: "resets within the header", serve: after("HTTP/1.1 200 OK\r\n", (*conn).reset), outcome: "receive", reached: plain},
		{name: "resets within the body", serve: after("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi", (*conn).reset), outcome: "receive", reached: plain},
		{name: "resets within the body of https", serve: after("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi", (*conn).reset), secure: good, outcome: "receive", reached: secure},
		{name: "stalls within the header", serve: after("HTTP/1.1 200 OK\r\nA", silent), outcome: "timeout", reached: plain, atLeast: Timeout},
		{name: "stalls within the body", serve: after("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi", silent), outcome: "timeout", reached: plain, atLeast: Timeout},
		{name: "trickles", serve: trickle, outcome: "timeout", reached: plain, atLeast: Timeout},
		{name: "endless header", serve: endless("HTTP/1.1 200 OK\r\n", "A: b\r\n"), outcome: "receive", reached: plain},
		{name: "endless line", serve: endless("HTTP/1.1 200 OK\r\nA: ", "b"), outcome: "receive", reached: plain},
		{name: "endless interim answers", serve: endless("", "HTTP/1.1 103 Early Hints\r\n\r\n"), outcome: "receive", reached: plain},
		{name: "endless body", serve: endless("HTTP/1.1 200 OK\r\n\r\n", "body"), outcome: "body", reached: plain},
		{name: "endless chunks", serve: endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nbody\r\n"), outcome: "body", reached: plain},
		{name: "endless body of https", serve: endless("HTTP/1.1 200 OK\r\n\r\n", "body"), secure: good, outcome: "body", reached: secure},
		{name: "wrong length", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"), outcome: "receive", reached: plain},
		{name: "length that is no number", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\nhi"), outcome: "receive", reached: plain},
		{name: "length without bounds", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi"), outcome: "receive", reached: plain},
		{name: "bad chunk", serve: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n"), outcome: "receive", reached: plain},
		{name: "chunk without bounds", serve: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhi\r\n"), outcome: "receive", reached: plain},
		{name: "redirect loop", serve: answer("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), outcome: "redirect", reached: plain},
		{name: "redirect to file", serve: answer("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"), outcome: "redirect", reached: plain},
		{name: "redirect to nowhere", serve: answer("HTTP/1.1 302 Found\r\nLocation: http://%zz/\r\nContent-Length: 0\r\n\r\n"), outcome: "redirect", reached: plain},
		{name: "gzip bomb", serve: bomb, outcome: "ok", reached: plain},
		{name: "HTTP/0.9", serve: answer("<html>hello</html>\n"), outcome: "receive", reached: plain},
		{name: "NUL and 8-bit in the header", serve: answer("HTTP/1.1 200 O\x00K\xff\r\nA\x00\xff: \x00\xff\x1b[2J\r\nContent-Length: 2\r\n\r\nhi"), outcome: "ok", reached: plain},
		{name: "another protocol", serve: answer("SSH-2.0-OpenSSH_9.2\r\n"), outcome: "receive", reached: plain},
		{name: "expired certificate", secure: configs["expired"], outcome: "certificate", reached: shaken},
		{name: "self-signed certificate", secure: configs["self-signed"], outcome: "certificate", reached: shaken},
		{name: "certificate of another name", secure: configs["wrong name"], outcome: "certificate", reached: shaken},
		{name: "TLS 1.0 alone", secure: old, outcome: "tls", reached: shaken},
		{name: "demands a client's certificate", secure: demanding, outcome: "tls", reached: shaken},
		{name: "resets within the handshake", serve: (*conn).resetHello, outcome: "tls", reached: shaken, path: "https:"},
		{name: "no TLS", serve: answer("220 mail.example ESMTP\r\n"), outcome: "tls", reached: shaken, path: "https:"},
		{name: "says nothing to a handshake", serve: silent, outcome: "timeout", reached: shaken, path: "https:", atLeast: Timeout},
		{name: "slow handshake", serve: answer(ok), secure: late, outcome: "ok", reached: secure, atLeast: pause},
	}, nil
}

// unserved are cases of what there is no server behind, or the origin's own.
var unserved = []Case{
	{Name: "refuses", URL: "http://shop.vedette.test:9/", Outcome: "connect", Phases: hello},
	{Name: "no such name", URL: "http://nxdomain.vedette.test/", Outcome: "dns", Phases: plain[:1]},
	{Name: "server of names fails", URL: "http://servfail.vedette.test/", Outcome: "dns", Phases: plain[:1]},
	{Name: "server of names says nothing", URL: "http://mute.vedette.test/", Outcome: "timeout", Phases: plain[:1], AtLeast: Timeout},
	{Name: "slow name", URL: "http://a300.vedette.test/", Outcome: "ok", Phases: plain, AtLeast: 300 * time.Millisecond},
	{Name: "name too slow", URL: "http://a5000.vedette.test/", Outcome: "timeout", Phases: plain[:1], AtLeast: Timeout},
	{Name: "IPv6 alone", URL: "http://v6.vedette.test/", Family: "any", Outcome: "ok", Phases: plain},
	{Name: "IPv6 alone, asked for IPv4", URL: "http://v6.vedette.test/", Outcome: "dns", Phases: plain[:1]},
	{Name: "answer over TCP alone", URL: "http://truncated.vedette.test/", Outcome: "ok", Phases: plain},
}
