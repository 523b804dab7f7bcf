package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	xproxy "golang.org/x/net/proxy"
)

// proxy is what stands between the prober and its target.
type proxy struct {
	to    endpoint
	socks bool
	user  string
}

// newProxy reads a proxy's address. The error does not show the user's part of it.
func newProxy(u *url.URL) (*proxy, error) {
	p := &proxy{}
	switch strings.ToLower(u.Scheme) {
	case "http":
		p.to.port = 1080 // curl's
	case "socks5", "socks5h":
		p.to.port, p.socks = 1080, true
	default:
		return nil, fmt.Errorf("scheme %s is neither http nor socks5", quote(u.Scheme))
	}
	if err := p.to.setPort(u); err != nil {
		return nil, err
	}
	if _, err := p.to.setHost(u); err != nil {
		return nil, err
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("a proxy's address has no path")
	}
	p.user = u.User.Username()
	return p, nil
}

// tunnels tells whether the proxy passes on what it does not read: all but a request in plain http, which it is told to make.
func (p *proxy) tunnels(q *request) bool { return p.socks || q.secure }

// tunnel has the proxy connect w to the target. It is part of the phase that follows the connection: of the handshake, or
// without TLS of sending the request.
func (r *run) tunnel(q *request, w *wire) *Error {
	switch {
	case r.proxy.socks:
		return r.tunnelSOCKS(q, w)
	case q.secure:
		return r.tunnelHTTP(q, w)
	}
	return nil
}

func (r *run) tunnelHTTP(q *request, w *wire) *Error {
	name := q.target()
	b := fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\n", name)
	b = appendField(b, "Host", name)
	if r.secrets.proxy != "" {
		b = appendField(b, "Proxy-Authorization", r.secrets.proxy)
	}
	b = appendField(b, "User-Agent", r.target.UserAgent)
	b = append(appendField(b, "Proxy-Connection", "Keep-Alive"), "\r\n"...)
	n, err := w.Write(b)
	r.hop.RequestSize += int64(n)
	if err != nil {
		return r.failure(OutcomeConnect, err, "asking the proxy for %s: %s", name, reason(err))
	}
	a := r.answer
	a.in.Reset(w)
	if _, err := a.in.Peek(1); err != nil {
		return r.failure(OutcomeConnect, err, "waiting for the proxy: %s", reason(err))
	}
	err = a.readHead()
	r.hop.HeaderSize += a.headerSize
	status, more := a.status, a.in.Buffered()
	a.reset(&r.target)
	switch {
	case err != nil:
		return r.failure(OutcomeConnect, err, "reading the proxy's answer: %v", err)
	case status < 200 || status > 299:
		return r.failure(OutcomeConnect, nil, "the proxy refuses to connect to %s: status %d", name, status)
	case more > 0:
		return r.failure(OutcomeConnect, nil, "the proxy says more than it was asked")
	}
	return nil
}

// target is the name and port that a proxy is asked to connect to.
func (q *request) target() string {
	host := q.to.host
	if q.to.addr.IsValid() {
		host = q.to.addr.WithZone("").String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(q.to.port)))
}

func (r *run) tunnelSOCKS(q *request, w *wire) *Error {
	var auth *xproxy.Auth
	if r.proxy.user != "" {
		auth = &xproxy.Auth{User: r.proxy.user, Password: r.secrets.proxyPassword}
	}
	dialer, err := xproxy.SOCKS5("tcp", netip.AddrPortFrom(ip(w.RemoteAddr()), r.proxy.to.port).String(), auth, established{w})
	if err == nil {
		_, err = dialer.Dial("tcp", q.target())
	}
	if err != nil {
		return r.failure(OutcomeConnect, err, "asking the proxy for %s: %s", q.target(), socksReason(err))
	}
	return nil
}

// established is a dialer whose connection is there already.
type established struct{ *wire }

func (e established) Dial(string, string) (net.Conn, error) { return e.wire, nil }

func (e established) DialContext(context.Context, string, string) (net.Conn, error) {
	return e.wire, nil
}

// socksReason is what went wrong, without the addresses that stand around it.
func socksReason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return reason(err)
}
