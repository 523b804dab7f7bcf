package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/vedette-monitor/vedette/sdk"
)

const (
	// maxAnswer is as much as is read of an answer.
	maxAnswer = 64 << 10
	// maxRedirects are followed, within a host.
	maxRedirects = 3
	// maxRetryAfter bounds how long a provider can put a notice off.
	maxRetryAfter = time.Hour
)

// webConfig is what all channels over HTTP have.
type webConfig struct {
	Proxy  string   `hcl:"proxy,optional" sensitive:"true" doc:"Address of a proxy: http, https or socks5. Without it HTTPS_PROXY of the block's env counts."`
	CAFile sdk.Path `hcl:"ca_file,optional" doc:"Certificates that are trusted instead of the system's, in PEM."`
}

// web makes requests. It never sends a notice twice by itself, and goes to no other host than it was told.
type web struct {
	client *http.Client
	// proxy is what must not be shown of the proxy.
	proxy hidden
}

func newWeb(c webConfig) (*web, error) {
	var proxy hidden
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: maxAnswer,
		// Each attempt has a connection of its own: one that a server has ended meanwhile is no failure of the provider's, and
		// one that was made hours ago says nothing of its certificate.
		DisableKeepAlives: true,
		// What an answer would unpack to is not bounded by what is read.
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
	}
	if c.Proxy != "" {
		u, err := url.Parse(c.Proxy)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
			return nil, at("proxy", errors.New("this is no address of a proxy, such as http://proxy.example.com:3128"))
		}
		t.Proxy = http.ProxyURL(u)
		if password, ok := u.User.Password(); ok {
			proxy = basic(u.User.Username(), password)
		}
	}
	if c.CAFile != "" {
		pool, err := poolOf(string(c.CAFile))
		if err != nil {
			return nil, at("ca_file", err)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &web{&http.Client{Transport: t, CheckRedirect: redirect}, proxy}, nil
}

func poolOf(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return pool, nil
}

// errRedirect says that an answer leads to where the notice must not go.
type errRedirect string

func (e errRedirect) Error() string { return string(e) }

// redirect follows what keeps the request as it is, within the host. After the other kinds it would arrive as a GET without a
// body, and be answered with a friendly page.
func redirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return errRedirect("it redirects again and again")
	case !strings.EqualFold(req.URL.Host, first.Host) || req.URL.Scheme != first.Scheme:
		return errRedirect("it redirects to another host, which is not followed")
	case req.Method != via[0].Method:
		return errRedirect("it redirects in a way that loses the notice")
	}
	return nil
}

// call is a request to be made.
type call struct {
	method, url string
	header      http.Header
	body        []byte
	// accepts says that the status alone decides, so that a good one is believed without waiting for the body.
	accepts func(status int) bool
	secrets hidden
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes the request. If there is no answer to judge, the delivery says what became of it.
func (w *web) do(ctx context.Context, c call) (answer, *sdk.Delivery) {
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		// From here on the provider may have read all of it: bodies are short, and travel with the headers.
		written.Store(true)
	}})
	fail := func(err error) *sdk.Delivery {
		d := fault(err, written.Load())
		d.Message, d.Bytes = w.proxy.in(c.secrets.in(d.Message)), len(c.body)
		return &d
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(c.body))
	if err != nil {
		return answer{}, &sdk.Delivery{Outcome: sdk.PermanentConfig, Message: "the address can not be called"}
	}
	if c.body == nil {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "vedette/"+version)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	res, err := w.client.Do(req)
	if err != nil {
		return answer{}, fail(err)
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, header: res.Header}
	if c.accepts != nil && c.accepts(res.StatusCode) {
		return a, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if a.status/100 != 2 { // it may be the proxy's
		a.body = []byte(w.proxy.in(string(a.body)))
	}
	if err != nil && res.StatusCode/100 == 2 {
		return a, fail(fmt.Errorf("reading the answer: %w", err))
	}
	return a, nil
}

