package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestConnectTimeoutEndsWhatComesBeforeTheRequest(t *testing.T) {
	const limit = 300 * time.Millisecond
	dns := dnsServer(t, map[string]record{"mute.vedette.test.": {mute: true}})
	for _, c := range []struct {
		ended   Phase
		address func(t *testing.T) string
	}{
		{PhaseDNS, func(t *testing.T) string { return "http://mute.vedette.test" }},
		{PhaseTCP, func(t *testing.T) string { return "http://" + unanswered(t) }},
		{PhaseTLS, func(t *testing.T) string { return "https://" + listen(t, "127.0.0.1:0", drain).String() }},
	} {
		t.Run(c.ended.String(), func(t *testing.T) {
			leavesNothing(t)
			res := runTarget(t, Target{URL: parseURL(t, c.address(t)), Resolver: dns, Timeout: time.Minute, ConnectTimeout: limit})
			wantOutcome(t, res, OutcomeTimeout, c.ended, "no connection within 300ms: "+c.ended.doing())
			if res.Total < limit || res.Total > patience {
				t.Errorf("took %v", res.Total)
			}
		})
	}
	t.Run("slow answer", func(t *testing.T) {
		leavesNothing(t)
		at := listen(t, "127.0.0.1:0", func(conn net.Conn) {
			readRequest(conn)
			time.Sleep(2 * limit)
			fmt.Fprint(conn, okAnswer)
		})
		res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), ConnectTimeout: limit})
		wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	})
}

func TestRedirectsAreHeldToTheTargetsPolicy(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	var plain, secure string
	handler := pages(func() string { return plain }, func() string { return secure })
	plain, secure = goServer(t, nil, handler), goServer(t, serverConfig(t, ca, nil), handler)
	elsewhere := strings.Replace(goServer(t, nil, pages(func() string { return plain }, func() string { return secure })), "127.0.0.1", "localhost", 1)
	dns := dnsServer(t, nil)
	for _, c := range []struct {
		name    string
		url     string
		target  Target
		outcome Outcome
		text    string
		hops    int
	}{
		{"follow", elsewhere + "/secure", Target{MaxRedirects: 1}, OutcomeOK, "", 2},
		{"none", elsewhere + "/secure", Target{SameHost: true, NoDowngrade: true}, OutcomeOK, "", 1},
		{"same host", plain + "/secure", Target{MaxRedirects: 1, SameHost: true}, OutcomeOK, "", 2},
		{"another host", elsewhere + "/secure", Target{MaxRedirects: 1, SameHost: true}, OutcomeRedirect, "it leads to another host", 1},
		{"relative", secure + "/near", Target{MaxRedirects: 1, SameHost: true, NoDowngrade: true}, OutcomeOK, "", 2},
		{"downgrade", secure + "/plain", Target{MaxRedirects: 1, SameHost: true}, OutcomeOK, "", 2},
		{"no downgrade", secure + "/plain", Target{MaxRedirects: 1, NoDowngrade: true}, OutcomeRedirect, "it leads from https to http", 1},
		{"upgrade", plain + "/secure", Target{MaxRedirects: 1, NoDowngrade: true}, OutcomeOK, "", 2},
	} {
		c.target.URL, c.target.RootCAs, c.target.Resolver, c.target.Family = parseURL(t, c.url), ca.pool, dns, IPv4
		res := runTarget(t, c.target)
		wantOutcome(t, res, c.outcome, PhaseTransfer, c.text)
		if len(res.Hops) != c.hops || res.Hops[0].Location == "" {
			t.Errorf("%s: %+v", c.name, res.Hops)
		}
	}
}

func TestAddressReplacesTheLookUpOnTheTargetsHostAlone(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	var base string
	base = goServer(t, serverConfig(t, ca, nil), pages(func() string { return strings.Replace(base, "127.0.0.1", "nobody.invalid", 1) }, nil))
	u := strings.Replace(base, "127.0.0.1", "shop.vedette.test", 1)
	target := Target{URL: parseURL(t, u+"/near"), RootCAs: ca.pool, Address: netip.MustParseAddr("127.0.0.1"), MaxRedirects: 2, Resolver: dnsServer(t, nil)}
	res := runTarget(t, target)
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	if len(res.Hops) != 2 || res.Last().RemoteIP != target.Address {
		t.Errorf("%+v", res.Hops)
	}
	target.URL = parseURL(t, u+"/plain")
	res = runTarget(t, target)
	wantOutcome(t, res, OutcomeDNS, PhaseDNS, "looking up nobody.invalid: no such host")
}

