package probe

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stream is a TCP connection, opened without package net, which would ask the kernel a dozen things beside and keep a
// goroutine for the caller's context. And it is a file to the runtime, so waiting for it costs no thread.
type stream struct {
	*os.File
	raw           syscall.RawConn
	local, remote net.TCPAddr

	// These belong to the read under way, done by receive.
	receive func(fd uintptr) bool
	into    []byte
	flags   int
	n       int
	err     error
	arrived int64
	control [64]byte
}

func (s *stream) LocalAddr() net.Addr  { return &s.local }
func (s *stream) RemoteAddr() net.Addr { return &s.remote }

// dial connects to an address until the deadline at most, or the end of ctx where that is not the probe's own. The socket is
// one of the probe's from the beginning, so that it is closed when its time is over. Where it fails the wire that it returns, if
// any, tells what the kernel has seen.
func (r *run) dial(ctx context.Context, to netip.AddrPort, deadline time.Time) (*wire, error) {
	keepStamping()
	began := time.Now()
	fd, err := r.target.Line.connect(to)
	if err != nil {
		return nil, err
	}
	w := &wire{began: began}
	s := &w.stream
	s.File = os.NewFile(uintptr(fd), "tcp")
	s.remote = *net.TCPAddrFromAddrPort(to)
	if s.raw, err = s.SyscallConn(); err == nil {
		err = r.sockets.add(w)
	}
	if err != nil {
		s.File.Close()
		return nil, err
	}
	if !deadline.IsZero() {
		s.SetWriteDeadline(deadline)
		defer s.SetWriteDeadline(time.Time{})
	}
	if ctx != r.ctx {
		defer context.AfterFunc(ctx, func() { s.SetWriteDeadline(time.Unix(1, 0)) })()
	}
	if err := w.connected(); err != nil {
		r.sockets.release(w)
		w.Close()
		return w, err
	}
	return w, nil
}

// connected waits for the connection, and asks the kernel for what it knows of it.
func (w *wire) connected() error {
	s := &w.stream
	var info *unix.TCPInfo
	var local syscall.Sockaddr
	var refused error
	var seen time.Duration
	err := s.raw.Write(func(fd uintptr) bool {
		if info, refused = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); refused != nil {
			refused = os.NewSyscallError("getsockopt", refused)
			return true
		}
		switch info.State {
		case tcpEstablished, tcpCloseWait:
			seen = time.Since(w.began)
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) == nil {
				s.receive = s.receiveOnce
			}
			local, refused = syscall.Getsockname(int(fd)) // unix.Getsockname asks for the protocol as well
			refused = os.NewSyscallError("getsockname", refused)
			return true
		case tcpSynSent:
			return false
		}
		why, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && why == 0 {
			why = int(unix.ECONNRESET) // it was there and is gone already
		}
		refused = os.NewSyscallError("connect", unix.Errno(why))
		return true
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return err
	}
	s.local = tcpAddr(local)
	if s.local.Port == s.remote.Port && s.local.IP.Equal(s.remote.IP) {
		// Nobody listens, and the kernel has chosen the very same port for this side: a connection to oneself.
		return os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	if info.Total_retrans == 0 && info.Rtt > 0 {
		// The only round trip that was measured by now is that of the SYN. If one was lost, its answer took a second longer than
		// that.
		w.connectLate = max(0, seen-time.Duration(info.Rtt)*time.Microsecond)
	}
	return nil
}

// States of TCP in TCP_INFO (include/net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpCloseWait   = 8
)

func tcpAddr(at syscall.Sockaddr) net.TCPAddr {
	switch at := at.(type) {
	case *syscall.SockaddrInet4:
		return net.TCPAddr{IP: at.Addr[:], Port: at.Port}
	case *syscall.SockaddrInet6:
		return net.TCPAddr{IP: at.Addr[:], Port: at.Port}
	}
	return net.TCPAddr{}
}

