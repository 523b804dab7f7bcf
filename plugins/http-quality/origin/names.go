package origin

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Domain is what all names of an origin end with.
const Domain = "vedette.test"

// options are what a name says of itself.
type options struct {
	a, aaaa, tls    time.Duration
	only            dnsmessage.Type // 0 for both
	rcode           dnsmessage.RCode
	mute, truncated bool
}

func optionsOf(name string) options {
	var o options
	label, _, _ := strings.Cut(strings.ToLower(name), ".")
	for text := range strings.SplitSeq(label, "-") {
		switch text {
		case "v4":
			o.only = dnsmessage.TypeA
		case "v6":
			o.only = dnsmessage.TypeAAAA
		case "nxdomain":
			o.rcode = dnsmessage.RCodeNameError
		case "servfail":
			o.rcode = dnsmessage.RCodeServerFailure
		case "mute":
			o.mute = true
		case "truncated":
			o.truncated = true
		}
		letters := strings.TrimRight(text, "0123456789")
		ms, err := strconv.Atoi(text[len(letters):])
		if err != nil {
			continue
		}
		switch delay := time.Duration(ms) * time.Millisecond; letters {
		case "a":
			o.a = delay
		case "aaaa":
			o.aaaa = delay
		case "tls":
			o.tls = delay
		}
	}
	return o
}

// nameserver answers on port 53 of the IPv4 address.
type nameserver struct {
	ipv4, ipv6 netip.Addr
	packets    net.PacketConn
	streams    net.Listener
	all        sync.WaitGroup
}

func newNameserver(ipv4, ipv6 netip.Addr) (*nameserver, error) {
	at := netip.AddrPortFrom(ipv4, 53).String()
	packets, err := net.ListenPacket("udp", at)
	if err != nil {
		return nil, err
	}
	streams, err := net.Listen("tcp", at)
	if err != nil {
		_ = packets.Close()
		return nil, err
	}
	s := &nameserver{ipv4: ipv4, ipv6: ipv6, packets: packets, streams: streams}
	s.all.Go(s.servePackets)
	s.all.Go(s.serveStreams)
	return s, nil
}

func (s *nameserver) close() {
	_ = s.packets.Close()
	_ = s.streams.Close()
	s.all.Wait()
}

func (s *nameserver) servePackets() {
	for {
		query := make([]byte, 1500)
		n, from, err := s.packets.ReadFrom(query)
		if err != nil {
			return
		}
		s.all.Go(func() {
			if answer := s.answer(query[:n], true); answer != nil {
				_, _ = s.packets.WriteTo(answer, from)
			}
		})
	}
}

// streamTime is how long a client may keep a connection.
const streamTime = 10 * time.Second

func (s *nameserver) serveStreams() {
	for {
		conn, err := s.streams.Accept()
		if err != nil {
			return
		}
		s.all.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(streamTime))
			for {
				length := make([]byte, 2)
				if _, err := io.ReadFull(conn, length); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(length))
				if _, err := io.ReadFull(conn, query); err != nil {
					return
				}
				answer := s.answer(query, false)
				if answer == nil {
					return
				}
				if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
					return
				}
			}
		})
	}
}

// answer answers a query after its delay; nil if it has none.
func (s *nameserver) answer(query []byte, overUDP bool) []byte {
	began := time.Now()
	var msg dnsmessage.Message
	if msg.Unpack(query) != nil || len(msg.Questions) != 1 {
		return nil
	}
	q := msg.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	o := optionsOf(name)
	if o.mute {
		return nil
	}
	msg.Response, msg.RecursionAvailable, msg.Additionals = true, true, nil
	msg.RCode = o.rcode
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
	delay := time.Duration(0)
	var body dnsmessage.ResourceBody
	switch q.Type {
	case dnsmessage.TypeA:
		body, delay = &dnsmessage.AResource{A: s.ipv4.As4()}, o.a
	case dnsmessage.TypeAAAA:
		body, delay = &dnsmessage.AAAAResource{AAAA: s.ipv6.As16()}, o.aaaa
	}
	switch {
	case !strings.HasSuffix(name, "."+Domain):
		msg.RCode = dnsmessage.RCodeNameError
	case overUDP && o.truncated:
		msg.Truncated = true
	case body != nil && o.rcode == dnsmessage.RCodeSuccess && (o.only == 0 || o.only == q.Type):
		msg.Answers = []dnsmessage.Resource{{Header: header, Body: body}}
	}
	answer, err := msg.Pack()
	if err != nil {
		return nil
	}
	time.Sleep(time.Until(began.Add(delay)))
	return answer
}
