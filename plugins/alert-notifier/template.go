package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// fields are what a template may name. They are documented in the README.
type fields struct {
	ID, Thread, Kind, Subject, Title, Text, Severity, Incident, Alert, Summary, Detail, Link, To, Time string
	Count, Attempt, Step                                                                               int
	Late, MayRepeat                                                                                    bool
	// Labels are those of the first alert.
	Labels map[string]string
}

// fieldsOf are the fields of a notice whose text has been cut to what the channel takes.
func fieldsOf(n *notice.Notice, text, to string, now time.Time) *fields {
	f := &fields{
		ID: notice.Line(n.ID), Thread: notice.Line(n.Thread), Kind: kindName(n.Kind), Subject: n.Subject(), Title: n.Title, Text: text, Severity: n.Severity(),
		To: to, Time: n.Time(now), Count: len(n.Alerts) + n.Omitted, Attempt: n.Attempt, Step: n.Step, Late: n.Late, MayRepeat: n.MayRepeat,
		Labels: map[string]string{},
	}
	if len(n.Alerts) > 0 {
		a := n.Alerts[0]
		f.Incident, f.Alert, f.Summary, f.Detail, f.Link = a.Incident, a.Name, a.Summary, a.Detail, a.Link
		for _, l := range a.Labels {
			f.Labels[l.Name] = l.Value
		}
	}
	return f
}

// sample is what templates are tried on when they are configured.
func sample() *fields {
	return &fields{
		ID: "n1", Thread: "t1", Kind: kindName(wire.Kind_KIND_FIRING), Subject: "[FIRING] sample", Title: "sample", Text: "sample", Severity: "critical", Incident: "i1",
		Alert: "sample", Summary: "sample", Detail: "sample", Link: "https://example.com/", To: "recipient", Time: "2026-01-01 00:00:00 UTC", Count: 1, Attempt: 1,
		Labels: map[string]string{},
	}
}

// escaped are the fields with texts that are escaped.
func (f *fields) escaped(escape func(string) string) *fields {
	e := *f
	for _, text := range []*string{&e.ID, &e.Thread, &e.Kind, &e.Subject, &e.Title, &e.Text, &e.Severity, &e.Incident, &e.Alert, &e.Summary, &e.Detail, &e.Link, &e.To, &e.Time} {
		*text = escape(*text)
	}
	e.Labels = map[string]string{}
	for name, value := range f.Labels {
		e.Labels[name] = escape(value)
	}
	return &e
}

// maxExpanded bounds what a template makes.
const maxExpanded = 1 << 20

// leaf is a text with placeholders. What it makes of them is a value, and escaped as one, by whoever it is part of.
type leaf struct {
	literal string
	t       *template.Template
}

func parseLeaf(text string) (leaf, error) {
	if !strings.Contains(text, "{{") {
		return leaf{literal: text}, nil
	}
	t, err := template.New("").Option("missingkey=zero").Parse(text)
	if err != nil {
		return leaf{}, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	l := leaf{t: t}
	_, err = l.expand(sample())
	return l, err
}

func (l leaf) expand(f *fields) (string, error) {
	if l.t == nil {
		return l.literal, nil
	}
	var b bounded
	if err := l.t.Execute(&b, f); err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return string(b.text), nil
}

// bounded takes so much and no more.
type bounded struct{ text []byte }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > maxExpanded {
		return 0, errors.New("it makes too long a text")
	}
	b.text = append(b.text, p...)
	return len(p), nil
}

// form is a body with placeholders. Its structure is parsed when it is configured and values are filled in afterwards, so
// that no value can change it.
type form struct {
	// fixed are its texts without placeholders: one of them may be the key of an account.
	fixed  hidden
	json   any       // with leaves in it
	pairs  [][2]leaf // of a form, in its order
	text   *leaf
	escape func(string) string
}

// parseForm parses a body of a content type.
func parseForm(contentType, body string) (*form, error) {
	switch {
	case strings.Contains(contentType, "json"):
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		var v any
		err := d.Decode(&v)
		if err == nil {
			if _, err = d.Token(); errors.Is(err, io.EOF) {
				err = nil
			} else {
				err = errors.New("something stands behind it")
			}
		}
		if err != nil {
			return nil, fmt.Errorf("it is no JSON, in whose texts placeholders may stand: %w", err)
		}
		tree, err := leaves(v)
		f := &form{json: tree}
		f.keep(tree)
		return f, err
	case strings.Contains(contentType, "x-www-form-urlencoded"):
		pairs, err := parsePairs(body)
		f := &form{pairs: pairs}
		for _, p := range pairs {
			f.keep(p[1])
		}
		return f, err
	}
	f := &form{escape: func(s string) string { return s }}
	if strings.Contains(contentType, "xml") || strings.Contains(contentType, "html") {
		f.escape = func(s string) string {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
			return b.String()
		}
	}
	l, err := parseLeaf(body)
	f.text = &l
	return f, err
}

