package influx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// parseServer checks the address of an InfluxDB and the token for it.
func parseServer(server, token string) (*url.URL, error) {
	// InfluxDB 1.x cuts the header at spaces, and a proxy or a log may cut it anywhere at other white space.
	if strings.ContainsAny(token, " \t\r\n") {
		return nil, errors.New("influxdb token: holds white space, which InfluxDB cannot read there; on 1.x choose a user " +
			"and a password without")
	}
	u, err := url.Parse(server)
	if err != nil {
		// The error of url.Parse repeats the address, and with it a password that may stand there.
		return nil, errors.New("influxdb url: not an address; it looks like http://127.0.0.1:8086")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("influxdb url %q: not an http or https address; it looks like http://127.0.0.1:8086",
			u.Redacted())
	}
	if u.User != nil {
		return nil, fmt.Errorf("influxdb url %q: holds a user; give the token separately, on 1.x as user:password",
			u.Redacted())
	}
	return u, nil
}

// newClient returns a client of its own: no redirect is followed, as none is legitimate on these paths and a followed
// one turns a lost write into a page with status 200. ProxyFromEnvironment never sends loopback addresses to a proxy. With
// a socket, that unix socket is connected to, whatever the address says.
func newClient(timeout time.Duration, socket string) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	dial := dialer.DialContext
	if socket != "" {
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dial,
			TLSHandshakeTimeout:   10 * time.Second,
			MaxIdleConns:          8,
			MaxIdleConnsPerHost:   8,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
			ForceAttemptHTTP2:     true,
		},
	}
}

// isNear says whether what is sent there in clear does not leave the machine, so that compression would only cost time.
func isNear(server *url.URL) bool {
	host := server.Hostname()
	ip, err := netip.ParseAddr(host)
	return server.Scheme == "http" && (host == "localhost" || err == nil && ip.IsLoopback())
}

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// countedConn is a connection that is counted while it is open.
type countedConn struct {
	net.Conn
	gone func()
}

func (c countedConn) Close() error {
	c.gone()
	return c.Conn.Close()
}

// countConnections counts the connections that are open.
func countConnections(connect dial, open *atomic.Int64) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := connect(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return countedConn{conn, sync.OnceFunc(func() { open.Add(-1) })}, nil
	}
}

// secrets removes a token, and on 1.x the password in it, from words that are logged or shown.
func secrets(token string) *strings.Replacer {
	if token == "" {
		return strings.NewReplacer()
	}
	pairs := []string{token, "[token]"}
	if _, password, ok := strings.Cut(token, ":"); ok && password != "" {
		pairs = append(pairs, password, "[password]")
	}
	return strings.NewReplacer(pairs...)
}
