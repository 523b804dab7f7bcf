package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// serverProcess is set in the environment of the process that serves the benchmark, which is another one, so that what is
// measured is the prober alone.
const serverProcess = "PROBE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverProcess) != "" {
		serveBenchmark()
		return
	}
	os.Exit(m.Run())
}

// benchAddresses is over how many addresses of loopback the connections are spread. A prober that closes first keeps a port
// occupied for a minute, per address, and the kernel's search for a free one grows long.
const benchAddresses = 32

// serveBenchmark prints its addresses, plain and over TLS, and the certificate of its authority, and serves until its input
// ends. Its own certificate is as those of most sites are by now: of ECDSA, signed by another.
func serveBenchmark() {
	page := make([]byte, 1024)
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(20 * time.Millisecond)
		}
		w.Write(page)
	})}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	b := benchmarkHelper{}
	ca := newAuthority(b)
	server.TLSConfig = serverConfig(b, ca, nil)
	for i := range benchAddresses {
		for _, scheme := range []string{"http", "https"} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", i+1))
			if err != nil {
				panic(err)
			}
			fmt.Printf("%s://%s\n", scheme, l.Addr())
			if scheme == "https" {
				go server.ServeTLS(l, "", "")
				continue
			}
			go server.Serve(l)
		}
	}
	pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
	os.Stdout.Close()
	io.Copy(io.Discard, os.Stdin)
}

// benchmarkHelper makes what a test makes, where no test runs.
type benchmarkHelper struct{ testing.TB }

func (benchmarkHelper) Helper()           {}
func (benchmarkHelper) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func startBenchmarkServer(b testing.TB) (addresses map[string][]*url.URL, roots *x509.CertPool) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverProcess+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	text, err := io.ReadAll(bufio.NewReader(out))
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.SplitAfterN(string(text), "\n", 2*benchAddresses+1)
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(lines[len(lines)-1])) {
		b.Fatalf("server said %q", text)
	}
	addresses = map[string][]*url.URL{}
	for _, line := range lines[:len(lines)-1] {
		u := parseURL(b, strings.TrimSpace(line))
		addresses[u.Scheme] = append(addresses[u.Scheme], u)
	}
	return addresses, roots
}

// tracer is the prober that one writes with net/http and httptrace: a fresh connection, all phases, the whole body.
type tracer struct {
	url       *url.URL
	transport *http.Transport
}

func (p *tracer) run(ctx context.Context) (status int, size int64, phases [6]time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	start := time.Now()
	mark := func(i int) { phases[i] = time.Since(start) }
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone:              func(httptrace.DNSDoneInfo) { mark(0) },
		ConnectDone:          func(string, string, error) { mark(1) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { mark(2) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { mark(3) },
		GotFirstResponseByte: func() { mark(4) },
	})
	req, err := http.NewRequestWithContext(ctx, "GET", p.url.String(), nil)
	if err != nil {
		return 0, 0, phases, err
	}
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return 0, 0, phases, err
	}
	defer resp.Body.Close()
	size, err = io.Copy(io.Discard, resp.Body)
	mark(5)
	return resp.StatusCode, size, phases, err
}

// contenders make a probe of the i-th address each.
func contenders(b *testing.B, addresses []*url.URL, roots *x509.CertPool) (vedette, netHTTP func(i int) error) {
	var probers []*Prober
	for _, u := range addresses {
		probers = append(probers, newProber(b, Target{URL: u, RootCAs: roots, ServerName: "shop.vedette.test"}))
	}
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "shop.vedette.test"},
	}
	vedette = func(i int) error {
		res := probers[i].Run(context.Background())
		if got := res.Curl(); res.Err == nil && got.SizeDownload != 1024 {
			return fmt.Errorf("%+v", got)
		}
		return res.Err
	}
	netHTTP = func(i int) error {
		p := tracer{url: addresses[i], transport: transport}
		status, size, _, err := p.run(context.Background())
		if err == nil && (status != 200 || size != 1024) {
			return fmt.Errorf("status %d, %d bytes", status, size)
		}
		return err
	}
	return vedette, netHTTP
}

func BenchmarkProbe(b *testing.B) {
	addresses, roots := startBenchmarkServer(b)
	for _, scheme := range []string{"http", "https"} {
		vedette, netHTTP := contenders(b, addresses[scheme], roots)
		b.Run(scheme+"/vedette", func(b *testing.B) { measure(b, vedette) })
		b.Run(scheme+"/nethttp", func(b *testing.B) { measure(b, netHTTP) })
	}
}

// BenchmarkProcessorTime compares the two in turns of a batch each, so that what else the machine does falls on both alike. A
// batch is as those that a schedule starts: benchAddresses probes, 8 at a time.
func BenchmarkProcessorTime(b *testing.B) {
	addresses, roots := startBenchmarkServer(b)
	for _, scheme := range []string{"http", "https"} {
		b.Run(scheme, func(b *testing.B) {
			vedette, netHTTP := contenders(b, addresses[scheme], roots)
			var ratios []float64
			for b.Loop() {
				ours, theirs := batch(b, vedette), batch(b, netHTTP)
				ratios = append(ratios, float64(ours)/float64(theirs))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "of-nethttp's-cpu")
		})
	}
}

// batch is the processor time of probes of all addresses, 8 at a time.
func batch(b *testing.B, probe func(i int) error) time.Duration {
	before := processorTime(b)
	var workers sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < benchAddresses; i = next.Add(1) - 1 {
				if err := probe(int(i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	workers.Wait()
	return processorTime(b) - before
}

// measure reports allocations, and the processor time that this process used for one probe.
func measure(b *testing.B, probe func(i int) error) {
	b.ReportAllocs()
	before := processorTime(b)
	for i := 0; b.Loop(); i++ {
		if err := probe(i % benchAddresses); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
