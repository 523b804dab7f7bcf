package probe

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names of expectations, as Result.Failed has them.
const (
	failedStatus      = "status"
	failedHeader      = "header"
	failedHeaderRegex = "header_regex"
	failedBody        = "body"
	failedFirstLine   = "first_line"
	failedBodyRegex   = "body_regex"
	failedJSON        = "json"
	failedCertDays    = "cert_days"
	failedSlow        = "slow"
)

// expectedStatus is what the target's Status says, or its default.
func (t *Target) expectedStatus() []StatusRange {
	switch {
	case len(t.Expect.Status) > 0:
		return t.Expect.Status
	case t.MaxRedirects == 0:
		return []StatusRange{{200, 299}, {300, 399}}
	}
	return []StatusRange{{200, 299}}
}

// verdict collects what failed.
type verdict struct {
	result *Result
	ended  Phase
}

// fail notes an expectation that failed, each once. The first is the outcome.
func (v verdict) fail(o Outcome, name, format string, args ...any) {
	if !slices.Contains(v.result.Failed, name) {
		v.result.Failed = append(v.result.Failed, name)
	}
	if v.result.Err == nil {
		v.result.fail(newError(o, v.ended, nil, format, args...))
	}
}

// judge compares the answer with what the target expects, unless the probe failed before; then the only thing to be said is
// that a text was found nevertheless.
func (r *run) judge(res *Result, failed *Error) {
	t := &r.target
	if failed != nil {
		res.BodyMatched = r.answer.search.found && !t.keepsBody()
		res.BodyChecked = res.BodyMatched
		res.fail(failed)
		return
	}
	last := res.Last()
	v := verdict{res, last.Ended}
	r.judgeStatus(v, last.Status)
	r.judgeHeader(v)
	if t.Expect.ofBody() {
		before := len(res.Failed)
		r.judgeBody(v)
		res.BodyChecked, res.BodyMatched = true, len(res.Failed) == before
	}
	switch valid := t.Expect.CertValid; {
	case valid == 0:
	case last.CertExpiry.IsZero():
		v.fail(OutcomeCertificate, failedCertDays, "no certificate: the answer came over plain http")
	case last.CertExpiry.Sub(res.Start) < valid:
		v.fail(OutcomeCertificate, failedCertDays, "certificate expires on %s, less than %s days from now",
			last.CertExpiry.UTC().Format(time.RFC3339), strconv.FormatFloat(valid.Hours()/24, 'f', -1, 64))
	}
	if t.Expect.Within > 0 && res.Total > t.Expect.Within {
		v.fail(OutcomeSlow, failedSlow, "took %v, expected at most %v", res.Total.Round(time.Millisecond), t.Expect.Within)
	}
}

func (r *run) judgeStatus(v verdict, got int) {
	status := r.target.expectedStatus()
	if slices.ContainsFunc(status, func(s StatusRange) bool { return s.Low <= got && got <= s.High }) {
		return
	}
	want := make([]string, len(status))
	for i, s := range status {
		want[i] = s.String()
	}
	v.fail(OutcomeStatus, failedStatus, "status %d, expected %s", got, strings.Join(want, ", "))
}

func (r *run) judgeHeader(v verdict) {
	for _, f := range r.target.Expect.Header {
		present, contained := r.answer.fieldIs(f.Name, func(value []byte) bool { return bytes.Contains(value, []byte(f.Value)) })
		switch {
		case !present:
			v.fail(OutcomeHeader, failedHeader, "no header %s", f.Name)
		case !contained:
			v.fail(OutcomeHeader, failedHeader, "header %s does not contain %s", f.Name, quote(f.Value))
		}
	}
	for _, f := range r.target.Expect.HeaderMatches {
		present, matched := r.answer.fieldIs(f.Name, f.Value.Match)
		switch {
		case !present:
			v.fail(OutcomeHeader, failedHeaderRegex, "no header %s", f.Name)
		case !matched:
			v.fail(OutcomeHeader, failedHeaderRegex, "header %s does not match %s", f.Name, quote(f.Value.String()))
		}
	}
}

func (r *run) judgeBody(v verdict) {
	e, a := &r.target.Expect, r.answer
	body, whole, note := a.examined(r.target.Compression)
	all := fmt.Sprintf("the body of %d bytes%s", a.bodySize, note)
	looked := all
	if !whole {
		looked = fmt.Sprintf("the first %d bytes of the body%s", len(body), note)
	}
	if e.BodyContains != "" {
		found, where := a.search.found, all
		if r.target.Compression {
			found, where = bytes.Contains(body, []byte(e.BodyContains)), looked
		}
		if !found {
			v.fail(OutcomeBody, failedBody, "%s is not in %s", quote(e.BodyContains), where)
		}
	}
	if e.FirstLine != "" {
		line, _, _ := bytes.Cut(body, []byte("\n"))
		if string(bytes.TrimSuffix(line, []byte("\r"))) != e.FirstLine {
			v.fail(OutcomeBody, failedFirstLine, "first line is not %s%s", quote(e.FirstLine), note)
		}
	}
	if e.BodyMatches != nil && !e.BodyMatches.Match(body) {
		v.fail(OutcomeBody, failedBodyRegex, "nothing matches %s in %s", quote(e.BodyMatches.String()), looked)
	}
	if len(e.JSON) == 0 {
		return
	}
	if !whole {
		v.fail(OutcomeBody, failedJSON, "body is longer than %d bytes, too long to be read as JSON", e.BodyLimit)
		return
	}
	if err := judgeJSON(e.JSON, body); err != nil {
		v.fail(OutcomeBody, failedJSON, "%v%s", err, note)
	}
}

// coding is the content coding of the answer, empty if there is none.
func (a *answer) coding() string {
	coding := string(bytes.ToLower(a.field("Content-Encoding")))
	if coding == "identity" {
		return ""
	}
	return coding
}

func notDecoded(coding string) string {
	return ", which came encoded as " + quote(coding) + " and is not decoded"
}

// examined is the beginning of the body, as much as is looked at, decoded if that was asked for; and whether it is all of it.
// Where that is not what the server meant, note says why.
func (a *answer) examined(decode bool) (body []byte, whole bool, note string) {
	whole = a.bodySize <= a.keep
	switch coding := a.coding(); {
	case coding == "":
		return a.kept, whole, ""
	case !decode || coding != "gzip" && coding != "x-gzip":
		return a.kept, whole, notDecoded(coding)
	}
	decoded := bytes.NewBuffer(make([]byte, 0, min(a.keep, 4*int64(len(a.kept)))))
	in, err := gzip.NewReader(bytes.NewReader(a.kept))
	if err == nil {
		_, err = io.Copy(decoded, io.LimitReader(in, a.keep+1))
	}
	body = decoded.Bytes()
	if int64(len(body)) > a.keep {
		return body[:a.keep], false, ""
	}
	if err != nil && !(errors.Is(err, io.ErrUnexpectedEOF) && !whole) {
		return body, true, fmt.Sprintf(", which can not be decoded: %v", err)
	}
	return body, whole, ""
}