// writeLast keeps what it writes back until the connection is closed, so that both leave in one packet. It does not wait for room.
func (s *stream) writeLast(b []byte) (n int, err error) {
	failed := s.raw.Write(func(fd uintptr) bool {
		n, err = unix.SendmsgN(int(fd), b, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		return true
	})
	if failed != nil {
		return 0, failed
	}
	return n, os.NewSyscallError("sendmsg", err)
}

// drain takes what has come and nobody will read. The kernel answers it with a reset when the connection is closed: so a server that has
// said farewell as well would be cut off.
func (s *stream) drain() {
	_ = s.raw.Control(func(fd uintptr) {
		var room [512]byte
		for range 8 {
			if n, err := unix.Read(int(fd), room[:]); n <= 0 || err != nil {
				return
			}
		}
	})
}

// keepStamping leaves one socket open whose datagrams are stamped. The kernel stamps what it receives only while there is such a socket,
// and changes its own code when the first one comes and when the last one goes: probes apart would make it do so all the time, and what
// comes before it has done so is stamped when it is read.
func keepStamping() {
	if !stamping.CompareAndSwap(false, true) {
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			unix.Close(fd)
		}
	}
	stamping.Store(err == nil)
}

var stamping atomic.Bool

// firstBytes is how many bytes are read apart when an answer begins: what follows in the same segment came with them.
const firstBytes = 16

// Read notes when the kernel received what it returns. A read is stamped with the arrival of the last segment of that. So when
// an answer begins, its first bytes are read by themselves, and beneath TLS, where nothing can be known of the answer before
// the whole record is there, no more than a record.
func (w *wire) Read(b []byte) (int, error) {
	if w.stream.receive == nil || len(b) == 0 {
		return w.File.Read(b)
	}
	rest := b[:0]
	if w.awaiting && w.records != nil {
		b = b[:min(len(b), w.records.next())]
	} else if w.awaiting && len(b) > firstBytes {
		b, rest = b[:firstBytes], b[firstBytes:]
	}
	n, err := w.read(b, 0)
	if w.awaiting {
		w.first = w.late
	}
	if err == nil && n == len(b) && len(rest) > 0 {
		if more, err := w.read(rest, unix.MSG_DONTWAIT); err == nil {
			n += more
		}
	}
	return n, err
}

// read reads once, without waiting if the flags say so.
func (w *wire) read(b []byte, flags int) (int, error) {
	s := &w.stream
	s.into, s.flags = b, flags
	err := s.raw.Read(s.receive)
	s.into = nil
	if err == nil {
		err = s.err
	}
	switch {
	case err != nil:
		return 0, err
	case s.n == 0:
		w.late = 0
		return 0, io.EOF
	}
	if w.records != nil {
		w.records.advance(b[:s.n], nil)
	}
	w.stamp(s.arrived)
	return s.n, nil
}

// receiveOnce reports false if nothing is there yet.
func (s *stream) receiveOnce(fd uintptr) bool {
	for {
		n, controls, _, _, err := unix.Recvmsg(int(fd), s.into, s.control[:], s.flags)
		switch err {
		case nil:
			s.n, s.err, s.arrived = n, nil, stampIn(s.control[:controls])
			return true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if s.flags&unix.MSG_DONTWAIT == 0 {
				return false
			}
		}
		s.n, s.err, s.arrived = 0, os.NewSyscallError("recvmsg", err), 0
		return true
	}
}

// stampIn is the time of arrival among the control messages of a read, in nanoseconds, 0 without one.
func stampIn(controls []byte) int64 {
	for len(controls) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(controls)
		if err != nil {
			return 0
		}
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			return (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano()
		}
		controls = rest
	}
	return 0
}

func (s *stream) segments() segments {
	var info *unix.TCPInfo
	var infoErr error
	err := s.raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || infoErr != nil {
		return segments{}
	}
	return segments{known: true, retransmitted: int(info.Total_retrans), disordered: int(info.Rcv_ooopack)}
}

// quiet tells whether the other side has neither said anything nor closed since what was read last.
func (w *wire) quiet() bool {
	var peeked error
	err := w.raw.Control(func(fd uintptr) {
		_, _, peeked = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	return err == nil && peeked == unix.EAGAIN
}

// datagrams is a UDP connection that tells when the kernel received what is read.
type datagrams struct {
	*net.UDPConn
	received func(stamp int64)
}

// stampDatagrams makes conn tell received when the kernel got what is read, in nanoseconds of its wall clock, or 0 if it does
// not say.
func stampDatagrams(conn *net.UDPConn, received func(stamp int64)) net.Conn {
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		})
	}
	if err != nil {
		return conn
	}
	return &datagrams{conn, received}
}

func (d *datagrams) Read(b []byte) (int, error) {
	var control [64]byte
	n, controls, _, _, err := d.ReadMsgUDPAddrPort(b, control[:])
	if err == nil {
		d.received(stampIn(control[:controls]))
	}
	return n, err
}
