package probe

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
)

// httpProxy connects where it is told to, and passes plain requests on, for who brings the authorization, if one is set.
func httpProxy(t *testing.T, authorization string) netip.AddrPort {
	t.Helper()
	return listen(t, "127.0.0.1:0", func(conn net.Conn) {
		in := bufio.NewReader(conn)
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if authorization != "" && request.Header.Get("Proxy-Authorization") != authorization {
			fmt.Fprint(conn, "HTTP/1.1 407 Who Are You\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 3\r\n\r\nno\n")
			return
		}
		if request.Method == "CONNECT" {
			pass(conn, request.Host, func(net.Conn) error {
				_, err := fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\nX-Proxy: test\r\n\r\n")
				return err
			})
			return
		}
		pass(conn, request.Host, func(there net.Conn) error {
			request.Header.Del("Proxy-Authorization")
			return request.Write(there)
		})
	})
}

// pass connects to an address and passes on what comes from either side, after begin.
func pass(conn net.Conn, address string, begin func(there net.Conn) error) {
	there, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		fmt.Fprint(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer there.Close()
	if begin(there) != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(there, conn)
		_ = there.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(conn, there)
	conn.Close()
	both.Wait()
}

// socksProxy speaks SOCKS 5 (RFC 1928), with a user and a password (RFC 1929) if one is set.
func socksProxy(t *testing.T, user, password string) netip.AddrPort {
	t.Helper()
	return listen(t, "127.0.0.1:0", func(conn net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(conn, b); err != nil {
				return make([]byte, n)
			}
			return b
		}
		text := func() string { return string(read(int(read(1)[0]))) }
		read(1)
		text() // the methods
		if user == "" {
			_, _ = conn.Write([]byte{5, 0})
		} else {
			_, _ = conn.Write([]byte{5, 2})
			read(1)
			given, secret := text(), text()
			if given != user || secret != password {
				_, _ = conn.Write([]byte{1, 1})
				return
			}
			_, _ = conn.Write([]byte{1, 0})
		}
		var host string
		switch read(4)[3] {
		case 1:
			host = net.IP(read(4)).String()
		case 3:
			host = text()
		default:
			return
		}
		port := read(2)
		pass(conn, net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1]))), func(net.Conn) error {
			_, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
			return err
		})
	})
}
