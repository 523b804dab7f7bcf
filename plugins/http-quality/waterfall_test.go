package main

import (
	"errors"
	"flag"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ms = time.Millisecond

func reachedAt(d time.Duration) probe.Span { return probe.Span{Time: d, Reached: true} }

var probedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plainHop is a hop over plain http that took 90 ms.
func plainHop() probe.Hop {
	return probe.Hop{Method: "GET", URL: "http://shop.example.com/", RemoteIP: netip.MustParseAddr("192.0.2.7"), LocalIP: netip.MustParseAddr("198.51.100.4"),
		Resolved: reachedAt(12 * ms), Connected: reachedAt(32 * ms), Pretransfer: reachedAt(32 * ms), Sent: reachedAt(33 * ms),
		FirstByte: reachedAt(80 * ms), Total: 90 * ms, Ended: probe.PhaseTransfer, Retrans: 0, Status: 200, HTTPVersion: "1.1",
		RequestSize: 100, HeaderSize: 210, BodySize: 4000, ContentLength: 4000}
}

// secureHop is a hop over https that took 200 ms.
func secureHop() probe.Hop {
	h := plainHop()
	h.URL, h.Secure, h.TLSVersion, h.OCSPStapled, h.HTTPVersion = "https://shop.example.com/", true, "TLS 1.3", true, "2"
	h.CertExpiry = probedAt.Add(61*24*time.Hour + 12*time.Hour)
	h.Resolved, h.Connected, h.Secured = reachedAt(5*ms), reachedAt(25*ms), reachedAt(70*ms)
	h.Pretransfer, h.Sent, h.FirstByte, h.Total = reachedAt(70*ms), reachedAt(70*ms+30*time.Microsecond), reachedAt(150*ms), 200*ms
	return h
}

func resultOf(hops ...probe.Hop) probe.Result {
	r := probe.Result{Start: probedAt, Outcome: probe.OutcomeOK, Hops: hops}
	for i := range hops {
		hops[i].Start = r.Total
		r.Total += hops[i].Total
	}
	return r
}

func failed(r probe.Result, o probe.Outcome, err string, expectations ...string) probe.Result {
	r.Outcome, r.Err, r.Failed = o, errors.New(err), expectations
	return r
}

// redirected was sent from http to https.
func redirected() probe.Result {
	first := plainHop()
	first.Status, first.Location = 301, "https://shop.example.com/"
	return resultOf(first, secureHop())
}

func aTarget(tags ...[2]string) *target {
	prober, err := probe.New(probe.Target{URL: &url.URL{Scheme: "http", Host: "shop.example.com", Path: "/"}})
	if err != nil {
		panic(err)
	}
	return &target{name: "shop.example.com", prober: *prober, manner: &manner{tags: append([][2]string{{"method", "GET"}}, tags...)}}
}

func TestAReportShowsWhereTheTimeWent(t *testing.T) {
	timeout := plainHop()
	timeout.FirstByte, timeout.Total, timeout.Ended, timeout.Status, timeout.HTTPVersion = probe.Span{}, 10*time.Second, probe.PhaseWait, 0, ""
	unknown := probe.Hop{Method: "GET", URL: "http://gone.example.com/", Total: 3 * ms, Ended: probe.PhaseDNS, Retrans: -1, ContentLength: -1}
	refused := unknown
	refused.Resolved, refused.Ended, refused.RemoteIP = reachedAt(2*ms), probe.PhaseTCP, netip.MustParseAddr("2001:db8::7")
	expired := secureHop()
	expired.CertExpiry = probedAt.Add(-36 * time.Hour)
	expired.Pretransfer, expired.Sent, expired.FirstByte, expired.Secured = probe.Span{}, probe.Span{}, probe.Span{}, probe.Span{}
	expired.Total, expired.Ended, expired.Status, expired.HTTPVersion, expired.OCSPStapled = 72*ms, probe.PhaseTLS, 0, "", false
	kept := plainHop()
	kept.Reused, kept.Resolved, kept.Connected = true, probe.Span{}, probe.Span{}
	kept.Pretransfer, kept.Sent = reachedAt(0), reachedAt(1*ms)
	busy := plainHop()
	busy.Lag, busy.Retrans, busy.ContentLength = reachedAt(37*ms), 4, 5000
	leading := plainHop()
	leading.Status, leading.Location = 302, "ftp://files.example.com/"
	hostile := plainHop()
	hostile.URL = "http://shop.example.com/\x1b[2J\u202e\u009b31m"
	hostile.Location, hostile.Status = "http://\x1b]0;owned\a/\r\nx\u2028", 302
	evil := aTarget([2]string{"line", "ct\u009b31m"})
	evil.name = "\x1b[31mshop\u202e"
	wide := screen{width: 80}
	withBody := aTarget()
	withBody.matches = true
	unsatisfied := failed(resultOf(plainHop()), probe.OutcomeStatus, "status 500, expected 2xx", "status", "body")
	unsatisfied.Hops[0].Status, unsatisfied.BodyChecked = 500, true
	for name, tc := range map[string]struct {
		screen screen
		target *target
		result probe.Result
	}{
		"redirect":   {wide, aTarget(), redirected()},
		"names":      {wide, aTarget([2]string{"family", "4"}, [2]string{"line", "ct"}), redirected()},
		"narrow":     {screen{width: 40}, aTarget(), redirected()},
		"tiny":       {screen{width: 30}, aTarget(), redirected()},
		"ascii":      {screen{width: 80, ascii: true}, aTarget(), redirected()},
		"colour":     {screen{width: 60, colour: true}, aTarget(), failed(resultOf(timeout), probe.OutcomeTimeout, "no answer within 10s: waiting for the first byte")},
		"timeout":    {wide, aTarget(), failed(resultOf(timeout), probe.OutcomeTimeout, "no answer within 10s: waiting for the first byte")},
		"dns":        {wide, aTarget(), failed(resultOf(unknown), probe.OutcomeDNS, "gone.example.com: no such host")},
		"connect":    {wide, aTarget(), failed(resultOf(refused), probe.OutcomeConnect, "connection refused")},
		"expired":    {wide, aTarget(), failed(resultOf(expired), probe.OutcomeCertificate, "certificate expired on 2026-02-28T00:00:00Z")},
		"cert_days":  {wide, aTarget(), failed(resultOf(secureHop()), probe.OutcomeCertificate, "certificate expires soon", "cert_days")},
		"reused":     {wide, aTarget(), resultOf(kept)},
		"suspicious": {wide, aTarget(), resultOf(busy)},
		"leading":    {wide, aTarget(), failed(resultOf(leading), probe.OutcomeRedirect, "redirect leads away from http")},
		"status":     {wide, withBody, unsatisfied},
		"hostile":    {wide, evil, failed(resultOf(hostile), probe.OutcomeStatus, "status \x1b[2J\u202e\u009b302", "status", "\x1b[31m")},
	} {
		t.Run(name, func(t *testing.T) {
			text := string(tc.screen.report(tc.target, &tc.result))
			golden(t, "report_"+name, text)
			if !tc.screen.colour {
				isPlain(t, text)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nand %s has\n%s", got, path, want)
	}
}

// isPlain holds a text to what a terminal only prints.
func isPlain(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is in %q", r, text)
		}
	}
}

func TestNoBarIsWiderThanTheTerminal(t *testing.T) {
	r := redirected()
	for width := range 200 {
		for _, ascii := range []bool{false, true} {
			for line := range strings.Lines(string(screen{width: width, ascii: ascii}.report(aTarget(), &r))) {
				line = strings.TrimRight(line, "\n")
				if n := utf8.RuneCountInString(line); strings.ContainsAny(line, "█▏▎▍▌▋▊▉=") && n > width {
					t.Fatalf("%d columns where there are %d: %q", n, width, line)
				}
			}
		}
	}
}

func TestABarIsTrueToAnEighthOfACell(t *testing.T) {
	for _, tc := range []struct {
		from, to time.Duration
		want     string
	}{
		{0, 100 * ms, "██████████"},
		{0, 50 * ms, "█████"},
		{50 * ms, 100 * ms, "     █████"},
		{50 * ms, 51250 * time.Microsecond, "     ▏"},
		{20 * ms, 38750 * time.Microsecond, "  █▉"},
		{0, 0, "▏"},                        // what was reached is seen
		{100 * ms, 100 * ms, "         ▏"}, // in the last cell
		{0, 200 * ms, "██████████"},
		{-5 * ms, 10 * ms, "█"},
	} {
		if got := (screen{}).bar(tc.from, tc.to, 100*ms, 10); got != tc.want {
			t.Errorf("from %v to %v: %q, want %q", tc.from, tc.to, got, tc.want)
		}
	}
	if got := (screen{}).bar(0, 0, 0, 10); got != "" {
		t.Errorf("of no time: %q", got)
	}
}

func TestASummaryIsOfTheProbesThatWereGood(t *testing.T) {
	slower := redirected()
	slower.Hops[1].Total += 30 * ms
	slower.Total += 30 * ms
	slowest := redirected()
	slowest.Hops[1].Total += 500 * ms
	slowest.Total += 500 * ms
	timeout := plainHop()
	timeout.FirstByte, timeout.Total, timeout.Ended, timeout.Status = probe.Span{}, 10*time.Second, probe.PhaseWait, 0
	results := []probe.Result{slowest, failed(resultOf(timeout), probe.OutcomeTimeout, "no answer within 10s: \x1b[2J"), redirected(), slower}
	s := screen{width: 80}
	var text strings.Builder
	for i := range results {
		text.Write(s.line(aTarget([2]string{"family", "6"}), i+1, &results[i]))
	}
	text.Write(s.summary(results))
	golden(t, "summary", text.String())
	isPlain(t, text.String())
	golden(t, "summary_none", string(s.summary(results[1:2])))
}

func TestBlocksAreShownUnlessTheLocaleSpeaksAgainstThem(t *testing.T) {
	for _, tc := range []struct {
		all, ctype, lang string
		want             bool
	}{
		{"", "", "", true}, {"", "", "de_DE.UTF-8", true}, {"", "", "C", false}, {"C", "", "en_US.UTF-8", false},
		{"", "C.utf8", "C", true}, {"", "", "zh_CN.GB18030", false},
	} {
		env := map[string]string{"LC_ALL": tc.all, "LC_CTYPE": tc.ctype, "LANG": tc.lang}
		if got := showsUnicode(func(name string) string { return env[name] }); got != tc.want {
			t.Errorf("%v: %v", env, got)
		}
	}
}

func TestTheReadmeShowsWhatTheCommandPrints(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := redirected()
	if report := string(screen{width: usualWidth}.report(aTarget(), &r)); !strings.Contains(string(readme), "$ vedette target test http://shop.example.com/\n"+report) {
		t.Errorf("README.md does not have\n%s", report)
	}
}
