package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

// The other family's answer is no reason to go on when the time is over.
func TestTimeThatEndsWithHalfOfTheNamesAddressesIsOver(t *testing.T) {
	dns := dnsServer(t, map[string]record{"half.vedette.test.": {
		addrs: []string{"127.0.0.1"}, delay: map[dnsmessage.Type]time.Duration{dnsmessage.TypeAAAA: time.Minute},
	}})
	res := runTarget(t, Target{URL: parseURL(t, "http://half.vedette.test:1"), Resolver: dns, Timeout: 500 * time.Millisecond})
	wantOutcome(t, res, OutcomeTimeout, PhaseDNS, "looking up the name")
	if res.Last().Resolved.Reached {
		t.Errorf("%+v", res.Last())
	}
}

func TestNameWithoutAddressIsDNS(t *testing.T) {
	dns := dnsServer(t, map[string]record{
		"four.vedette.test.": {addrs: []string{"127.0.0.1"}}, "none.vedette.test.": {}, "mute.vedette.test.": {mute: true},
	})
	for _, c := range []struct {
		name, host string
		family     Family
		timeout    time.Duration
		outcome    Outcome
		text       string
	}{
		{"no such name", "nobody.invalid", AnyFamily, 0, OutcomeDNS, "looking up nobody.invalid: no such host"},
		{"no address", "none.vedette.test", AnyFamily, 0, OutcomeDNS, "looking up none.vedette.test: no such host"},
		{"no address of the family", "four.vedette.test", IPv6, 0, OutcomeDNS, "looking up four.vedette.test: no such host"},
		{"literal of the other family", "127.0.0.1", IPv6, 0, OutcomeDNS, "looking up 127.0.0.1: no IPv6 address"},
		{"silent server", "mute.vedette.test", AnyFamily, 300 * time.Millisecond, OutcomeTimeout, "no answer within 300ms: looking up the name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			leavesNothing(t)
			res := runTarget(t, Target{URL: parseURL(t, "http://"+c.host), Resolver: dns, Family: c.family, Timeout: c.timeout})
			wantOutcome(t, res, c.outcome, PhaseDNS, c.text)
			if got := res.Curl(); got.NameLookup.Reached || got.Connect.Reached || got.HTTPCode != 0 {
				t.Errorf("%+v", got)
			}
			var notFound *net.DNSError
			if c.text == "no such host" && (!errors.As(res.Err, &notFound) || !notFound.IsNotFound) {
				t.Errorf("%v wraps no DNS error", res.Err)
			}
		})
	}
}

func TestOneFamilyDoesNotWaitForTheOther(t *testing.T) {
	leavesNothing(t)
	at := says(t, okAnswer)
	dns := dnsServer(t, map[string]record{"slow6.vedette.test.": {
		addrs: []string{"127.0.0.1"}, delay: map[dnsmessage.Type]time.Duration{dnsmessage.TypeAAAA: 3 * time.Second},
	}})
	u := parseURL(t, fmt.Sprintf("http://slow6.vedette.test:%d", at.Port()))
	res := runTarget(t, Target{URL: u, Resolver: dns, Family: IPv4, Timeout: 2 * time.Second})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
}

func TestConcurrentLookupsAreNotMerged(t *testing.T) {
	leavesNothing(t)
	at := says(t, okAnswer)
	dns := dnsServer(t, map[string]record{"shop.vedette.test.": {
		addrs: []string{"127.0.0.1"}, delay: map[dnsmessage.Type]time.Duration{dnsmessage.TypeA: delay},
	}})
	p := newProber(t, Target{
		URL: parseURL(t, fmt.Sprintf("http://shop.vedette.test:%d", at.Port())), Resolver: dns, Family: IPv4, Timeout: patience,
	})
	results := make([]Result, 20)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			results[i] = p.Run(t.Context())
		})
	}
	all.Wait()
	for _, res := range results {
		checkResult(t, res)
		if res.Outcome != OutcomeOK || res.Last().Resolved.Time < delay {
			t.Errorf("%v after a lookup of %v, which takes %v", res.Outcome, res.Last().Resolved.Time, delay)
		}
	}
}

func TestNextAddressOfTheFamilyIsTried(t *testing.T) {
	leavesNothing(t)
	at := says(t, okAnswer) // on 127.0.0.1 only
	dns := dnsServer(t, map[string]record{"two.vedette.test.": {addrs: []string{"127.0.0.2", "127.0.0.1"}}})
	res := runTarget(t, Target{URL: parseURL(t, fmt.Sprintf("http://two.vedette.test:%d", at.Port())), Resolver: dns})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	if res.Last().RemoteIP != netip.MustParseAddr("127.0.0.1") || res.Curl().NumConnects != 1 {
		t.Errorf("%+v", res.Last())
	}
}

func TestFamiliesRace(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}
	for _, c := range []struct {
		name    string
		first   func(t *testing.T) netip.AddrPort // listens or not for the family that comes first
		outcome Outcome
		atLeast time.Duration
	}{
		// The first family refuses at once: the other need not wait. (There may be no IPv6 on loopback: that is refusal as well.)
		{"refused", func(t *testing.T) netip.AddrPort { return says(t, okAnswer) }, OutcomeOK, 0},
		{"both refused", func(t *testing.T) netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:1") }, OutcomeConnect, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			leavesNothing(t)
			at := c.first(t)
			r := &run{Prober: &Prober{settings: &settings{}}, ctx: t.Context(), start: time.Now(), deadline: time.Now().Add(patience), phase: PhaseTCP}
			conn, err := r.connect("", addrs, at.Port())
			if c.outcome == OutcomeOK {
				if err != nil || ip(conn.RemoteAddr()) != addrs[1] {
					t.Fatalf("%v", err)
				}
			} else if err == nil || err.Outcome != c.outcome {
				t.Fatalf("%v", err)
			}
			r.sockets.closeHop()
		})
	}
	t.Run("silent", func(t *testing.T) {
		leavesNothing(t)
		at := netip.MustParseAddrPort(unanswered(t))
		answering := listen(t, fmt.Sprintf("[::1]:%d", at.Port()), drain)
		r := &run{Prober: &Prober{settings: &settings{}}, ctx: t.Context(), start: time.Now(), deadline: time.Now().Add(patience), phase: PhaseTCP}
		began := time.Now()
		conn, err := r.connect("", []netip.Addr{at.Addr(), answering.Addr()}, at.Port())
		if took := time.Since(began); err != nil || ip(conn.RemoteAddr()) != answering.Addr() || took < attemptDelay || took > patience/2 {
			t.Fatalf("after %v: %v", took, err)
		}
		r.sockets.closeHop()
	})
}
