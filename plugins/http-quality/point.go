package main

import (
	"slices"
	"strconv"
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
		{Name: "connect_time", Type: "float", Unit: "s", Doc: "curl: until TCP was connected, to the proxy if there is one; HTTP/3: until the first packet of the server"},
		{Name: "appconnect_time", Type: "float", Unit: "s", Doc: "curl: until TLS was established; https only"},
		{Name: "pretransfer_time", Type: "float", Unit: "s", Doc: "curl: until the request header was handed over"},
		{Name: "starttransfer_time", Type: "float", Unit: "s", Doc: "curl: until the first byte of the answer"},
		{Name: "redirect_time", Type: "float", Unit: "s", Doc: "curl: until the last redirect was taken; only if one was"},
		{Name: "total_time", Type: "float", Unit: "s", Doc: "curl: the whole probe"},
		{Name: "dns", Type: "float", Unit: "s", Doc: "phase of the last hop: looking up the name"},
		{Name: "tcp", Type: "float", Unit: "s", Doc: "phase of the last hop: connecting"},
		{Name: "tls", Type: "float", Unit: "s", Doc: "phase of the last hop: TLS handshake, and before it asking the proxy"},
		{Name: "request", Type: "float", Unit: "s", Doc: "phase of the last hop: sending the request"},
		{Name: "wait", Type: "float", Unit: "s", Doc: "phase of the last hop: until the first byte of the answer"},
		{Name: "transfer", Type: "float", Unit: "s", Doc: "phase of the last hop: until its last byte; the six add up to the hop's time"},
		{Name: "http_code", Type: "int", Doc: "status of the last answer; 0 if none came"},
		{Name: "size_download", Type: "int", Unit: "bytes", Doc: "curl: body of the last hop, before content decoding"},
		{Name: "header_size", Type: "int", Unit: "bytes", Doc: "curl: headers received, of all hops, and of a proxy; those of HTTP/2 and 3 as they would be written in HTTP/1"},
		{Name: "request_size", Type: "int", Unit: "bytes", Doc: "curl: requests sent, of all hops, and to a proxy; those of HTTP/2 and 3 as they would be written in HTTP/1"},
		{Name: "content_length_download", Type: "int", Unit: "bytes", Doc: "curl: length that the last answer announced; absent if none"},
		{Name: "speed_download", Type: "float", Unit: "bytes/s", Doc: "curl: size_download over total_time"},
		{Name: "num_redirects", Type: "int", Doc: "curl: redirects followed"},
		{Name: "num_connects", Type: "int", Doc: "curl: connections made; 0 if one was reused"},
		{Name: "remote_ip", Type: "string", Doc: "address that was connected to"},
		{Name: "local_ip", Type: "string", Doc: "own address of the connection"},
		{Name: "http_version", Type: "string", Doc: "of the answer: 1.0, 1.1, 2 or 3"},
		{Name: "tls_version", Type: "string", Doc: "such as TLS 1.3; https only"},
		{Name: "cert_days", Type: "float", Unit: "d", Doc: "until the earliest expiry in the served chain; also if verification failed"},
		{Name: "ocsp_stapled", Type: "bool", Doc: "the server stapled an OCSP answer; https only"},
		{Name: "body_matched", Type: "bool", Doc: "the body is as expected; only where something is expected of it"},
		{Name: "failed_expectations", Type: "string", Doc: "which expectations failed, separated by commas: status, header, header_regex, body, first_line, body_regex, json, cert_days, slow"},
		{Name: "error", Type: "string", Doc: "what went wrong, in words"},
		{Name: "attempt", Type: "int", Doc: "1 for the first try of a probe"},
		{Name: "lag", Type: "float", Unit: "s", Doc: "by how much the prober itself was late, which is taken out of all times: distrust a point with a large one; absent where the kernel does not tell"},
		{Name: "retrans", Type: "int", Doc: "TCP segments that the kernel sent again, of all hops; absent where the kernel does not tell"},
		{Name: "vantage_ok", Type: "bool", Doc: "the vantage point itself was well; only with a block self_check"},
	},
}

