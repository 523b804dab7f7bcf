package probe

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expectation is what makes an answer that arrived whole a good one. They are judged in the order of the fields.
type Expectation struct {
	// Status lists the codes that are right. Without any, 2xx are; and where no redirect is followed also 3xx, for then
	// the redirect is the answer that was asked for.
	Status []StatusRange
	// Header fields must be there, and contain the value if that is not empty (the name in any case, the value exactly).
	Header []Field
	// BodyContains must be in the body, byte by byte as it was sent: a compressed body is not decoded, and as long as the
	// target does not ask for one with Accept-Encoding, a server should not send one.
	BodyContains string
	// Within is the longest that the probe may take in all.
	Within time.Duration
}

func (e Expectation) clone() Expectation {
	e.Status = slices.Clone(e.Status)
	e.Header = slices.Clone(e.Header)
	return e
}

func (e *Expectation) check() error {
	for _, r := range e.Status {
		if r.Low < 100 || r.High > 999 || r.Low > r.High {
			return fmt.Errorf("expected status %v is no range of codes", r)
		}
	}
	for _, f := range e.Header {
		if !isToken(f.Name) {
			return fmt.Errorf("expected header name %q is not a token", f.Name)
		}
	}
	if e.Within < 0 {
		return fmt.Errorf("expected time %v is negative", e.Within)
	}
	return nil
}

// StatusRange is a range of status codes, both ends included.
type StatusRange struct {
	Low, High int
}

// ParseStatus reads one code ("200"), one class ("2xx") or a range ("200-299").
func ParseStatus(s string) (StatusRange, error) {
	bad := fmt.Errorf("status %q is none of a code (200), a class (2xx) and a range (200-299)", s)
	if len(s) == 3 && strings.EqualFold(s[1:], "xx") && s[0] >= '1' && s[0] <= '9' {
		class := int(s[0]-'0') * 100
		return StatusRange{class, class + 99}, nil
	}
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	l, errLow := parseCode(low)
	h, errHigh := parseCode(high)
	if errLow != nil || errHigh != nil || l > h {
		return StatusRange{}, bad
	}
	return StatusRange{l, h}, nil
}

func parseCode(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || len(s) != 3 || n < 100 {
		return 0, errors.New("not a status code")
	}
	return int(n), nil
}

func (r StatusRange) String() string {
	switch {
	case r.Low == r.High:
		return strconv.Itoa(r.Low)
	case r.Low%100 == 0 && r.High == r.Low+99:
		return strconv.Itoa(r.Low/100) + "xx"
	}
	return strconv.Itoa(r.Low) + "-" + strconv.Itoa(r.High)
}

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

// judge compares the whole answer with what the target expects. The first failure is the outcome; Failed names all.
func (r *run) judge(res *Result) {
	t, last := &r.target, res.Last()
	fail := func(o Outcome, format string, args ...any) {
		res.Failed = append(res.Failed, o)
		if res.Err == nil {
			res.fail(newError(o, last.Ended, nil, format, args...))
		}
	}
	status := t.expectedStatus()
	if !slices.ContainsFunc(status, func(s StatusRange) bool { return s.Low <= last.Status && last.Status <= s.High }) {
		want := make([]string, len(status))
		for i, s := range status {
			want[i] = s.String()
		}
		fail(OutcomeStatus, "status %d, expected %s", last.Status, strings.Join(want, ", "))
	}
	for _, f := range t.Expect.Header {
		if present, contained := r.answer.fieldContains(f.Name, f.Value); !contained {
			if present {
				fail(OutcomeHeader, "header %s does not contain %s", f.Name, quote(f.Value))
			} else {
				fail(OutcomeHeader, "no header %s", f.Name)
			}
		}
	}
	if res.BodyChecked && !res.BodyMatched {
		encoded := ""
		if coding := r.answer.field("Content-Encoding"); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
			encoded = ", which came encoded as " + quote(string(coding)) + " and is not decoded"
		}
		fail(OutcomeBody, "%s is not in the body of %d bytes%s", quote(t.Expect.BodyContains), last.BodySize, encoded)
	}
	if t.Expect.Within > 0 && res.Total > t.Expect.Within {
		fail(OutcomeSlow, "took %v, expected at most %v", res.Total.Round(time.Millisecond), t.Expect.Within)
	}
}

// search looks for one text in a body that comes in pieces. It keeps no more of the body than could be the beginning of
// the text.
type search struct {
	text  []byte
	tail  []byte
	found bool
}

func (s *search) reset(text string) {
	s.text, s.tail, s.found = append(s.text[:0], text...), s.tail[:0], false
}

func (s *search) write(piece []byte) {
	if s.found || len(s.text) == 0 {
		return
	}
	if bytes.Contains(piece, s.text) {
		s.found = true
		return
	}
	keep := len(s.text) - 1
	s.tail = append(s.tail, piece[:min(len(piece), keep)]...)
	if bytes.Contains(s.tail, s.text) {
		s.found = true
		return
	}
	if len(piece) > keep {
		s.tail = append(s.tail[:0], piece[len(piece)-keep:]...)
	} else if over := len(s.tail) - keep; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
}
