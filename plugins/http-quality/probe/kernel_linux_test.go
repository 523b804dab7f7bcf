package probe

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// A prober that is kept from running sees everything late. The server is another process, and answers in time.
func TestWhatTheProberWasLateIsTakenOutOfTheTimes(t *testing.T) {
	addresses, roots := startBenchmarkServer(t)
	for _, scheme := range []string{"http", "https"} {
		for _, version := range []Version{HTTP1, HTTP2} {
			t.Run(fmt.Sprint(scheme, version), func(t *testing.T) {
				leavesNothing(t)
				p := newProber(t, Target{
					URL: addresses[scheme][0].JoinPath("slow"), RootCAs: roots, ServerName: "shop.vedette.test", Timeout: time.Minute, Version: version,
				})
				p.Run(t.Context()) // pays for what is done once
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				var over atomic.Bool
				defer over.Store(true)
				for range 8 {
					go func() {
						for !over.Load() { // for 10 ms at a time, then the next one's turn comes
						}
					}()
				}
				var total, lag, elapsed time.Duration
				for range 8 {
					began := time.Now()
					res := p.Run(t.Context())
					elapsed += time.Since(began)
					checkResult(t, res)
					// The kernel may send a segment again whose acknowledgement is delayed (a tail loss probe).
					if res.Outcome != OutcomeOK || !res.Lag().Reached || res.Retrans() < 0 {
						t.Fatalf("%v, lag %+v, retransmitted %d", res.Err, res.Lag(), res.Retrans())
					}
					h := res.Last()
					before := time.Duration(0)
					for _, at := range []Span{h.Resolved, h.Connected, h.Secured, h.Pretransfer, h.Sent, h.FirstByte, {h.Total, true}} {
						if at.Reached && at.Time < before {
							t.Fatalf("times run backwards: %+v", h)
						}
						before = max(before, at.Time)
					}
					total, lag = total+res.Total, lag+res.Lag().Time
				}
				t.Logf("%v by the clock: %v of the server and the line, %v late", elapsed, total, lag)
				if total+lag > elapsed {
					t.Errorf("%v and %v are more than the %v that passed", total, lag, elapsed)
				}
				// Each probe waits for its turn once at least, for 80 ms, and is answered within 20.
				if lag < 8*80*time.Millisecond || total > lag/2 {
					t.Errorf("of %v only %v were found to be the prober's own", total+lag, lag)
				}
			})
		}
	}
}

func TestALostSYNIsTheLinesFault(t *testing.T) {
	leavesNothing(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port)).String()
	filler, err := net.Dial("tcp", at) // the queue has room for one
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	served := make(chan struct{})
	defer func() { <-served }()
	p := newProber(t, Target{URL: parseURL(t, "http://"+at), Timeout: patience})
	go func() {
		defer close(served)
		for dropped := synsDropped(t); synsDropped(t) == dropped; time.Sleep(time.Millisecond) {
		}
		for range 2 {
			conn, _, err := unix.Accept(fd)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(conn)
			_, _ = unix.Write(conn, []byte(okAnswer))
		}
	}()
	res := p.Run(t.Context())
	checkResult(t, res)
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	// The SYN is sent again after a second, and that second is part of what a user of the line waits.
	if h := res.Last(); res.Retrans() < 1 || h.Connected.Time < 900*time.Millisecond {
		t.Errorf("connected after %v, %d segments sent again", h.Connected.Time, res.Retrans())
	}
}

// synsDropped counts the SYNs that found a queue full, of the whole machine.
func synsDropped(t *testing.T) string {
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		t.Error(err)
		return ""
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "TcpExt:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "ListenOverflows" {
				return fields[i]
			}
		}
	}
	t.Error("the kernel does not count overflows of queues")
	return ""
}

// The mark needs root.
func TestAllSocketsGoOverTheLine(t *testing.T) {
	leavesNothing(t)
	at := says(t, okAnswer)
	line := Line{Source: netip.MustParseAddr("127.0.0.9"), Interface: "lo", Mark: 7}
	life := newLifetime(t.Context(), patience, new(sockets))
	defer life.release()
	r := &run{Prober: &Prober{settings: &settings{target: Target{Line: line}}}, ctx: life, dialing: life, deadline: life.deadline}
	w, err := r.dial(r.ctx, at, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := r.dialDNS(t.Context(), "udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := r.dialDNS(t.Context(), "tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"target": w, "DNS": datagrams, "DNS over TCP": stream} {
		raw, err := conn.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			mark, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK)
			device, _ := unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
			if mark != 7 || strings.TrimRight(device, "\x00") != "lo" || ip(conn.LocalAddr()) != line.Source {
				t.Errorf("%s goes over %q from %v with the mark %d", name, device, conn.LocalAddr(), mark)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.sockets.end()
}

func TestALineThatIsNotThereIsToldAsSuch(t *testing.T) {
	leavesNothing(t)
	at := says(t, okAnswer)
	for _, c := range []struct {
		line Line
		text string
	}{
		{Line{Interface: "vedette-none"}, "binding to the interface vedette-none: no such device"},
		{Line{Source: netip.MustParseAddr("192.0.2.77")}, "binding to the address 192.0.2.77: cannot assign requested address"},
	} {
		res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), Line: c.line})
		wantOutcome(t, res, OutcomeConnect, PhaseTCP, c.text)
		res = runTarget(t, Target{URL: parseURL(t, "http://shop.vedette.test"), Line: c.line, Resolver: netip.MustParseAddrPort("127.0.0.1:9")})
		wantOutcome(t, res, OutcomeDNS, PhaseDNS, "")
	}
}
