package port

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func reserve(t *testing.T, number int) *Reserved {
	t.Helper()
	r, err := Reserve(number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestAServerListensOnAReservedPortAgainAndAgain(t *testing.T) {
	r := reserve(t, 0)
	for range 3 {
		l, err := net.Listen("tcp", r.Address())
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("tcp", r.Address())
		if err != nil {
			t.Fatal(err)
		}
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// The server closes first, so that its end of the connection is what waits for stray packets.
		_ = served.Close()
		_ = l.Close()
		_ = client.Close()
	}
}

func TestAPortThatSomebodyListensOnIsNotReserved(t *testing.T) {
	r := reserve(t, 0)
	l, err := net.Listen("tcp", r.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if other, err := Reserve(r.Number); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%+v, %v", other, err)
	}
}

// alone says to a process of this test that it has a network of its own.
const alone = "VEDETTE_TEST_OWN_NETWORK"

func TestNobodyGetsAReservedPortByChance(t *testing.T) {
	if os.Getenv(alone) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNobodyGetsAReservedPortByChance$")
		cmd.Env = append(os.Environ(), alone+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	raiseLoopback(t)
	// Of ten ports a server has one and one is reserved: eight connections are all that there is room for.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40009"), 0); err != nil {
		t.Fatal(err)
	}
	server, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r := reserve(t, 0)
	for made := 0; ; made++ {
		conn, err := net.Dial("tcp", server.Addr().String())
		if err != nil && (made == 8 && errors.Is(err, syscall.EADDRNOTAVAIL)) {
			break
		}
		if err != nil || made == 8 {
			t.Fatalf("connection %d: %v, %v", made+1, conn, err)
		}
		defer conn.Close()
		if used := conn.LocalAddr().(*net.TCPAddr).Port; used == r.Number {
			t.Fatalf("a connection has the reserved port")
		}
	}
	if l, err := net.Listen("tcp", Host+":0"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("who asked for any port got %v, %v", l, err)
	}
	if l, err := net.Listen("tcp", r.Address()); err != nil {
		t.Error(err)
	} else {
		_ = l.Close()
	}
}

func raiseLoopback(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatal(err)
	}
}
