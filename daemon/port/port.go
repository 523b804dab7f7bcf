// Package port keeps ports of this host's loopback for programs that are to listen there and can not be handed a socket.
package port

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Host is where every port of this package is.
const Host = "127.0.0.1"

// Reserved is a port that nobody gets by chance: the kernel gives it neither to a connection that goes out, which would
// keep a server off it for a minute after its end, nor to who asks for any free port. Who names it may listen on it, once
// at a time, and may do so again for as long as it is reserved.
type Reserved struct {
	Number int
	fd     int
}

// Reserve reserves a port, or one that is free for 0. Its error is EADDRINUSE if somebody listens there.
func Reserve(number int) (*Reserved, error) {
	// A socket that is bound and does not listen is in the way of no server that reuses addresses, as those of Go do, and is
	// in the way of everybody whose port the kernel chooses.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	number, err = bind(fd, number)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Reserved{number, fd}, nil
}

func bind(fd, number int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte(net.ParseIP(Host).To4())}); err != nil {
		return 0, fmt.Errorf("bind %s: %w", net.JoinHostPort(Host, strconv.Itoa(number)), err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return address.(*unix.SockaddrInet4).Port, nil
}

// Address is the port with its host.
func (r *Reserved) Address() string { return net.JoinHostPort(Host, strconv.Itoa(r.Number)) }

// Close gives the port back. Who listens there goes on.
func (r *Reserved) Close() error { return unix.Close(r.fd) }
