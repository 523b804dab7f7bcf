package probe

import (
	"net/netip"
	"time"
)

// Span is a time that may be absent: what was not reached took no time at all, which is not the same as zero.
type Span struct {
	Time    time.Duration
	Reached bool
}

// Hop is the record of one request and its answer. Result.Hops has one for the target and one for each redirect followed.
type Hop struct {
	Method   string
	URL      string // see CleanURL
	Location string // where a redirect leads, followed or not, see CleanURL; empty if it leads nowhere

	RemoteIP, LocalIP netip.Addr // invalid without a connection

	// Start is when the hop began, since the start of the probe; the times below are since the start of the hop.
	Start       time.Duration
	Resolved    Span // the name has addresses
	Connected   Span // the winning attempt succeeded, to the proxy if there is one; over QUIC, the server's first packet came
	Secured     Span // the handshake is complete and the certificate verified; asking a proxy comes before it
	Pretransfer Span // the request's header was handed to the kernel
	Sent        Span // the whole request was
	FirstByte   Span // of any answer, be it an interim one (1xx)
	Total       time.Duration
	Ended       Phase // the phase in which the hop ended, well (PhaseTransfer) or not
	Reused      bool  // the request went over a connection that was there already: then there is no Resolved, Connected and Secured

	// Lag is how much later the prober itself saw the hop's end, where the kernel tells (Linux, TCP). It is taken out of all
	// times above, so that they are those of the line and the server: Total and Lag together are what passed on the clock.
	Lag Span
	// Retrans is how many segments were sent again on the connection, the SYN included; -1 if that is unknown.
	Retrans int

	// Sizes of headers in HTTP/2 and HTTP/3 are those that they would have in HTTP/1, as curl counts them.

	Status        int    // 0 without an answer
	HTTPVersion   string // of the answer: "1.0", "1.1", "2" or "3"
	RequestSize   int64  // bytes sent: request line, header, body; those of a CONNECT to a proxy included
	HeaderSize    int64  // bytes received: status lines and headers with their blank lines, interim answers and a proxy's included
	BodySize      int64  // bytes received: without chunk framing, before any content decoding
	ContentLength int64  // as announced; -1 if it was not

	Secure      bool      // https
	TLSVersion  string    // "TLS 1.3"
	CertExpiry  time.Time // the earliest in the served chain, also when it failed verification; zero without a certificate
	OCSPStapled bool
}

// Phases is how long each phase of a hop took. A phase that was not reached is absent; the one in which the hop failed
// counts until then; so those that are there add up to the hop's Total exactly.
type Phases struct {
	DNS, TCP, TLS, Request, Wait, Transfer Span
}

// Phases cuts the hop's time into its phases.
func (h *Hop) Phases() Phases {
	var ps Phases
	var at time.Duration
	for _, cut := range [...]struct {
		phase Phase
		end   Span
		into  *Span
	}{
		{PhaseDNS, h.Resolved, &ps.DNS},
		{PhaseTCP, h.Connected, &ps.TCP},
		{PhaseTLS, h.Secured, &ps.TLS},
		{PhaseRequest, h.Sent, &ps.Request},
		{PhaseWait, h.FirstByte, &ps.Wait},
		{PhaseTransfer, Span{h.Total, h.Ended == PhaseTransfer}, &ps.Transfer},
	} {
		end := cut.end
		if !end.Reached && cut.phase == h.Ended {
			end = Span{h.Total, true}
		}
		if end.Reached {
			*cut.into = Span{end.Time - at, true}
			at = end.Time
		}
	}
	return ps
}
