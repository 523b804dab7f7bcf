package main

import (
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

// measurement declares what point makes. Names and meanings are a contract with those who query: they change only with
// a migration note.
var measurement = sdk.Measurement{
	Name: "http_quality",
	Doc:  "One point a probe. What a probe did not reach is absent, never 0.",
	Tags: []sdk.TagSchema{
		{Name: "target", Doc: "label of the target block"},
		{Name: "app", Doc: "the business that the target belongs to"},
		{Name: "url", Doc: "address, without user, password and secret query values"},
		{Name: "method", Doc: "request method"},
		{Name: "family", Doc: "4 or 6, where the target names one"},
	},
	Fields: []sdk.FieldSchema{
		{Name: "outcome", Type: "string", Doc: "ok, or the first thing that went wrong: dns, connect, tls, certificate, send, timeout, receive, redirect, status, header, body, slow"},
		{Name: "available", Type: "bool", Doc: "outcome is ok"},
		{Name: "up", Type: "int", Doc: "1 if outcome is ok, else 0: mean(up) is the availability"},
		{Name: "namelookup_time", Type: "float", Unit: "s", Doc: "curl: until the name was resolved"},
		{Name: "connect_time", Type: "float", Unit: "s", Doc: "curl: until TCP was connected"},
		{Name: "appconnect_time", Type: "float", Unit: "s", Doc: "curl: until TLS was established; https only"},
		{Name: "pretransfer_time", Type: "float", Unit: "s", Doc: "curl: until the request header was handed over"},
		{Name: "starttransfer_time", Type: "float", Unit: "s", Doc: "curl: until the first byte of the answer"},
		{Name: "redirect_time", Type: "float", Unit: "s", Doc: "curl: until the last redirect was taken; only if one was"},
		{Name: "total_time", Type: "float", Unit: "s", Doc: "curl: the whole probe"},
		{Name: "dns", Type: "float", Unit: "s", Doc: "phase of the last hop: looking up the name"},
		{Name: "tcp", Type: "float", Unit: "s", Doc: "phase of the last hop: connecting"},
		{Name: "tls", Type: "float", Unit: "s", Doc: "phase of the last hop: TLS handshake"},
		{Name: "request", Type: "float", Unit: "s", Doc: "phase of the last hop: sending the request"},
		{Name: "wait", Type: "float", Unit: "s", Doc: "phase of the last hop: until the first byte of the answer"},
		{Name: "transfer", Type: "float", Unit: "s", Doc: "phase of the last hop: until its last byte; the six add up to the hop's time"},
		{Name: "http_code", Type: "int", Doc: "status of the last answer; 0 if none came"},
		{Name: "size_download", Type: "int", Unit: "bytes", Doc: "curl: body of the last hop, before content decoding"},
		{Name: "header_size", Type: "int", Unit: "bytes", Doc: "curl: headers received, of all hops"},
		{Name: "request_size", Type: "int", Unit: "bytes", Doc: "curl: requests sent, of all hops"},
		{Name: "content_length_download", Type: "int", Unit: "bytes", Doc: "curl: length that the last answer announced; absent if none"},
		{Name: "speed_download", Type: "float", Unit: "bytes/s", Doc: "curl: size_download over total_time"},
		{Name: "num_redirects", Type: "int", Doc: "curl: redirects followed"},
		{Name: "num_connects", Type: "int", Doc: "curl: connections made"},
		{Name: "remote_ip", Type: "string", Doc: "address that was connected to"},
		{Name: "local_ip", Type: "string", Doc: "own address of the connection"},
		{Name: "http_version", Type: "string", Doc: "of the answer: 1.0 or 1.1"},
		{Name: "tls_version", Type: "string", Doc: "such as TLS 1.3; https only"},
		{Name: "cert_days", Type: "float", Unit: "d", Doc: "until the earliest expiry in the served chain; also if verification failed"},
		{Name: "ocsp_stapled", Type: "bool", Doc: "the server stapled an OCSP answer; https only"},
		{Name: "body_matched", Type: "bool", Doc: "the body contains what is expected; only where a text is"},
		{Name: "failed_expectations", Type: "string", Doc: "which expectations failed, separated by commas"},
		{Name: "error", Type: "string", Doc: "what went wrong, in words"},
		{Name: "attempt", Type: "int", Doc: "1 for the first try of a probe"},
		{Name: "vantage_ok", Type: "bool", Doc: "the vantage point itself was well; only with a block self_check"},
	},
}

// point makes the point of a probe.
func (t *target) point(r *probe.Result) *sdk.Point {
	p := sdk.NewPoint(measurement.Name).At(r.Start)
	for _, tag := range t.tags {
		p.Tag(tag[0], tag[1])
	}
	up := int64(0)
	if r.Outcome == probe.OutcomeOK {
		up = 1
	}
	p.String("outcome", string(r.Outcome)).Bool("available", up == 1).Int("up", up)
	if r.Err != nil {
		p.String("error", r.Err.Error())
	}
	if len(r.Failed) > 0 {
		var failed []string
		for _, f := range r.Failed {
			failed = append(failed, string(f))
		}
		p.String("failed_expectations", strings.Join(failed, ","))
	}
	if t.matches && r.BodyChecked {
		p.Bool("body_matched", r.BodyMatched)
	}
	addCurl(p, r.Curl())
	addHop(p, r.Last(), r.Start)
	return p
}

// addCurl adds curl's variables.
func addCurl(p *sdk.Point, c probe.Curl) {
	reached(p, "namelookup_time", c.NameLookup)
	reached(p, "connect_time", c.Connect)
	reached(p, "appconnect_time", c.AppConnect)
	reached(p, "pretransfer_time", c.PreTransfer)
	reached(p, "starttransfer_time", c.StartTransfer)
	reached(p, "redirect_time", c.Redirect)
	p.Seconds("total_time", c.Total)
	p.Int("http_code", int64(c.HTTPCode)).
		Int("size_download", c.SizeDownload).Int("header_size", c.SizeHeader).Int("request_size", c.SizeRequest).
		Float("speed_download", float64(c.SpeedDownload)).
		Int("num_redirects", int64(c.NumRedirects)).Int("num_connects", int64(c.NumConnects))
	if c.ContentLength >= 0 {
		p.Int("content_length_download", c.ContentLength)
	}
}

// addHop adds what is known of the last hop alone.
func addHop(p *sdk.Point, h *probe.Hop, start time.Time) {
	phases := h.Phases()
	reached(p, "dns", phases.DNS)
	reached(p, "tcp", phases.TCP)
	reached(p, "tls", phases.TLS)
	reached(p, "request", phases.Request)
	reached(p, "wait", phases.Wait)
	reached(p, "transfer", phases.Transfer)
	if h.RemoteIP.IsValid() {
		p.String("remote_ip", h.RemoteIP.String())
	}
	if h.LocalIP.IsValid() {
		p.String("local_ip", h.LocalIP.String())
	}
	if h.HTTPVersion != "" {
		p.String("http_version", h.HTTPVersion)
	}
	if h.TLSVersion != "" {
		p.String("tls_version", h.TLSVersion).Bool("ocsp_stapled", h.OCSPStapled)
	}
	if !h.CertExpiry.IsZero() {
		p.Float("cert_days", h.CertExpiry.Sub(start).Hours()/24)
	}
}

func reached(p *sdk.Point, field string, s probe.Span) {
	if s.Reached {
		p.Seconds(field, s.Time)
	}
}
