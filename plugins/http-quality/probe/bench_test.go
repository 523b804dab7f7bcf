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
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"strings"
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

// serveBenchmark prints its addresses, plain and over TLS, and a certificate for example.com, and serves until its input ends.
func serveBenchmark() {
	page := make([]byte, 1024)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	secure := httptest.NewTLSServer(handler)
	for i := range benchAddresses {
		for _, scheme := range []string{"http", "https"} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", i+1))
			if err != nil {
				panic(err)
			}
			fmt.Printf("%s://%s\n", scheme, l.Addr())
			if scheme == "https" {
				l = tls.NewListener(l, secure.TLS)
			}
			go http.Serve(l, handler)
		}
	}
	pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	os.Stdout.Close()
	io.Copy(io.Discard, os.Stdin)
}

func startBenchmarkServer(b *testing.B) (addresses map[string][]*url.URL, roots *x509.CertPool) {
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

func BenchmarkProbe(b *testing.B) {
	addresses, roots := startBenchmarkServer(b)
	for _, scheme := range []string{"http", "https"} {
		b.Run(scheme+"/vedette", func(b *testing.B) {
			var probers []*Prober
			for _, u := range addresses[scheme] {
				probers = append(probers, newProber(b, Target{URL: u, RootCAs: roots, ServerName: "example.com"}))
			}
			measure(b, func(i int) error {
				res := probers[i].Run(context.Background())
				if got := res.Curl(); res.Err == nil && got.SizeDownload != 1024 {
					return fmt.Errorf("%+v", got)
				}
				return res.Err
			})
		})
		b.Run(scheme+"/nethttp", func(b *testing.B) {
			transport := &http.Transport{
				DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"},
			}
			measure(b, func(i int) error {
				p := tracer{url: addresses[scheme][i], transport: transport}
				status, size, _, err := p.run(context.Background())
				if err == nil && (status != 200 || size != 1024) {
					return fmt.Errorf("status %d, %d bytes", status, size)
				}
				return err
			})
		})
	}
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
