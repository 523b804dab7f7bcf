package probe

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const canBind = true

// control prepares a socket of package net before it is bound or connected.
func (l *Line) control(_, _ string, conn syscall.RawConn) error {
	var refused error
	if err := conn.Control(func(fd uintptr) { refused = l.prepare(int(fd)) }); err != nil {
		return err
	}
	return refused
}

// prepare does so with any socket.
func (l *Line) prepare(fd int) error {
	if l.Source.IsValid() {
		// Or a port would be taken for the address as a whole, and those of a few hundred probes a second run out.
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}
	if l.Interface != "" {
		if err := unix.BindToDevice(fd, l.Interface); err != nil {
			return &lineError{"binding to the interface " + l.Interface, err}
		}
	}
	if l.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(l.Mark)); err != nil {
			return &lineError{fmt.Sprintf("setting the mark %d", l.Mark), err}
		}
	}
	return nil
}

// connect begins to connect a new socket, which does not block.
func (l *Line) connect(to netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = l.prepare(fd)
	if err == nil && l.Source.IsValid() {
		if err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(l.Source, 0))); err != nil {
			err = &lineError{fmt.Sprintf("binding to the address %s", l.Source), err}
		}
	}
	if err == nil {
		// Small writes follow one another in a handshake, and must not wait for the other side to acknowledge the first.
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(to))
		if err == unix.EINPROGRESS || err == unix.EINTR {
			err = nil
		}
		err = os.NewSyscallError("connect", err)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sockaddr(at netip.AddrPort) unix.Sockaddr {
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16(), ZoneId: zoneID(at.Addr().Zone())}
}

// zoneID is the number of a link-local address's interface, given by name or number; 0 if there is none.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	var n uint32
	fmt.Sscan(zone, &n)
	return n
}
