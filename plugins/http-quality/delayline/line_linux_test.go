package delayline

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// promised is how much longer than its delay a packet may take, at the 99th percentile.
const promised = 500 * time.Microsecond

// connection is what the kernel knows of a connection after its handshake.
func connection(t *testing.T, n *Namespace, to netip.AddrPort) (rtt time.Duration, retransmitted uint8) {
	t.Helper()
	err := n.Do(func() error {
		domain := unix.AF_INET6
		var address unix.Sockaddr = &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
		if to.Addr().Is4() {
			domain, address = unix.AF_INET, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
		}
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		if err := unix.Connect(fd, address); err != nil {
			return err
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		// Of the SYN and its answer, measured when the answer came in.
		rtt, retransmitted = time.Duration(info.Rtt)*time.Microsecond, uint8(info.Total_retrans)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rtt, retransmitted
}

// listener takes connections in the server's namespace: the kernel does, nobody accepts.
func listener(t *testing.T, line *Line, address netip.Addr) netip.AddrPort {
	t.Helper()
	l, err := line.Server.Listen("tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// busy keeps all processors busy until the test ends.
func busy(t *testing.T) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
}

func TestALineTakesItsDelayAndNoMore(t *testing.T) {
	o := Options{Delay: 10 * time.Millisecond}
	line := Open(t, o)
	for _, load := range []struct {
		name string
		put  func(*testing.T)
	}{{"idle", func(*testing.T) {}}, {"busy", busy}} {
		t.Run(load.name, func(t *testing.T) {
			load.put(t)
			for _, address := range []netip.Addr{line.Server.IPv4, line.Server.IPv6} {
				at := listener(t, line, address)
				var late []time.Duration
				for range 100 {
					rtt, retransmitted := connection(t, line.Client, at)
					if retransmitted > 0 || rtt < o.RTT() {
						t.Fatalf("a round trip of %v, with %d retransmissions", rtt, retransmitted)
					}
					late = append(late, (rtt-o.RTT())/2)
				}
				slices.Sort(late)
				t.Logf("%s: a packet is late by %v at the median, %v at p99, of %v", address, late[50], late[98], o.Delay)
				// The machine may be a virtual one that stands still at times.
				if late[50] > promised || late[98] > 5*promised {
					t.Errorf("a packet is late by %v at the median and %v at p99", late[50], late[98])
				}
			}
		})
	}
}

func TestALineLosesEveryNthPacketOfTheClient(t *testing.T) {
	o := Options{Delay: time.Millisecond, Drop: 4}
	line := Open(t, o)
	at := listener(t, line, line.Server.IPv4)
	// A connection sends three packets, so in time some SYN is a fourth one, and its kernel sends it again after a second.
	for lost, passed, left := 0, 0, 20; lost == 0 || passed == 0; left-- {
		if left == 0 {
			t.Fatalf("%d SYNs were lost and %d were not", lost, passed)
		}
		if rtt, retransmitted := connection(t, line.Client, at); retransmitted > 0 {
			lost++
		} else if passed++; rtt < o.RTT() {
			t.Errorf("a round trip of %v", rtt)
		}
	}
}

func TestNamespacesDoNotSeeTheMachine(t *testing.T) {
	line := Open(t, Options{})
	for _, n := range []*Namespace{line.Client, line.Server} {
		err := n.Do(func() error {
			all, err := net.Interfaces()
			if err != nil {
				return err
			}
			for _, i := range all {
				if i.Name != "lo" && i.Name != "line" {
					t.Errorf("%s is there", i.Name)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
