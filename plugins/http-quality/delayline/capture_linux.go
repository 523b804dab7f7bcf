package delayline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Segment is a TCP segment over IPv4 that has passed one end of a line.
type Segment struct {
	// At is when it did, by the kernel.
	At time.Time
	// Sent says that the end has sent it; else it has received it.
	Sent bool
	// Port is the end's own.
	Port    uint16
	SYN     bool
	Payload []byte
}

// Capture keeps what passes an end of a line, as a packet sniffer does. Nothing runs for it until it is read, so that it takes no time
// from what is measured.
type Capture struct{ fd int }

// captured bounds the packets that wait to be read, in bytes of the kernel's memory.
const captured = 256 << 20

// everyProtocol is ETH_P_ALL in the order of the network: with any other, packets that are sent are not seen.
var everyProtocol = binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))

// Capture begins one, which ends with the test.
func (n *Namespace) Capture(t testing.TB) *Capture {
	t.Helper()
	c := &Capture{fd: -1}
	err := n.Do(func() error {
		device, err := net.InterfaceByName("line")
		if err != nil {
			return err
		}
		if c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captured),
			unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: everyProtocol, Ifindex: device.Index}),
		)
	})
	if c.fd >= 0 {
		t.Cleanup(func() { _ = unix.Close(c.fd) })
	}
	if err != nil {
		t.Fatalf("capturing packets, which needs root: %v", err)
	}
	return c
}

// Segments are those since it was asked last, in their order.
func (c *Capture) Segments(t testing.TB) []Segment {
	t.Helper()
	var all []Segment
	packet, control := make([]byte, maxPacket), make([]byte, 128)
	for {
		n, controls, _, from, err := unix.Recvmsg(c.fd, packet, control, 0)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			t.Fatalf("a packet came from %T", from)
		}
		s, ok := segment(packet[:n], link.Pkttype == unix.PACKET_OUTGOING)
		if !ok {
			continue
		}
		if s.At, err = stamp(control[:controls]); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	lost, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		t.Fatal(err)
	}
	if lost.Drops > 0 {
		t.Fatalf("%d of %d packets were not captured", lost.Drops, lost.Packets)
	}
	return all
}

// segment reads a packet. ok is false if it is none of TCP over IPv4.
func segment(packet []byte, sent bool) (s Segment, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 || packet[9] != unix.IPPROTO_TCP {
		return s, false
	}
	header, total := int(packet[0]&15)*4, int(binary.BigEndian.Uint16(packet[2:]))
	if total > len(packet) || total < header+20 {
		return s, false
	}
	tcp := packet[header:total]
	offset := int(tcp[12]>>4) * 4
	if offset > len(tcp) {
		return s, false
	}
	own := tcp[2:]
	if sent {
		own = tcp
	}
	return Segment{
		Sent: sent, Port: binary.BigEndian.Uint16(own), SYN: tcp[13]&2 != 0, Payload: bytes.Clone(tcp[offset:]),
	}, true
}

// stamp is when the kernel has seen a packet.
func stamp(control []byte) (time.Time, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))), nil
		}
	}
	return time.Time{}, fmt.Errorf("a packet has no time")
}
