package main

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// What makes a screen's columns: "  transfer  123456.78 ms  " before the bars, which are left out where too few cells remain.
const (
	beforeBars = 26
	fewCells   = 10
)

// Above these it is said what the prober itself and the line have to do with a result.
const (
	muchLag     = 10 * time.Millisecond
	manyRetrans = 2
)

// report shows a probe: the phases of each hop, one below the other on one axis of time, and what came of it.
func (s screen) report(t *target, r *probe.Result) []byte {
	var b bytes.Buffer
	if title := title(t); title != "" {
		fmt.Fprintln(&b, s.in(bold, title))
	}
	for i := range r.Hops {
		s.hop(&b, r, &r.Hops[i])
	}
	b.WriteByte('\n')
	s.answer(&b, t, r)
	s.verdict(&b, r)
	return b.Bytes()
}

// title is the name of a target with what tells it from others; empty if that is but the host of its address.
func title(t *target) string {
	var name, host string
	var more []string
	for tag, value := range t.tags {
		switch {
		case value == "" || tag == "method":
		case tag == "target":
			name = value
		case tag == "url":
			if u, err := url.Parse(value); err == nil {
				host = u.Hostname()
			}
		default:
			more = append(more, tag+" "+value)
		}
	}
	if name == host && len(more) == 0 {
		return ""
	}
	if len(more) > 0 {
		name += " (" + strings.Join(more, ", ") + ")"
	}
	return safe(name)
}

type phase struct {
	probe.Phase
	span probe.Span
}

func phasesOf(h *probe.Hop) []phase {
	p := h.Phases()
	return []phase{{probe.PhaseDNS, p.DNS}, {probe.PhaseTCP, p.TCP}, {probe.PhaseTLS, p.TLS},
		{probe.PhaseRequest, p.Request}, {probe.PhaseWait, p.Wait}, {probe.PhaseTransfer, p.Transfer}}
}

func (s screen) hop(b *bytes.Buffer, r *probe.Result, h *probe.Hop) {
	fmt.Fprintf(b, "%s\n", s.in(bold, safe(h.Method+" "+h.URL)))
	if h.Reused {
		b.WriteString("  over a connection that was there already\n")
	}
	cells := s.width - beforeBars
	at := h.Start
	for _, p := range phasesOf(h) {
		if !p.span.Reached {
			continue
		}
		fmt.Fprintf(b, "  %-8s %s", p.Phase, milliseconds(p.span.Time))
		end := at + p.span.Time
		if cells >= fewCells {
			bar := s.bar(at, end, r.Total, cells)
			drawn := strings.TrimLeft(bar, " ")
			fmt.Fprintf(b, "  %s%s", bar[:len(bar)-len(drawn)], s.in(ofPhase[p.Phase], drawn))
		}
		b.WriteByte('\n')
		at = end
	}
	switch {
	case h == r.Last() && broken(r):
		fmt.Fprintf(b, "  %s\n", s.in(red, fmt.Sprintf("failed in %s", h.Ended)))
	case h.Location != "":
		fmt.Fprintf(b, "  %d %s %s\n", h.Status, s.arrow(), safe(h.Location))
	}
}

// broken tells whether a probe ended before the answer did.
func broken(r *probe.Result) bool {
	judged := []probe.Outcome{probe.OutcomeOK, probe.OutcomeRedirect, probe.OutcomeStatus, probe.OutcomeHeader, probe.OutcomeBody, probe.OutcomeSlow}
	return !slices.Contains(judged, r.Outcome) && !(r.Outcome == probe.OutcomeCertificate && r.Last().Ended == probe.PhaseTransfer)
}

// milliseconds has the same width up to an hour.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%10.2f ms", float64(d)/1e6) }

func (s screen) answer(b *bytes.Buffer, t *target, r *probe.Result) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(b, "%-10s %s\n", name, safe(fmt.Sprintf(format, args...)))
	}
	h, c := r.Last(), r.Curl()
	row("total", "%s", strings.TrimLeft(milliseconds(r.Total), " "))
	if h.Status != 0 {
		row("answer", "%d over HTTP/%s", h.Status, h.HTTPVersion)
	} else {
		row("answer", "none")
	}
	if h.RemoteIP.IsValid() {
		own := ""
		if h.LocalIP.IsValid() {
			own = fmt.Sprintf(", own address %s", h.LocalIP)
		}
		row("server", "%s%s", h.RemoteIP, own)
	}
	if h.Status != 0 {
		announced := ""
		if c.ContentLength >= 0 && c.ContentLength != c.SizeDownload {
			announced = fmt.Sprintf(" of %d announced", c.ContentLength)
		}
		row("size", "body %d%s, headers %d, requests %d bytes", c.SizeDownload, announced, c.SizeHeader, c.SizeRequest)
		row("speed", "%.1f kB/s", float64(c.SpeedDownload)/1e3)
	}
	if h.TLSVersion != "" {
		row("tls", "%s%s", h.TLSVersion, map[bool]string{true: ", OCSP answer stapled"}[h.OCSPStapled])
	}
	if !h.CertExpiry.IsZero() {
		if days := h.CertExpiry.Sub(r.Start).Hours() / 24; days < 0 {
			row("cert", "expired %.1f days ago", -days)
		} else {
			row("cert", "expires in %.1f days", days)
		}
	}
	if t.matches && r.BodyChecked {
		row("body", "%s", map[bool]string{true: "as expected", false: "not as expected"}[r.BodyMatched])
	}
	if lag := r.Lag(); lag.Time >= muchLag {
		row("lag", "%s: this machine was busy; it is taken out of all times, but trust them less", strings.TrimLeft(milliseconds(lag.Time), " "))
	}
	if n := r.Retrans(); n >= manyRetrans {
		row("retrans", "%d segments were sent again: the line loses packets, or is very slow", n)
	}
}

// verdict is the outcome in words.
func (s screen) verdict(b *bytes.Buffer, r *probe.Result) {
	if r.Outcome == probe.OutcomeOK {
		fmt.Fprintf(b, "%-10s %s\n", "outcome", s.in(green, "ok"))
		return
	}
	fmt.Fprintf(b, "%-10s %s: %s\n", "outcome", s.in(red, string(r.Outcome)), safe(r.Err.Error()))
	if len(r.Failed) > 1 {
		fmt.Fprintf(b, "%-10s %s\n", "failed", safe(strings.Join(r.Failed, ", ")))
	}
}
