package badserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/vedette-monitor/vedette/plugins/http-quality/origin"
)

// Start starts all servers and lists all cases. listen opens a port at the address that the origin's names have; the origin
// itself is the caller's. All ends with the test.
func Start(t testing.TB, a *origin.Authority, listen func() (net.Listener, error)) []Case {
	bombed() // it takes a while, which is not the server's
	t.Helper()
	all, err := servers(a)
	if err != nil {
		t.Fatal(err)
	}
	cases := append([]Case{}, unserved...)
	for i := range cases {
		if cases[i].Family == "" {
			cases[i].Family = "ipv4"
		}
	}
	for _, s := range all {
		l, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		run(t, l, s)
		scheme, path := "http:", s.path
		if s.secure != nil {
			scheme = "https:"
		}
		if strings.HasSuffix(path, ":") {
			scheme, path = path, ""
		}
		cases = append(cases, Case{
			Name: s.name, URL: fmt.Sprintf("%s//shop.%s:%d/%s", scheme, origin.Domain, l.Addr().(*net.TCPAddr).Port, path),
			Family: "ipv4", Outcome: s.outcome, Phases: s.reached, AtLeast: s.atLeast,
			Certificate: s.secure != nil && s.secure.MaxVersion != tls.VersionTLS10,
		})
	}
	return cases
}

// run serves each connection until the test ends.
func run(t testing.TB, l net.Listener, s server) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		open = map[net.Conn]bool{}
	)
	all.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[raw] = true
			mu.Unlock()
			all.Go(func() {
				serveOne(raw, s)
				_ = raw.Close()
				mu.Lock()
				delete(open, raw)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for raw := range open {
			_ = raw.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}