func TestCertificateFactsAreKeptWhenTheHandshakeFails(t *testing.T) {
	ca := newAuthority(t)
	cert, key := clientPair(t, newAuthority(t)) // of an authority that the server does not know
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, client := range map[string]Target{"none": {}, "unknown": {CertFile: cert, KeyFile: key}} {
			t.Run(tls.VersionName(version)+"/"+name, func(t *testing.T) {
				leavesNothing(t)
				config := serverConfig(t, ca, nil)
				config.ClientAuth, config.ClientCAs, config.MaxVersion = tls.RequireAndVerifyClientCert, ca.pool, version
				config.Certificates[0].OCSPStaple = []byte("an answer")
				client.URL, client.RootCAs = parseURL(t, "https://"+secureServer(t, config, drain).String()), ca.pool
				res := runTarget(t, client)
				if h := res.Last(); res.Outcome != OutcomeTLS || h.TLSVersion != tls.VersionName(version) || !h.OCSPStapled ||
					!near(h.CertExpiry, time.Now().Add(240*time.Hour)) {
					t.Errorf("%v, %+v", res.Err, h)
				}
			})
		}
	}
}

// A server that was found valid is not verified again for a while, but as soon as its chain is another one.
func TestChainIsVerifiedOnceAndAgainWhenItChanges(t *testing.T) {
	ca := newAuthority(t)
	other := newAuthority(t)
	now := time.Now()
	good := serverConfig(t, ca, nil)
	soon := serverConfig(t, ca, func(c *x509.Certificate) { c.NotAfter = now.Add(2 * time.Second) })
	bad := serverConfig(t, other, nil)
	chain := func(config *tls.Config) []*x509.Certificate {
		var all []*x509.Certificate
		for _, der := range config.Certificates[0].Certificate {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, cert)
		}
		return all
	}
	var v verdicts
	verify := func(config *tls.Config, name string) error { return v.verify(chain(config), ca.pool, name) }
	for range 2 {
		if err := verify(good, "shop.vedette.test"); err != nil || len(v.until) != 1 {
			t.Fatalf("%v, %d verdicts", err, len(v.until))
		}
	}
	if err := verify(good, "other.vedette.test"); err == nil {
		t.Error("a chain that is valid for one name is taken for another")
	}
	if err := verify(bad, "shop.vedette.test"); err == nil || len(v.until) != 1 {
		t.Errorf("%v, %d verdicts", err, len(v.until))
	}
	// A verdict ends with the certificate, and is no longer believed when the clock was set back.
	if err := verify(soon, "localhost"); err != nil {
		t.Fatal(err)
	}
	until := v.until[verdictKey(chain(soon), "localhost")]
	if until.After(now.Add(2 * time.Second)) {
		t.Errorf("the verdict holds until %v, the certificate until %v", until, now.Add(2*time.Second))
	}
	for end := time.Now().Add(patience); verify(soon, "localhost") == nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an expired certificate is taken for valid")
		}
	}
	key := verdictKey(chain(bad), "shop.vedette.test")
	v.until[key] = now.Add(verdictAge + time.Hour)
	if err := verify(bad, "shop.vedette.test"); err == nil {
		t.Error("a verdict from the future is believed")
	}
	clear(v.until)
	for i := range maxVerdicts {
		v.until[[sha256.Size]byte{byte(i), byte(i >> 8), byte(i >> 16)}] = now
	}
	if err := verify(good, "shop.vedette.test"); err != nil || len(v.until) > maxVerdicts || v.until[verdictKey(chain(good), "shop.vedette.test")].IsZero() {
		t.Errorf("%v, %d verdicts", err, len(v.until))
	}
}

