package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// attemptDelay is how long a connection over the family that comes first may take before one over the other family is tried
// beside it: curl's figure (CURL_HET_DEFAULT).
const attemptDelay = 200 * time.Millisecond

// minAttempt is the least that one of several addresses gets of the time that is left, for a share of little is too little.
const minAttempt = time.Second

// endpoint is what is connected to.
type endpoint struct {
	host string     // in ASCII, without brackets
	addr netip.Addr // of a host that is a literal address, or whose address is given; else invalid
	port uint16
}

// resolve looks the host up. A resolver of its own for each lookup: a shared one merges lookups of the same name, so that one
// of them reports what is left of another's time.
func (r *run) resolve(to endpoint) ([]netip.Addr, *Error) {
	addrs := []netip.Addr{to.addr}
	if !to.addr.IsValid() {
		network := map[Family]string{AnyFamily: "ip", IPv4: "ip4", IPv6: "ip6"}[r.target.Family]
		resolver := net.Resolver{PreferGo: true, Dial: r.dialDNS}
		// The lookup is given a context that does not end, because it would leave its goroutines behind, waiting on their
		// sockets, when it does. What ends it is that r.sockets closes these and lets no more be opened; it then returns when
		// its goroutines have.
		var err error
		addrs, err = resolver.LookupNetIP(context.Background(), network, to.host)
		if err != nil {
			return nil, r.failure(OutcomeDNS, err, "looking up %s: %s", to.host, reason(err))
		}
		// What ended it may have left it the answer for one family.
		if r.over() != nil || r.connectOver() {
			return nil, r.failure(OutcomeDNS, nil, "looking up %s: no answer in time", to.host)
		}
		if late, ok := lateness(r.hopStart, r.answered.Load()); ok {
			r.late.lookup = late
		}
	}
	usable := addrs[:0]
	for _, addr := range addrs {
		addr = addr.Unmap()
		if r.target.Family == AnyFamily || addr.Is4() == (r.target.Family == IPv4) {
			usable = append(usable, addr)
		}
	}
	if len(usable) == 0 {
		return nil, r.failure(OutcomeDNS, nil, "looking up %s: no IPv%d address", to.host, r.target.Family)
	}
	return usable, nil
}

func (r *run) dialDNS(_ context.Context, network, address string) (net.Conn, error) {
	if r.target.Resolver.IsValid() {
		address = r.target.Resolver.String()
	}
	dialer := net.Dialer{Control: r.target.Line.control}
	udp := network == "udp" || network == "udp4" || network == "udp6"
	if source := r.target.Line.Source; source.IsValid() {
		if udp {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		} else {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		}
	}
	conn, err := dialer.DialContext(r.ctx, network, address)
	if err != nil {
		return nil, err
	}
	if datagrams, ok := conn.(*net.UDPConn); ok {
		conn = stampDatagrams(datagrams, r.noteAnswer)
	} else {
		r.noteAnswer(never) // when the end of a stream came is not known
	}
	return conn, r.sockets.add(conn)
}

// never is a time of arrival that is later than any, and so not to be trusted.
const never = 1<<63 - 1

// noteAnswer notes when the newest answer of a DNS server came, of however many.
func (r *run) noteAnswer(stamp int64) {
	if stamp == 0 {
		stamp = never
	}
	for {
		newest := r.answered.Load()
		if stamp <= newest || r.answered.CompareAndSwap(newest, stamp) {
			return
		}
	}
}

// connect returns the first connection that any of the addresses accepts, as described at Run.
func (r *run) connect(what string, addrs []netip.Addr, port uint16) (*wire, *Error) {
	split := len(addrs)
	for i, addr := range addrs {
		if addr.Is4() != addrs[0].Is4() {
			split = i
			break
		}
	}
	var conn *wire
	var err error
	if split == len(addrs) {
		conn, err = r.dialInTurn(r.ctx, addrs, port)
	} else {
		conn, err = r.race(addrs, port)
	}
	if err != nil {
		to := addrs[0]
		var failed *dialError
		if errors.As(err, &failed) {
			to = failed.to
			if failed.seen.known {
				r.hop.Retrans = failed.seen.retransmitted
			}
		}
		return nil, r.failure(OutcomeConnect, err, "connecting to %s%s: %s", what, netip.AddrPortFrom(to, port), reason(err))
	}
	return conn, nil
}

// dialError says which of several addresses it was.
type dialError struct {
	to   netip.Addr
	seen segments
	err  error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialInTurn tries the addresses one after the other; all but the last may take no more than an equal share of the time that
// is left. It returns the first error, for the first address is the one that matters most.
func (r *run) dialInTurn(ctx context.Context, addrs []netip.Addr, port uint16) (*wire, error) {
	var first error
	for i, addr := range addrs {
		var deadline time.Time
		if left := len(addrs) - i; left > 1 {
			now := time.Now()
			deadline = now.Add(max(r.connectDeadline().Sub(now)/time.Duration(left), minAttempt))
		}
		conn, err := r.dial(ctx, netip.AddrPortFrom(addr, port), deadline)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			failed := &dialError{to: addr, err: err}
			if conn != nil {
				failed.seen = conn.segments()
			}
			first = failed
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// race tries the family of the first address, and beside it the other one after attemptDelay, or once the first has failed.
// It returns when both have ended.
func (r *run) race(addrs []netip.Addr, port uint16) (*wire, error) {
	var families [2][]netip.Addr
	for _, addr := range addrs {
		i := 0
		if addr.Is4() != addrs[0].Is4() {
			i = 1
		}
		families[i] = append(families[i], addr)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var (
		both   sync.WaitGroup
		mu     sync.Mutex
		winner *wire
		errs   [2]error
		failed = make(chan struct{}) // closed when the first family has failed
	)
	try := func(i int) bool {
		conn, err := r.dialInTurn(ctx, families[i], port)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			errs[i] = err
		case winner != nil:
			r.sockets.release(conn)
			conn.Close()
		default:
			winner = conn
			cancel()
		}
		return err == nil
	}
	both.Go(func() {
		if !try(0) {
			close(failed)
		}
	})
	both.Go(func() {
		timer := time.NewTimer(attemptDelay)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-failed:
		case <-timer.C:
		}
		try(1)
	})
	both.Wait()
	if winner != nil {
		return winner, nil
	}
	return nil, errs[0]
}

func ip(addr net.Addr) netip.Addr {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return addr.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		return addr.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