// secrets are what of the form must not be shown; a body of our own has none.
func (f *form) secrets() hidden {
	if f == nil {
		return nil
	}
	return f.fixed
}

// keep remembers the fixed texts of a value that are long enough for a key.
func (f *form) keep(v any) {
	const shortest = 8
	switch v := v.(type) {
	case leaf:
		if v.t == nil && len(v.literal) >= shortest {
			f.fixed = append(f.fixed, v.literal)
		}
	case []any:
		for _, e := range v {
			f.keep(e)
		}
	case map[string]any:
		for _, e := range v {
			f.keep(e)
		}
	}
}

// leaves replaces each text of a JSON value by its leaf.
func leaves(v any) (_ any, err error) {
	switch v := v.(type) {
	case string:
		return parseLeaf(v)
	case []any:
		for i := range v {
			if v[i], err = leaves(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = leaves(v[name]); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return v, nil
}

// filled is the value with each leaf expanded.
func filled(v any, f *fields) (_ any, err error) {
	switch v := v.(type) {
	case leaf:
		return v.expand(f)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			if list[i], err = filled(v[i], f); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		o := make(map[string]any, len(v))
		for name := range v {
			if o[name], err = filled(v[name], f); err != nil {
				return nil, err
			}
		}
		return o, nil
	}
	return v, nil
}

// parsePairs parses name=value&name=value.
func parsePairs(text string) ([][2]leaf, error) {
	var pairs [][2]leaf
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		var p [2]leaf
		name, value, _ := strings.Cut(pair, "=")
		for i, t := range []string{name, value} {
			// What stands there literally may be escaped already.
			if !strings.Contains(t, "{{") {
				u, err := url.QueryUnescape(t)
				if err != nil {
					return nil, errors.New("it is no form: " + err.Error())
				}
				t = u
			}
			var err error
			if p[i], err = parseLeaf(t); err != nil {
				return nil, err
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func joinPairs(pairs [][2]leaf, f *fields) (string, error) {
	var parts []string
	for _, p := range pairs {
		name, err := p[0].expand(f)
		if err != nil {
			return "", err
		}
		value, err := p[1].expand(f)
		if err != nil {
			return "", err
		}
		parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return strings.Join(parts, "&"), nil
}

// fill makes the body.
func (b *form) fill(f *fields) ([]byte, error) {
	switch {
	case b.text != nil:
		text, err := b.text.expand(f.escaped(b.escape))
		return []byte(text), err
	case b.json == nil:
		text, err := joinPairs(b.pairs, f)
		return []byte(text), err
	}
	v, err := filled(b.json, f)
	if err != nil {
		return nil, err
	}
	return encode(v), nil
}

// place is an address with placeholders in its path and in its query, never in its host.
type place struct {
	base     *url.URL // without path and query
	segments []leaf
	query    [][2]leaf
	fixed    *url.URL // if it has no placeholders: exactly as it was written
}

func parsePlace(text string) (*place, error) {
	if !strings.Contains(text, "{{") {
		u, err := address(text)
		return &place{fixed: u, base: u}, err
	}
	scheme, rest, _ := strings.Cut(text, "://")
	host, path, _ := strings.Cut(rest, "/")
	if strings.Contains(host, "{{") {
		return nil, errors.New("the host of an address has no placeholders")
	}
	base, err := address(scheme + "://" + host)
	if err != nil {
		return nil, err
	}
	p := &place{base: base}
	path, query, _ := strings.Cut(path, "?")
	for segment := range strings.SplitSeq(path, "/") {
		l, err := parseLeaf(segment)
		if err != nil {
			return nil, err
		}
		p.segments = append(p.segments, l)
	}
	p.query, err = parsePairs(query)
	return p, err
}

func (p *place) fill(f *fields) (*url.URL, error) {
	if p.fixed != nil {
		u := *p.fixed
		return &u, nil
	}
	path := ""
	for _, s := range p.segments {
		text, err := s.expand(f)
		if err != nil {
			return nil, err
		}
		if s.t != nil {
			if text == "." || text == ".." {
				text = ""
			}
			text = url.PathEscape(text)
		}
		path += "/" + text
	}
	query, err := joinPairs(p.query, f)
	if err != nil {
		return nil, err
	}
	if query != "" {
		path += "?" + query
	}
	u, err := url.Parse(p.base.Scheme + "://" + p.base.Host + path)
	if err == nil {
		u.User = p.base.User
	}
	return u, err
}
