package delayline

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace with mounts of its own, and the thread that lives in it.
type Namespace struct {
	IPv4, IPv6 netip.Addr // its end of the line
	calls      chan func()
	ended      chan struct{}
}

// newNamespace starts the thread. Nothing but Do runs on it, and what is started or opened there belongs to the namespace.
func newNamespace(ipv4, ipv6 string) (*Namespace, error) {
	n := &Namespace{
		IPv4: netip.MustParseAddr(ipv4), IPv6: netip.MustParseAddr(ipv6),
		calls: make(chan func()), ended: make(chan struct{}),
	}
	ready := make(chan error)
	go func() {
		defer close(n.ended)
		// Never unlocked, so that the thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		ready <- err
		if err != nil {
			return
		}
		for call := range n.calls {
			call()
		}
	}()
	if err := <-ready; err != nil {
		<-n.ended
		return nil, fmt.Errorf("making a network namespace, which needs root: %w", err)
	}
	return n, nil
}

func (n *Namespace) close() {
	close(n.calls)
	<-n.ended
}

// Do calls f on the namespace's thread. Goroutines that f starts are elsewhere.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error)
	n.calls <- func() { result <- f() }
	return <-result
}

// Listen listens in the namespace on a literal address.
func (n *Namespace) Listen(network, address string) (l net.Listener, err error) {
	err = n.Do(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// Start starts a process in the namespace. It is killed if the namespace ends before it.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.start(cmd, 0) }

// StartRealtime starts a process that comes before all others of the machine but those of a higher priority (1 to 99). It
// is for what stands for the rest of the world, or must not be delayed by it; it must be idle most of the time.
func (n *Namespace) StartRealtime(cmd *exec.Cmd, priority int) error { return n.start(cmd, priority) }

func (n *Namespace) start(cmd *exec.Cmd, priority int) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // it comes when this thread ends
	return n.Do(func() error {
		if priority == 0 {
			return cmd.Start()
		}
		// The child inherits the thread's priority, with all of its threads.
		if err := schedule(unix.SCHED_FIFO, priority); err != nil {
			return fmt.Errorf("real-time priority, which needs root and CAP_SYS_NICE: %w", err)
		}
		err := cmd.Start()
		if back := schedule(unix.SCHED_NORMAL, 0); err == nil {
			err = back
		}
		return err
	})
}

func schedule(policy uint32, priority int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: uint32(priority)}
	return unix.SchedSetAttr(0, &attr, 0)
}

// Resolver makes a DNS server the only one that the namespace's processes know.
func (n *Namespace) Resolver(t testing.TB, server netip.Addr) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, "nameserver %s\n", server), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.Do(func() error { return unix.Mount(path, "/etc/resolv.conf", "", unix.MS_BIND, "") }); err != nil {
		t.Fatalf("a resolv.conf of the namespace's own: %v", err)
	}
}

// device makes the namespace's TUN device and sets it up. The file is the other end of it.
func (n *Namespace) device() (*os.File, error) {
	var file *os.File
	err := n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		file = os.NewFile(uintptr(fd), "/dev/net/tun")
		request, err := unix.NewIfreq("line")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return fmt.Errorf("making a TUN device: %w", err)
		}
		for _, args := range [][]string{
			{"link", "set", "lo", "up"},
			// A queue that a burst does not fill: the line has a delay and no bandwidth.
			{"link", "set", "line", "up", "txqueuelen", "20000"},
			{"address", "add", netip.PrefixFrom(n.IPv4, 24).String(), "dev", "line"},
			{"address", "add", netip.PrefixFrom(n.IPv6, 64).String(), "dev", "line", "nodad"},
		} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %v: %w: %s", args, err, out)
			}
		}
		return nil
	})
	if err != nil && file != nil {
		_ = file.Close()
		file = nil
	}
	return file, err
}
