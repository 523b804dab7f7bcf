package probe

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unanswered is an address that never answers a SYN, as a firewall that drops: a listener whose queue is full.
func unanswered(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port)).String()
	for range 10 {
		conn, err := net.DialTimeout("tcp", at, 300*time.Millisecond)
		if err != nil {
			return at
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("queue does not fill")
	return ""
}

// awaitRead returns when the other side, on this machine and over IPv4, has read all that was written to conn.
func awaitRead(t *testing.T, conn net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	end := func(addr net.Addr) string {
		a := addr.(*net.TCPAddr).AddrPort()
		b := a.Addr().As4()
		return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(b[:]), a.Port())
	}
	local, remote := end(conn.LocalAddr()), end(conn.RemoteAddr())
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Error(err)
			return
		}
		sent, received := false, false
		for line := range strings.Lines(string(table)) {
			// sl local remote state tx_queue:rx_queue …
			if f := strings.Fields(line); len(f) > 4 {
				sent = sent || f[1] == local && f[2] == remote && strings.HasPrefix(f[4], "00000000:")
				received = received || f[1] == remote && f[2] == local && strings.HasSuffix(f[4], ":00000000")
			}
		}
		if sent && received {
			return
		}
	}
	t.Errorf("%v has not read all", conn.RemoteAddr())
}