// fault says what became of a request that got no answer.
func fault(err error, written bool) sdk.Delivery {
	var at *url.Error
	if errors.As(err, &at) { // which repeats the address
		err = at.Err
	}
	var loop errRedirect
	switch {
	case errors.As(err, &loop):
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "redirect", Message: loop.Error()}
	case isCertificate(err):
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "certificate", Message: err.Error()}
	case written:
		return sdk.Delivery{Outcome: sdk.Unknown, Code: networkCode(err), Message: "no whole answer came: " + reasonOf(err)}
	}
	return sdk.Delivery{Outcome: sdk.Temporary, Code: networkCode(err), Message: reasonOf(err)}
}

// reasonOf is the error in words. What the standard library says of a context says nothing.
func reasonOf(err error) string {
	if isTimeout(err) {
		return "not within the time of the attempt"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

func networkCode(err error) string {
	var dns *net.DNSError
	switch {
	case isTimeout(err):
		return "timeout"
	case errors.As(err, &dns):
		return "dns"
	}
	return "network"
}

// isCertificate reports whether the peer's certificate is why it failed, or that it speaks no TLS that we take.
func isCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		header       tls.RecordHeaderError
		alert        tls.AlertError
	)
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) ||
		errors.As(err, &header) || errors.As(err, &alert)
}

// judge says what a status means. A body is for the channel to judge; good says that it has to.
func (a answer) judge(secrets hidden) (d sdk.Delivery, good bool) {
	d = sdk.Delivery{Code: strconv.Itoa(a.status)}
	switch s := a.status; {
	case s/100 == 2:
		d.Outcome = sdk.Delivered
		return d, true
	case s == 408 || s == 425 || s == 429 || s >= 500:
		d.Outcome, d.RetryAfter = sdk.Temporary, retryAfter(a.header.Get("Retry-After"), time.Now())
	case s == 401 || s == 403 || s == 404 || s == 405 || s == 407 || s/100 == 3 || s < 200:
		d.Outcome = sdk.PermanentConfig
	default:
		d.Outcome = sdk.PermanentRecipient
	}
	d.Message = strings.TrimSpace(http.StatusText(a.status) + ": " + secrets.in(string(a.body)))
	return d, false
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if when, err := http.ParseTime(text); err == nil {
		return min(max(when.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// address checks an address of the configuration, of which an error repeats nothing but the scheme.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("this is no address, such as https://example.com/hook")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("an address begins with https:// or http://, and not with %q", u.Scheme)
	case u.Host == "":
		return nil, errors.New("the address has no host")
	}
	return u, nil
}

// secretsOf are the parts of an address that may be keys: each segment of its path, each value of its query, its user.
func secretsOf(u *url.URL) hidden {
	var parts []string
	if u.RequestURI() != "/" {
		parts = append(parts, u.String(), u.RequestURI())
	}
	if password, ok := u.User.Password(); ok {
		parts = append(append(parts, u.User.String()), basic(u.User.Username(), password)...)
	}
	for _, values := range u.Query() {
		for _, v := range values {
			parts = append(parts, v, url.QueryEscape(v))
		}
	}
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		if len(segment) >= 12 { // shorter ones are words
			parts = append(parts, segment)
		}
	}
	return hide(parts...)
}

// basic are the forms in which a user's password travels.
func basic(user, password string) hidden {
	return hide(password, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// headersOf checks headers of the configuration.
func headersOf(configured map[string]string) (http.Header, error) {
	h := http.Header{}
	for name, value := range configured {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, &sdk.Problem{Path: []string{"headers", name}, Err: errors.New("this can be no header")}
		}
		h.Set(name, value)
	}
	return h, nil
}

// reach finds out whether a server is there, and that its certificate is good, without a request that could tell anybody
// anything.
func (w *web) reach(ctx context.Context, target string, secrets hidden) sdk.Delivery {
	// A redirect is an answer: many show people who come to their front door to their pages.
	front := &web{&http.Client{Transport: w.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, w.proxy}
	a, failed := front.do(ctx, call{method: http.MethodHead, url: target, secrets: secrets, accepts: func(int) bool { return true }})
	if failed != nil {
		if failed.Outcome == sdk.Unknown {
			failed.Outcome = sdk.Temporary
		}
		return *failed
	}
	return sdk.Delivery{Outcome: sdk.Delivered, Code: strconv.Itoa(a.status), Message: "the server answers; only a notice shows whether it takes the key"}
}
