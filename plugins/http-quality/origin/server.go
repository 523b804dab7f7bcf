package origin

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// AcceptDelay is how late the ports 8080 and 8443 accept a connection. The kernel has shaken hands by then.
const AcceptDelay = 40 * time.Millisecond

// Serve serves on the addresses, which are the IPv4 and the IPv6 one of a machine or namespace that has nothing else on
// these ports, until ctx ends. It calls ready when all ports are open.
func Serve(ctx context.Context, ipv4, ipv6 netip.Addr, certificate tls.Certificate, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			time.Sleep(optionsOf(hello.ServerName).tls)
			return nil, nil
		},
	}
	var all sync.WaitGroup
	defer all.Wait()
	// What a client that goes away leaves behind is no news.
	server := &http.Server{Handler: http.HandlerFunc(answer), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	defer func() { _ = server.Close() }()
	for _, port := range []uint16{80, 443, 8080, 8443} {
		for _, address := range []netip.Addr{ipv4, ipv6} {
			l, err := net.Listen("tcp", netip.AddrPortFrom(address, port).String())
			if err != nil {
				return err
			}
			if port > 443 {
				l = lateListener{l}
			}
			all.Go(func() {
				if port%1000 == 443 {
					_ = server.ServeTLS(l, "", "")
				} else {
					_ = server.Serve(l)
				}
			})
		}
	}
	names, err := newNameserver(ipv4, ipv6)
	if err != nil {
		return err
	}
	defer names.close()
	ready()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type lateListener struct{ net.Listener }

// Accept implements net.Listener.
func (l lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lateConn{Conn: conn, at: time.Now().Add(AcceptDelay)}, nil
}

// lateConn is not read before its time, so that one connection does not delay the next.
type lateConn struct {
	net.Conn
	at time.Time
}

// Read implements net.Conn.
func (c *lateConn) Read(p []byte) (int, error) {
	time.Sleep(time.Until(c.at))
	return c.Conn.Read(p)
}

// answer does what the query says.
func answer(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	query := r.URL.Query()
	duration := func(name string) time.Duration {
		d, _ := time.ParseDuration(query.Get(name))
		return d
	}
	size, _ := strconv.Atoi(query.Get("size"))
	header := w.Header()
	header.Set("Content-Type", "text/plain")
	status := http.StatusOK
	if to := query.Get("to"); to != "" {
		header.Set("Location", to)
		status = http.StatusFound
	}
	body := make([]byte, size)
	for i := range body {
		body[i] = "0123456789abcde\n"[i%16]
	}
	if query.Get("gzip") != "" {
		header.Set("Content-Encoding", "gzip")
		body = compressed(body)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	pause := duration("pause")
	time.Sleep(time.Until(began.Add(duration("wait"))))
	w.WriteHeader(status)
	if pause == 0 {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	time.Sleep(pause)
	_, _ = w.Write(body[len(body)/2:])
}

func compressed(body []byte) []byte {
	var b writer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body)
	_ = z.Close()
	return b
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