// The first message of a handshake is one packet, as with OpenSSL 3.0, unless the key exchange of the browsers is asked for.
func TestPostQuantumKeyExchangeIsOfferedOnRequest(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	config := serverConfig(t, ca, nil)
	offered := make(chan []tls.CurveID, 1)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered <- hello.SupportedCurves
		return nil, nil
	}
	at := secureServer(t, config, func(conn net.Conn) { readRequest(conn); fmt.Fprint(conn, okAnswer) })
	for _, asked := range []bool{false, true} {
		res := runTarget(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool, PostQuantum: asked})
		wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
		if curves := <-offered; (curves[0] == tls.X25519MLKEM768) != asked || (curves[0] == tls.X25519) == asked {
			t.Errorf("asked for: %t, offered: %v", asked, curves)
		}
	}
}

func TestOptionsThatExcludeOneAnotherAreRefused(t *testing.T) {
	plain, secure := parseURL(t, "http://shop.example/"), parseURL(t, "https://shop.example/")
	proxy := parseURL(t, "http://alice:hunter2@proxy.example:3128")
	file := writeFile(t, "secret", []byte("hunter2"))
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		target Target
		text   string
	}{
		{Target{URL: plain, Version: HTTP3}, "for https alone"},
		{Target{URL: secure, Version: 9}, "version of HTTP 9"},
		{Target{URL: secure, Version: HTTP3, Proxy: proxy}, "can not go through a proxy"},
		{Target{URL: plain, Version: HTTP2, Proxy: proxy}, "without https"},
		{Target{URL: plain, Proxy: proxy, Address: four}, "as well as a proxy"},
		{Target{URL: plain, Proxy: parseURL(t, "https://alice:hunter2@proxy.example")}, `scheme "https"`},
		{Target{URL: plain, Proxy: parseURL(t, "http://alice:hunter2@/")}, "no host"},
		{Target{URL: plain, Proxy: parseURL(t, "http://proxy.example/path")}, "no path"},
		{Target{URL: plain, ProxyPasswordFile: file}, "without a proxy"},
		{Target{URL: plain, Proxy: parseURL(t, "http://proxy.example"), ProxyPasswordFile: file}, "without a user"},
		{Target{URL: plain, Body: []byte("a"), BodyFile: file}, "as well as a file"},
		{Target{URL: plain, User: "alice"}, "without a file"},
		{Target{URL: plain, PasswordFile: file}, "without a user"},
		{Target{URL: plain, User: "a:b", PasswordFile: file}, "colon"},
		{Target{URL: plain, User: "a", PasswordFile: file, TokenFile: file}, "more than once"},
		{Target{URL: parseURL(t, "http://a:hunter2@shop.example"), TokenFile: file}, "more than once"},
		{Target{URL: plain, TokenFile: file, Header: []Field{{"authorization", "hunter2"}}}, "is set by the user"},
		{Target{URL: plain, Compression: true, Header: []Field{{"accept-encoding", "br"}}}, "is set by compression"},
		{Target{URL: plain, Method: "CONNECT"}, "for proxies"},
		{Target{URL: plain, ConnectTimeout: time.Minute}, "longer than the timeout"},
		{Target{URL: plain, ConnectTimeout: -1}, "negative"},
		{Target{URL: plain, Address: four, Family: IPv6}, "not of the family IPv6"},
		{Target{URL: plain, Line: Line{Source: six}, Family: IPv4}, "not of the family IPv4"},
		{Target{URL: plain, Line: Line{Source: six}, Address: four}, "not of the family IPv6"},
		{Target{URL: plain, Line: Line{Interface: "an-interface-name"}}, "longer than 15"},
		{Target{URL: plain, Expect: Expectation{CertValid: time.Hour}}, "not https"},
		{Target{URL: secure, MinTLS: 1}, "least version"},
		{Target{URL: secure, CertFile: file}, "without the other"},
		{Target{URL: secure, Expect: Expectation{CertValid: -1}}, "negative"},
		{Target{URL: secure, Expect: Expectation{BodyLimit: -1}}, "negative"},
		{Target{URL: secure, Expect: Expectation{FirstLine: "a\nb"}}, "more than one"},
		{Target{URL: secure, Expect: Expectation{HeaderMatches: []FieldMatch{{"a", nil}}}}, "no expression"},
		{Target{URL: secure, Method: "HEAD", Expect: Expectation{FirstLine: "a"}}, "has no body"},
	} {
		if _, err := New(c.target); err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want an error with %q", c.target, err, c.text)
		}
	}
}
