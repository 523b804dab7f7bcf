// Package probe measures one HTTP request the way curl does: over a fresh connection, phase by phase, and with a verdict.
//
// A Target says what to ask and what to expect; New turns it into a Prober, and each Run of that is one probe. Run resolves
// the name, connects, shakes hands, sends the request and reads the whole answer itself, on the caller's goroutine, and
// keeps a record of every hop of a redirect chain. Result.Curl derives curl's variables from these records.
//
// Run promises that it ends by its deadline or its context's end, whatever the other side does; that no goroutine and no
// descriptor outlives it; that what a failed probe reached before it failed is kept, and what it did not reach is absent;
// and that no credential of the target's URL and no raw text from the network gets into a string of the Result.
//
// It speaks HTTP/1.1 (and understands an HTTP/1.0 answer). It does not decode content, keep cookies, use proxies or
// connections again: when to probe, and what becomes of a Result, is left to others.
package probe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
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

// Target says what to probe and what is expected of it.
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

	Timeout      time.Duration // of the whole probe, redirects included
	MaxRedirects int           // how many to follow; with 0 a redirect is the answer
	MaxBody      int64         // bytes; a longer body ends the probe with OutcomeBody

	Family   Family
	Resolver netip.AddrPort // the DNS server to ask, else the system's; /etc/hosts is read before either

	RootCAs            *x509.CertPool // the system's if nil
	ServerName         string         // for SNI and verification on the target's own host, in place of its name
	InsecureSkipVerify bool           // certificates are reported and not judged

	Expect Expectation
}

// Prober probes one target. It is immutable and may be run by several goroutines at once.
type Prober struct {
	target Target
	first  *request
}

// New checks the target and prepares what its probes have in common. Nothing of t is referred to afterwards but the pool
// of certificates.
func New(t Target) (*Prober, error) {
	if t.URL == nil {
		return nil, errors.New("target has no url")
	}
	u := *t.URL
	t.URL = &u
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
	if err := t.check(); err != nil {
		return nil, err
	}
	p := &Prober{target: t}
	first, err := p.request(t.URL, t.Method, t.Body)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrURL, CleanURL(t.URL), err)
	}
	p.first = first
	if t.RootCAs == nil && !t.InsecureSkipVerify {
		// Reading the system's certificates takes tens of milliseconds, once; they must not be part of a measured handshake.
		if _, err := x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("system's root certificates: %w", err)
		}
	}
	return p, nil
}

// URL is the target's, fit for output: see CleanURL.
func (p *Prober) URL() string { return p.first.clean }

func (t *Target) check() error {
	switch {
	case t.Timeout < 0:
		return fmt.Errorf("timeout %v is negative", t.Timeout)
	case t.MaxBody < 0:
		return fmt.Errorf("limit of the body %d is negative", t.MaxBody)
	case t.MaxRedirects < 0:
		return fmt.Errorf("number of redirects %d is negative", t.MaxRedirects)
	case t.Family != AnyFamily && t.Family != IPv4 && t.Family != IPv6:
		return fmt.Errorf("address family %d is neither 4 nor 6", t.Family)
	case !isToken(t.Method):
		return fmt.Errorf("method %q is not a token", t.Method)
	case t.Method == "HEAD" && t.Expect.BodyContains != "":
		return errors.New("answer to HEAD has no body that could contain anything")
	case !isFieldValue(t.UserAgent):
		return errors.New("user agent has a control character")
	}
	for _, f := range t.Header {
		switch {
		case !isToken(f.Name):
			return fmt.Errorf("header name %q is not a token", f.Name)
		case !isFieldValue(f.Value):
			return fmt.Errorf("value of header %s has a control character", f.Name)
		case strings.EqualFold(f.Name, "Content-Length"), strings.EqualFold(f.Name, "Transfer-Encoding"):
			return fmt.Errorf("header %s is set by the probe itself", f.Name)
		}
	}
	return t.Expect.check()
}
