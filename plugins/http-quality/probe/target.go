// Package probe measures one HTTP request the way curl does: over a fresh connection, phase by phase, and with a verdict.
//
// A Target says what to ask and what to expect; New turns it into a Prober, and each Run of that is one probe. Run resolves
// the name, connects, shakes hands, sends the request and reads the whole answer itself, on the caller's goroutine, and
// keeps a record of every hop of a redirect chain. Result.Curl derives curl's variables from these records.
//
// Run promises that it ends by its deadline or its context's end, whatever the other side does; that no goroutine and no
// descriptor outlives it, but for the connections that Reuse keeps until Close; that it sends each request once, whatever
// becomes of it; that what a failed probe reached before it failed is kept, and what it did not reach is absent; and that no
// credential of the target and no raw text from the network gets into a string of the Result.
//
// A prober on a busy machine sees things late. On Linux the kernel says when they came: how long the SYN's round trip took
// (TCP_INFO), and when the segments arrived that a read returns (SO_TIMESTAMPNS). What the prober itself was late is taken out
// of the times and told as Hop.Lag, where that is true: not if a SYN was lost, the wall clock was set, or segments came out of
// order. Elsewhere, and with HTTP/3, the times are those of the prober's own monotonic clock.
//
// It speaks HTTP/1.1 (and understands an HTTP/1.0 answer), HTTP/2 and HTTP/3. It keeps no cookies; when to probe, and what
// becomes of a Result, is left to others.
package probe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

const (
	// DefaultTimeout ends a probe whose target sets no timeout.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxBody bounds the body, in bytes, where the target does not.
	DefaultMaxBody = 10 << 20
	// DefaultUserAgent is sent where the target names none.
	DefaultUserAgent = "vedette/http-quality"
)

// Family is the family of addresses that a probe uses.
type Family uint8

const (
	// AnyFamily looks up both families and lets them race, see Prober.Run.
	AnyFamily Family = 0
	// IPv4 and IPv6 look up and use one family only, so that the other one's slow or missing answer changes nothing.
	IPv4 Family = 4
	IPv6 Family = 6
)

// ErrURL is in the error of New if it is the URL that no request can be made of.
var ErrURL = errors.New("url")

// Field is one header field of a request. Names are sent as they are written here, in this order.
type Field struct {
	Name, Value string
}

// Version is the version of HTTP that a probe speaks.
type Version uint8

const (
	// HTTP1 is HTTP/1.1.
	HTTP1 Version = iota
	// HTTP2 is HTTP/2: over https as TLS agrees on it, and over plain http without asking beforehand.
	HTTP2
	// HTTP3 is HTTP/3, over QUIC; a redirect to plain http is followed in HTTP/1.1.
	HTTP3
	// AnyVersion is HTTP/2 where TLS agrees on it, else HTTP/1.1.
	AnyVersion
)

// Target says what to probe and what is expected of it. Files that it names are read again when they have changed.
type Target struct {
	URL *url.URL // http or https; a user in it is sent as basic authorization

	Method string // GET if empty
	// Header replaces the fields of the same name that a probe sends by itself; an empty value for User-Agent, Accept or
	// Host omits that field. As curl, a probe sends Accept */* and neither Accept-Encoding nor Connection by itself.
	// When a redirect is followed, Authorization and Cookie go to the target's own scheme, host and port only, and Host
	// to its host only; all other fields go wherever the redirect leads.
	Header    []Field
	UserAgent string
	Body      []byte
	BodyFile  string // a file that holds the body
	// User and the one line of PasswordFile are sent as basic authorization, that of TokenFile as a bearer token. They go
	// where Authorization goes.
	User                    string
	PasswordFile, TokenFile string
	// Compression asks for gzip. Sizes remain those on the wire; what is expected of the body is looked for in what is decoded.
	Compression bool
	Version     Version
	// Reuse keeps the connection for the next probe, until Close. A probe that finds it ended, or that the server has said
	// something on it meanwhile, uses a new one, before it has sent anything.
	Reuse bool

	Timeout        time.Duration // of the whole probe, redirects included
	ConnectTimeout time.Duration // as curl's: of each hop until its connection is ready, name and handshake included; 0 is Timeout
	MaxBody        int64         // bytes; a longer body ends the probe with OutcomeBody

	MaxRedirects int  // how many to follow; with 0 a redirect is the answer
	SameHost     bool // a redirect to another host ends the probe with OutcomeRedirect
	NoDowngrade  bool // likewise one from https to http

	Family   Family
	Address  netip.Addr     // to connect to on the target's own host, which is not looked up then
	Resolver netip.AddrPort // the DNS server to ask, else the system's; /etc/hosts is read before either
	Line     Line
	// Proxy is an http or socks5 proxy. A user in it is sent to it, with the password beside it or the one line of
	// ProxyPasswordFile. It looks up the target's name; the phases dns and tcp are then of the proxy. None is taken from the
	// environment.
	Proxy             *url.URL
	ProxyPasswordFile string

	RootCAs            *x509.CertPool // the system's if nil
	ServerName         string         // for SNI and verification on the target's own host, in place of its name
	InsecureSkipVerify bool           // certificates are reported and not judged
	MinTLS             uint16         // the least version of TLS, 1.2 if 0
	// PostQuantum offers hybrid key exchange with ML-KEM as well, as browsers do: that makes a second packet of the first
	// message, and costs both sides processor time. Without it the handshake is the one that curl makes with OpenSSL 3.0.
	PostQuantum bool
	// CertFile and KeyFile are the client's certificate and key in PEM, shown to every server that asks.
	CertFile, KeyFile string

	Expect Expectation
}

