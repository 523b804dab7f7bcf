package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

type expectConfig struct {
	Status       []string          `hcl:"status,optional" doc:"Right status codes: 200, 2xx or 200-299. By default 2xx, and 3xx where no redirect is followed."`
	Headers      map[string]string `hcl:"headers,optional" doc:"Headers that must be there and contain the value; an empty value asks only for the header."`
	HeaderRegex  map[string]string `hcl:"header_regex,optional" doc:"Headers that must be there with a value that the regular expression (RE2) matches."`
	BodyContains string            `hcl:"body_contains,optional" doc:"Text that must be in the body."`
	BodyRegex    string            `hcl:"body_regex,optional" doc:"Regular expression (RE2) that must match somewhere in the body."`
	FirstLine    string            `hcl:"first_line,optional" doc:"What the first line of the body must be, without its end."`
	JSON         map[string]string `hcl:"json,optional" doc:"JSON paths (RFC 9535) that must select something in the body, and something with this value unless that is empty: a string by its text, anything else as JSON writes it."`
	BodyLimit    sdk.Size          `hcl:"body_limit" default:"1MiB" min:"1B" doc:"How much of the body is kept to be looked at, and with compression decoded, for all but body_contains in a body that is not compressed. JSON must be shorter."`
	CertDays     float64           `hcl:"cert_days" default:"0" min:"0" doc:"For how many days all certificates that the server sends must still be valid."`
	Within       time.Duration     `hcl:"within,optional" doc:"The longest that the probe may take in all."`
}

// ofBody tells whether anything is expected of the body.
func (c *expectConfig) ofBody() bool {
	return c != nil && (c.BodyContains != "" || c.BodyRegex != "" || c.FirstLine != "" || len(c.JSON) > 0)
}

func (c *expectConfig) expectation(wrong *[]error) probe.Expectation {
	var e probe.Expectation
	if c == nil {
		return e
	}
	fail := func(err error, path ...string) {
		*wrong = append(*wrong, at(err, append([]string{"expect"}, path...)...))
	}
	for i, text := range c.Status {
		r, err := probe.ParseStatus(text)
		if err != nil {
			fail(err, "status", strconv.Itoa(i))
			continue
		}
		e.Status = append(e.Status, r)
	}
	compile := func(text string, path ...string) *regexp.Regexp {
		expression, err := regexp.Compile(text)
		if err != nil {
			fail(fmt.Errorf("regular expression: %w", err), path...)
		}
		return expression
	}
	for _, name := range slices.Sorted(maps.Keys(c.HeaderRegex)) {
		if expression := compile(c.HeaderRegex[name], "header_regex", name); expression != nil {
			e.HeaderMatches = append(e.HeaderMatches, probe.FieldMatch{Name: name, Value: expression})
		}
	}
	if c.BodyRegex != "" {
		e.BodyMatches = compile(c.BodyRegex, "body_regex")
	}
	for _, path := range slices.Sorted(maps.Keys(c.JSON)) {
		parsed, err := probe.ParseJSONPath(path, c.JSON[path])
		if err != nil {
			fail(err, "json", path)
			continue
		}
		e.JSON = append(e.JSON, parsed)
	}
	e.Header, e.BodyContains, e.FirstLine, e.BodyLimit = fields(c.Headers), c.BodyContains, c.FirstLine, int64(c.BodyLimit)
	e.CertValid, e.Within = time.Duration(c.CertDays*24*float64(time.Hour)), c.Within
	return e
}
