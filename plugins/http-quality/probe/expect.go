package probe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expectation is what makes an answer that arrived whole a good one. All that is expected is judged.
type Expectation struct {
	// Status lists the codes that are right. Without any, 2xx are; and where no redirect is followed also 3xx, for then
	// the redirect is the answer that was asked for.
	Status []StatusRange
	// Header fields must be there, and contain the value if that is not empty (the name in any case, the value exactly).
	Header []Field
	// HeaderMatches are fields that must be there with a value that the expression matches.
	HeaderMatches []FieldMatch

	// What is expected of the body is looked for in the body as it was sent, and where the target asks for compression in the
	// decoded one. BodyContains is looked for in all of it; the others, and with compression all, in its first BodyLimit bytes.

	// BodyContains must be in the body, byte by byte.
	BodyContains string
	// FirstLine must be the first line of the body, without its end.
	FirstLine string
	// BodyMatches must match the body somewhere. The time that takes grows linearly with the body (package regexp).
	BodyMatches *regexp.Regexp
	// JSON must hold of the body, which must be JSON and no longer than BodyLimit.
	JSON []JSONPath
	// BodyLimit is how much of the body is kept to be looked at, in bytes, and DefaultBodyLimit if 0.
	BodyLimit int64

	// CertValid is for how long from now on all certificates of the served chain must be valid.
	CertValid time.Duration
	// Within is the longest that the probe may take in all.
	Within time.Duration
}

// FieldMatch is a field of a header whose value an expression must match.
type FieldMatch struct {
	Name  string
	Value *regexp.Regexp
}

// DefaultBodyLimit is how much of a body is kept to be looked at, in bytes, where the target does not say.
const DefaultBodyLimit = 1 << 20

func (e Expectation) clone() Expectation {
	e.Status = slices.Clone(e.Status)
	e.Header = slices.Clone(e.Header)
	e.HeaderMatches = slices.Clone(e.HeaderMatches)
	e.JSON = slices.Clone(e.JSON)
	return e
}

// ofBody tells whether anything is expected of the body.
func (e *Expectation) ofBody() bool {
	return e.BodyContains != "" || e.FirstLine != "" || e.BodyMatches != nil || len(e.JSON) > 0
}

// keepsBody tells whether the body must be kept, because it can not be looked at while it comes.
func (t *Target) keepsBody() bool {
	e := &t.Expect
	return e.FirstLine != "" || e.BodyMatches != nil || len(e.JSON) > 0 || t.Compression && e.BodyContains != ""
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
	for _, f := range e.HeaderMatches {
		if !isToken(f.Name) || f.Value == nil {
			return fmt.Errorf("header to match %q is not a token, or has no expression", f.Name)
		}
	}
	switch {
	case strings.ContainsAny(e.FirstLine, "\r\n"):
		return errors.New("expected first line has more than one")
	case e.BodyLimit < 0:
		return fmt.Errorf("limit of the body to look at %d is negative", e.BodyLimit)
	case e.CertValid < 0:
		return fmt.Errorf("expected validity %v of certificates is negative", e.CertValid)
	case e.Within < 0:
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
