package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/delayline"
	"github.com/vedette-monitor/vedette/plugins/http-quality/origin"
	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

func TestMain(m *testing.M) {
	delayline.Main()
	code := m.Run()
	_ = os.RemoveAll(programs.dir)
	os.Exit(code)
}

// patience bounds every wait for something that should happen.
const patience = 30 * time.Second

// The real-time priorities of what must not be delayed by what else the machine does, below that of the line. What is
// judged under load has none.
const (
	originPriority  = 10
	measurePriority = 5
)

// line is how all packets of these tests travel.
var line = delayline.Options{Delay: 10 * time.Millisecond}

var programs struct {
	once sync.Once
	dir  string
	err  error
}

// program is the path of a program of this repository, built for the tests, without the race detector.
func program(t *testing.T, name string) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "vedette-bed-"); programs.err != nil {
			return
		}
		for name, path := range map[string]string{"bed": ".", "http-quality": "..", "vedette": "../../../daemon"} {
			out, err := exec.Command("go", "build", "-o", filepath.Join(programs.dir, name), path).CombinedOutput()
			if err != nil {
				programs.err = fmt.Errorf("building %s: %w: %s", name, err, out)
				return
			}
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return filepath.Join(programs.dir, name)
}

// site is a delay line with an origin at its end, which the client's resolver knows.
type site struct {
	*delayline.Line
	authority *origin.Authority
	ca        string // file
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOver(t, line)
}

func newSiteOver(t *testing.T, line delayline.Options) *site {
	t.Helper()
	authority, err := origin.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &site{Line: delayline.Open(t, line), authority: authority, ca: filepath.Join(dir, "ca.pem")}
	own := filepath.Join(dir, "own.pem")
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	for path, text := range map[string][]byte{s.ca: authority.PEM, own: both} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Client.Resolver(t, s.Server.IPv4)
	cmd := exec.Command(program(t, "bed"), "origin", s.Server.IPv4.String(), s.Server.IPv6.String(), own)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Server.StartRealtime(cmd, originPriority); err != nil {
		t.Fatal(err)
	}
	ended(t, cmd)
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the origin said %q and ended: %v", said, err)
	}
	return s
}

// ended ends a process with the test.
func ended(t *testing.T, cmd *exec.Cmd) {
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// prober is a process that probes from the client's end.
type prober struct {
	in  io.Writer
	out *json.Decoder
	ca  string
}

// newProber starts one, with a priority or, if that is 0, without.
func (s *site) newProber(t *testing.T, priority int) *prober {
	t.Helper()
	cmd := exec.Command(program(t, "bed"), "prober")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := s.Client.Start
	if priority > 0 {
		start = func(cmd *exec.Cmd) error { return s.Client.StartRealtime(cmd, priority) }
	}
	if err := start(cmd); err != nil {
		t.Fatal(err)
	}
	ended(t, cmd)
	return &prober{in: in, out: json.NewDecoder(out), ca: s.ca}
}

func (p *prober) do(t *testing.T, o order) report {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = patience / 2
	}
	o.CA = p.ca
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := p.out.Decode(&r); err != nil {
		t.Fatalf("the prober has ended: %v", err)
	}
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	return r
}

// one probes once by the engine.
func (p *prober) one(t *testing.T, url string, family probe.Family, version probe.Version) measured {
	t.Helper()
	r := p.do(t, order{By: "vedette", URLs: []string{url}, Family: family, Version: version}).Results[0]
	if r.Outcome != "ok" {
		t.Fatalf("%s: %s: %s", url, r.Outcome, r.Error)
	}
	return r
}

func repeat(url string, n int) []string { return slices.Repeat([]string{url}, n) }

// at is a quantile.
func at(all []float64, quantile float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, int(quantile*float64(len(all))))]
}

func median(all []float64) float64 { return at(all, 0.5) }

// table prints lines in columns.
func table(t *testing.T, rows ...[]string) {
	t.Helper()
	var b strings.Builder
	for _, row := range rows {
		b.WriteByte('\n')
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&b, "%-34s", cell)
			} else {
				fmt.Fprintf(&b, "%15s", cell)
			}
		}
	}
	t.Log(b.String())
}