// hopMeasurement declares what hopPoints makes.
var hopMeasurement = sdk.Measurement{
	Name: "http_hop",
	Doc:  "One point for each request of a probe, with hops = true: the first, and one for each redirect followed.",
	Tags: append(slices.Clone(measurement.Tags), sdk.TagSchema{Name: "hop", Doc: "1 for the first request"}),
	Fields: append(pick(measurement.Fields, "dns", "tcp", "tls", "request", "wait", "transfer"),
		sdk.FieldSchema{Name: "http_code", Type: "int", Doc: "status of the answer; 0 if none came"},
		sdk.FieldSchema{Name: "size_download", Type: "int", Unit: "bytes", Doc: "body, before content decoding"},
		sdk.FieldSchema{Name: "header_size", Type: "int", Unit: "bytes", Doc: "header received"},
		sdk.FieldSchema{Name: "remote_ip", Type: "string", Doc: "address that was connected to"},
		sdk.FieldSchema{Name: "location", Type: "string", Doc: "where the answer redirects to, without secrets; absent if nowhere"},
	),
}

// listMeasurement declares what a list says of itself.
var listMeasurement = sdk.Measurement{
	Name: "http_discovery",
	Doc:  "How a list of targets fares: a point when that changes, and one a minute.",
	Tags: []sdk.TagSchema{
		{Name: "list", Doc: "label of the block"},
		{Name: "kind", Doc: "file_sd or http_sd"},
	},
	Fields: []sdk.FieldSchema{
		{Name: "ok", Type: "bool", Doc: "it could be read; if not, its last good state holds"},
		{Name: "targets", Type: "int", Doc: "targets of it that are probed; with family = both each counts twice"},
		{Name: "refused", Type: "int", Doc: "targets of it that can not be probed, and are left out"},
		{Name: "age", Type: "float", Unit: "s", Doc: "since it could be read without an error; absent if it never could since the start"},
		{Name: "error", Type: "string", Doc: "why it can not be read"},
		{Name: "refusal", Type: "string", Doc: "why the first of those that are left out is"},
	},
}

var measurements = []sdk.Measurement{measurement, hopMeasurement, listMeasurement}

// pick takes fields of another measurement, which are here of a hop.
func pick(from []sdk.FieldSchema, names ...string) []sdk.FieldSchema {
	var picked []sdk.FieldSchema
	for _, f := range from {
		if slices.Contains(names, f.Name) {
			f.Doc = strings.Replace(f.Doc, "of the last hop", "of the hop", 1)
			picked = append(picked, f)
		}
	}
	return picked
}

// point makes the point of a probe.
func (t *target) point(r *probe.Result) *sdk.Point {
	p := sdk.NewPoint(measurement.Name).At(r.Start)
	for name, value := range t.tags {
		p.Tag(name, value)
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
		p.String("failed_expectations", strings.Join(r.Failed, ","))
	}
	if t.matches && r.BodyChecked {
		p.Bool("body_matched", r.BodyMatched)
	}
	addCurl(p, r.Curl())
	addHop(p, r.Last(), r.Start)
	if lag := r.Lag(); lag.Reached {
		p.Seconds("lag", lag.Time)
	}
	if n := r.Retrans(); n >= 0 {
		p.Int("retrans", int64(n))
	}
	return p
}

// hopPoints makes a point for each hop of a probe, where the target wants them.
func (t *target) hopPoints(r *probe.Result) []*sdk.Point {
	if !t.hops {
		return nil
	}
	var points []*sdk.Point
	for i := range r.Hops {
		h := &r.Hops[i]
		p := sdk.NewPoint(hopMeasurement.Name).At(r.Start)
		for name, value := range t.tags {
			p.Tag(name, value)
		}
		p.Tag("hop", strconv.Itoa(i+1))
		p.Int("http_code", int64(h.Status)).Int("size_download", h.BodySize).Int("header_size", h.HeaderSize)
		addPhases(p, h)
		if h.RemoteIP.IsValid() {
			p.String("remote_ip", h.RemoteIP.String())
		}
		if h.Location != "" {
			p.String("location", h.Location)
		}
		points = append(points, p)
	}
	return points
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
	addPhases(p, h)
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

func addPhases(p *sdk.Point, h *probe.Hop) {
	phases := h.Phases()
	reached(p, "dns", phases.DNS)
	reached(p, "tcp", phases.TCP)
	reached(p, "tls", phases.TLS)
	reached(p, "request", phases.Request)
	reached(p, "wait", phases.Wait)
	reached(p, "transfer", phases.Transfer)
}

func reached(p *sdk.Point, field string, s probe.Span) {
	if s.Reached {
		p.Seconds(field, s.Time)
	}
}
