package badserver

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// conn is a connection of which a server may make what it wants.
type conn struct {
	net.Conn
	raw *net.TCPConn
}

func serveOne(raw net.Conn, s server) {
	c := &conn{raw, raw.(*net.TCPConn)}
	if s.secure != nil {
		secured := tls.Server(raw, s.secure)
		if secured.Handshake() != nil {
			return
		}
		c.Conn = secured
		defer func() { _ = secured.Close() }()
	}
	if s.serve != nil {
		s.serve(c)
	}
}

// request reads until a request's header is over, or there is nothing more.
func (c *conn) request() {
	var all []byte
	piece := make([]byte, 1024)
	for !bytes.Contains(all, []byte("\r\n\r\n")) && len(all) < 1<<16 {
		n, err := c.Read(piece)
		if err != nil {
			return
		}
		all = append(all, piece[:n]...)
	}
}

// reset ends the connection with a RST, when what was sent before has arrived.
func (c *conn) reset() {
	time.Sleep(pause)
	_ = c.raw.SetLinger(0)
	_ = c.raw.Close()
}

// resetHello does so when the first bytes have come.
func (c *conn) resetHello() {
	_, _ = c.Read(make([]byte, 1))
	c.reset()
}

// silent reads until the other side has gone.
func silent(c *conn) { _, _ = io.Copy(io.Discard, c) }

// answer answers a request, or what else comes first, and closes.
func answer(text string) func(*conn) {
	return func(c *conn) {
		if strings.HasPrefix(text, "220 ") {
			_, _ = io.WriteString(c, text)
			silent(c)
			return
		}
		c.request()
		_, _ = io.WriteString(c, text)
	}
}

// after answers a request and does something then.
func after(text string, do func(*conn)) func(*conn) {
	return func(c *conn) {
		c.request()
		_, _ = io.WriteString(c, text)
		do(c)
	}
}

// endless repeats a piece until the other side has had enough.
func endless(first, piece string) func(*conn) {
	pieces := strings.Repeat(piece, 1+4096/len(piece))
	return func(c *conn) {
		c.request()
		_, err := io.WriteString(c, first)
		for err == nil {
			_, err = io.WriteString(c, pieces)
		}
	}
}

// trickle sends a byte of the body at a time, so that no single read waits for long.
func trickle(c *conn) {
	c.request()
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
	for err == nil {
		time.Sleep(pause / 2)
		_, err = c.Write([]byte{'a'})
	}
}

// bombed is 100 MiB of zeros, compressed.
var bombed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 100 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	return b.Bytes()
})

func bomb(c *conn) {
	c.request()
	body := bombed()
	_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(body))
	_, _ = c.Write(body)
}
