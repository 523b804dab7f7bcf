package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"testing"

	"github.com/vedette-monitor/vedette/plugins/http-quality/origin"
	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// curl runs curl at the client's end, and gives what it says in our words. It is what it says of the second of two
// transfers over connections of their own: the first handshake of a process takes OpenSSL two milliseconds to get ready,
// which are of the program and not of the site.
func (s *site) curl(t *testing.T, url string, args ...string) measured {
	t.Helper()
	cmd := exec.Command("curl", append([]string{
		"-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--write-out", "%{json}\n", "--cacert", s.ca,
		"--location", "--user-agent", probe.DefaultUserAgent, "--output", "/dev/null", "--output", "/dev/null",
		"https://warm." + origin.Domain + "/", url,
	}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := s.Client.StartRealtime(cmd, measurePriority); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("curl %s: %v: %s", url, err, &errOut)
	}
	var says map[string]any
	for d := json.NewDecoder(&out); ; {
		err := d.Decode(&says)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m := measured{Times: map[string]float64{}, Sizes: map[string]int64{}}
	for _, name := range []string{"namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "redirect", "total"} {
		if v := says["time_"+name].(float64); v > 0 {
			m.Times[name] = v
		}
	}
	for _, name := range []string{"http_code", "size_download", "size_header", "size_request", "num_redirects", "num_connects"} {
		m.Sizes[name] = int64(says[name].(float64))
	}
	return m
}

// moment is one of curl's times, and the phase that it ends.
type moment struct{ name, phase string }

// moments are all in their order.
var moments = []moment{
	{"namelookup", "dns"}, {"connect", "tcp"}, {"appconnect", "tls"}, {"pretransfer", "request"}, {"starttransfer", "wait"}, {"total", "transfer"},
}

// phases are the differences of curl's times, where there was no redirect, else the times themselves, for differences of
// sums mean nothing.
func (m measured) phases() map[string]float64 {
	if m.Sizes["num_redirects"] > 0 {
		return m.Times
	}
	phases, before := map[string]float64{}, 0.0
	for _, moment := range moments {
		if at, ok := m.Times[moment.name]; ok {
			phases[moment.phase] = at - before
			before = at
		}
	}
	return phases
}

func TestEveryPhaseIsTheSameAsCurls(t *testing.T) {
	const (
		pairs     = 7
		mostPairs = 5 * pairs // where other load disturbs the first ones
		// What may lie between two medians: the larger one.
		absolute, relative = 0.002, 0.02
	)
	s := newSite(t)
	p := s.newProber(t, measurePriority)
	for _, c := range []struct {
		name, url string
		family    probe.Family
		curl      []string
		version   probe.Version
	}{
		{"HTTP", "http://a30.vedette.test/?wait=50ms&size=10000&pause=100ms", probe.IPv4, []string{"-4"}, probe.HTTP1},
		{"HTTP, late accept", "http://shop.vedette.test:8080/?wait=20ms&size=1000", probe.IPv4, []string{"-4"}, probe.HTTP1},
		{"HTTP, truncated DNS", "http://truncated.vedette.test/?size=1000", probe.IPv4, []string{"-4"}, probe.HTTP1},
		{"HTTP, both families, slow AAAA", "http://aaaa80-v4.vedette.test/?size=1000", probe.AnyFamily, nil, probe.HTTP1},
		{"HTTP, gzip", "http://shop.vedette.test/?size=100000&gzip=1", probe.IPv4, []string{"-4"}, probe.HTTP1},
		{"HTTP, IPv6", "http://aaaa30.vedette.test/?wait=50ms&size=10000", probe.IPv6, []string{"-6"}, probe.HTTP1},
		{"HTTPS", "https://a30-tls40.vedette.test/?wait=50ms&size=10000&pause=100ms", probe.IPv4, []string{"-4", "--http1.1"}, probe.HTTP1},
		// Not longer than the first receive window: when the window of a longer one opens depends on how the client reads.
		{"HTTPS, IPv6", "https://aaaa30-tls40.vedette.test/?wait=50ms&size=40000", probe.IPv6, []string{"-6", "--http1.1"}, probe.HTTP1},
		{"redirect to HTTPS", "http://a30.vedette.test/?wait=30ms&size=7&to=https%3A%2F%2Fa30-tls40.vedette.test%2F%3Fwait%3D50ms%26size%3D10000", probe.IPv4, []string{"-4", "--http1.1"}, probe.HTTP1},
		{"HTTP/2", "https://a30-tls40.vedette.test/?wait=50ms&size=10000&pause=100ms", probe.IPv4, []string{"-4", "--http2"}, probe.HTTP2},
		{"HTTP/2, IPv6", "https://aaaa30-tls40.vedette.test/?wait=50ms&size=40000", probe.IPv6, []string{"-6", "--http2"}, probe.AnyVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.one(t, c.url, c.family, c.version)
			ours, theirs := map[string][]float64{}, map[string][]float64{}
			var off []string
			for n := 1; n <= mostPairs; n++ {
				our, their := p.one(t, c.url, c.family, c.version), s.curl(t, c.url, c.curl...)
				for name, want := range their.Sizes {
					if got := our.Sizes[name]; got != want {
						t.Fatalf("%s is %d, curl's %d", name, got, want)
					}
				}
				for name, v := range our.phases() {
					ours[name] = append(ours[name], v)
				}
				for name, v := range their.phases() {
					theirs[name] = append(theirs[name], v)
				}
				if n%pairs > 0 {
					continue
				}
				off = nil
				for name := range theirs {
					our, their := median(ours[name]), median(theirs[name])
					if math.Abs(our-their) > max(absolute, relative*their) {
						off = append(off, fmt.Sprintf("%s is %.2f ms, curl's %.2f ms", name, our*1e3, their*1e3))
					}
				}
				if len(off) == 0 {
					break
				}
			}
			if len(ours) != len(theirs) {
				t.Errorf("phases %v, curl's %v", ours, theirs)
			}
			rows := [][]string{{"", "ms", "curl's"}}
			for _, moment := range append(moments, moment{"redirect", ""}) {
				for _, name := range []string{moment.phase, moment.name} {
					if all := theirs[name]; len(all) > 0 {
						rows = append(rows, []string{name, fmt.Sprintf("%.2f", median(ours[name])*1e3), fmt.Sprintf("%.2f", median(all)*1e3)})
					}
				}
			}
			table(t, rows...)
			for _, text := range off {
				t.Error(text)
			}
		})
	}
}
