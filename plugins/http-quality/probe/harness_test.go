package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// leavesNothing fails the test if, when all its servers are closed, there are more goroutines or descriptors than before.
func leavesNothing(t *testing.T) {
	t.Helper()
	runtime.GC() // what earlier tests left to finalizers is not ours
	keepStamping()
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
	t.Cleanup(func() {
		var g, d int
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			g, d = runtime.NumGoroutine(), countDescriptors(t)
			if g <= goroutines && d <= descriptors {
				return
			}
		}
		stacks := make([]byte, 64<<10)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Errorf("goroutines: %d before, %d after; descriptors: %d before, %d after\n%s", goroutines, g, descriptors, d, stacks)
	})
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// listen serves every connection with serve, and ends all of them with the test.
func listen(t *testing.T, address string, serve func(conn net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		open []net.Conn
	)
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// server answers on loopback what answer says to a request's head; nil closes without a word.
func server(t *testing.T, answer func(head string) []byte) netip.AddrPort {
	t.Helper()
	return listen(t, "127.0.0.1:0", func(conn net.Conn) {
		if head, _, ok := readRequest(conn); ok {
			conn.Write(answer(head))
		}
	})
}

// says is a server that gives the same answer to everything.
func says(t *testing.T, answer string) netip.AddrPort {
	t.Helper()
	return server(t, func(string) []byte { return []byte(answer) })
}

// readRequest reads a whole request with the body that its Content-Length announces.
func readRequest(conn net.Conn) (head, body string, ok bool) {
	in := bufio.NewReader(conn)
	var b strings.Builder
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", "", false
		}
		b.WriteString(line)
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Content-Length") {
			for _, c := range strings.TrimSpace(value) {
				length = length*10 + int(c-'0')
			}
		}
		if line == "\r\n" {
			break
		}
	}
	rest := make([]byte, length)
	_, err := io.ReadFull(in, rest)
	return b.String(), string(rest), err == nil
}

// drain reads until the other side is gone.
func drain(conn net.Conn) { io.Copy(io.Discard, conn) }

// reset ends conn with a RST.
func reset(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func parseURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newProber(t testing.TB, target Target) *Prober {
	t.Helper()
	p, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run probes once and checks what holds for every result.
func runTarget(t *testing.T, target Target) Result {
	t.Helper()
	if target.Timeout == 0 {
		target.Timeout = patience
	}
	res := newProber(t, target).Run(context.Background())
	checkResult(t, res)
	return res
}

func probeURL(t *testing.T, address string) Result {
	t.Helper()
	return runTarget(t, Target{URL: parseURL(t, address)})
}

// checkResult checks what every result promises.
func checkResult(t *testing.T, res Result) {
	t.Helper()
	if (res.Outcome == OutcomeOK) != (res.Err == nil) {
		t.Errorf("outcome is %s, error is %v", res.Outcome, res.Err)
	}
	for i := range res.Hops {
		h := &res.Hops[i]
		ps := h.Phases()
		var sum time.Duration
		for _, s := range []Span{ps.DNS, ps.TCP, ps.TLS, ps.Request, ps.Wait, ps.Transfer} {
			if s.Time < 0 || !s.Reached && s.Time != 0 {
				t.Errorf("hop %d: phase of %v, reached %t", i, s.Time, s.Reached)
			}
			sum += s.Time
		}
		if sum != h.Total {
			t.Errorf("hop %d: phases %+v add up to %v, not to %v", i, ps, sum, h.Total)
		}
		if !h.Secure && ps.TLS.Reached {
			t.Errorf("hop %d: plain http has a tls phase", i)
		}
	}
	if last := res.Last(); last.Start+last.Total != res.Total {
		t.Errorf("last hop ends at %v, the probe at %v", last.Start+last.Total, res.Total)
	}
	if res.Err != nil {
		text := res.Err.Error()
		if text == "" || len(text) > 2*maxErrorText || printable(text, len(text)) != text {
			t.Errorf("error text %q", text)
		}
	}
}

func wantOutcome(t *testing.T, res Result, outcome Outcome, ended Phase, text string) {
	t.Helper()
	if res.Outcome != outcome || res.Last().Ended != ended {
		t.Errorf("outcome %s in phase %v (%v), want %s in %v", res.Outcome, res.Last().Ended, res.Err, outcome, ended)
	}
	if text != "" && (res.Err == nil || !strings.Contains(res.Err.Error(), text)) {
		t.Errorf("error is %v, want one with %q", res.Err, text)
	}
}

// authority signs certificates that the tests trust.
type authority struct {
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, cert := makeCertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "probe test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
	}, nil)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{pool: pool, cert: cert, key: key}
}

// makeCertificate signs template by the authority, or by its own key without one.
func makeCertificate(t testing.TB, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// serverConfig is that of a server with a certificate for 127.0.0.1 and localhost, changed by change.
func serverConfig(t testing.TB, by *authority, change func(*x509.Certificate)) *tls.Config {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "probe test"}, DNSNames: []string{"localhost", "shop.vedette.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
	}
	if change != nil {
		change(template)
	}
	key, cert := makeCertificate(t, template, by)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	if by != nil {
		config.Certificates[0].Certificate = append(config.Certificates[0].Certificate, by.cert.Raw)
	}
	return config
}

// secureServer is as listen, over TLS; serve is not called if the handshake fails.
func secureServer(t *testing.T, config *tls.Config, serve func(conn net.Conn)) netip.AddrPort {
	t.Helper()
	return listen(t, "127.0.0.1:0", func(conn net.Conn) {
		secured := tls.Server(conn, config)
		if secured.Handshake() == nil {
			serve(secured)
			secured.Close()
		}
	})
}

// record is what the test's DNS server knows of a name.
type record struct {
	addrs []string
	delay map[dnsmessage.Type]time.Duration
	mute  bool // never answers
}

// dnsServer answers for the names in zone and says of all others that they do not exist. A name in it ends with a dot.
func dnsServer(t *testing.T, zone map[string]record) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		conn.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			query := make([]byte, 1500)
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			all.Go(func() {
				if answer := answerDNS(zone, query[:n]); answer != nil {
					conn.WriteTo(answer, from)
				}
			})
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func answerDNS(zone map[string]record, query []byte) []byte {
	var msg dnsmessage.Message
	if msg.Unpack(query) != nil || len(msg.Questions) != 1 {
		return nil
	}
	q := msg.Questions[0]
	known, ok := zone[strings.ToLower(q.Name.String())]
	if known.mute {
		return nil
	}
	msg.Response, msg.RecursionAvailable, msg.Additionals = true, true, nil
	if !ok {
		msg.RCode = dnsmessage.RCodeNameError
	}
	for _, s := range known.addrs {
		addr := netip.MustParseAddr(s)
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
		switch {
		case addr.Is4() && q.Type == dnsmessage.TypeA:
			msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
		case addr.Is6() && q.Type == dnsmessage.TypeAAAA:
			msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	time.Sleep(known.delay[q.Type])
	answer, err := msg.Pack()
	if err != nil {
		return nil
	}
	return bytes.Clone(answer)
}