// Prober probes one target. It may be run by several goroutines at once. There may be very many, so it holds little of its own;
// what it sends is made anew for every probe.
type Prober struct {
	*settings
	clean   string   // CleanURL of the target's
	written *url.URL // the target's as it was given; nil if clean is the same, as of most
	kept    *keeper  // nil without Reuse
}

// settings are what probers that differ in their addresses alone have in common.
type settings struct {
	target      Target // without a URL
	proxy       *proxy
	files       files
	certificate *certificate
	verdicts    verdicts
}

// New checks the target and prepares what its probes have in common. Nothing of t is referred to afterwards but the pool
// of certificates and the files that it names, which must be there now.
func New(t Target) (*Prober, error) {
	if t.URL == nil {
		return nil, errors.New("target has no url")
	}
	t.own()
	if err := t.check(); err != nil {
		return nil, err
	}
	s := &settings{target: t, files: t.files()}
	s.target.URL = nil
	if t.Proxy != nil {
		proxy, err := newProxy(t.Proxy)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		s.proxy = proxy
	}
	p, err := s.prober(t.URL)
	if err != nil {
		return nil, err
	}
	if t.CertFile != "" {
		s.certificate = newCertificate(t.CertFile, t.KeyFile)
		if _, err := s.certificate.load(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Another is a prober of another address whose target is the same in all else. Both share the memory that this takes, and the
// verdicts on certificates.
func (p *Prober) Another(u *url.URL) (*Prober, error) {
	t := p.target
	t.URL = u
	if err := t.check(); err != nil {
		return nil, err
	}
	return p.settings.prober(u)
}

// prober is one of an address that is checked but for whether a request can be made of it.
func (s *settings) prober(u *url.URL) (*Prober, error) {
	p := &Prober{settings: s, clean: CleanURL(u)}
	if same, err := url.Parse(p.clean); err != nil || *same != *u {
		own := *u
		p.written = &own
	}
	if s.target.Reuse {
		p.kept = new(keeper)
	}
	known, err := p.readSecrets()
	if err != nil {
		return nil, err
	}
	q, err := p.request(u, s.target.Method, known.body, &known, nil)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrURL, p.clean, err)
	}
	if q.secure {
		if err := s.readRoots(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// own replaces what the target shares with its maker, but for its URL, by copies, and what it leaves open by the defaults.
func (t *Target) own() {
	if t.Proxy != nil {
		proxy := *t.Proxy
		t.Proxy = &proxy
	}
	t.Header = slices.Clone(t.Header)
	t.Body = slices.Clone(t.Body)
	t.Expect = t.Expect.clone()
	if t.Method == "" {
		t.Method = "GET"
	}
	if t.UserAgent == "" {
		t.UserAgent = DefaultUserAgent
	}
	if t.Timeout == 0 {
		t.Timeout = DefaultTimeout
	}
	if t.MaxBody == 0 {
		t.MaxBody = DefaultMaxBody
	}
	if t.Expect.BodyLimit == 0 {
		t.Expect.BodyLimit = DefaultBodyLimit
	}
	t.Line.Source = t.Line.Source.Unmap()
	t.Address = t.Address.Unmap()
	if t.Family == AnyFamily && t.Line.Source.Is4() {
		t.Family = IPv4
	}
	if t.Family == AnyFamily && t.Line.Source.Is6() {
		t.Family = IPv6
	}
}

// url is the target's. A text takes a fraction of the memory, and is read in a fraction of a microsecond.
func (p *Prober) url() *url.URL {
	if p.written != nil {
		return p.written
	}
	u, err := url.Parse(p.clean)
	if err != nil {
		panic(err) // it was parsed before
	}
	return u
}

// Close ends the connections that Reuse has kept. Probes may go on, with new ones.
func (p *Prober) Close() {
	if p.kept != nil {
		p.kept.close()
	}
}

// Gather makes take a copy of each text that the prober keeps, now URL alone, and keeps that.
func (p *Prober) Gather(take func(text string) string) { p.clean = take(p.clean) }

// URL is the target's, fit for output: see CleanURL.
func (p *Prober) URL() string { return p.clean }
