package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

type config struct {
	Concurrency int              `hcl:"concurrency" default:"2000" min:"1" doc:"How many probes may be under way at the same time, those that hang included. What finds no place waits, and is skipped and counted when its next start is due."`
	SelfCheck   *selfCheckConfig `hcl:"self_check,block" doc:"Find out whether the vantage point itself is cut off: points then have vantage_ok = false. It takes two failures at once of all references, and two good checks to be well again."`
	Targets     []targetConfig   `hcl:"target,block" doc:"A site to probe."`
}

type targetConfig struct {
	Name               string            `hcl:"name,label"`
	URL                string            `hcl:"url" doc:"http or https address. A user in it is sent as basic authorization and never shown."`
	App                string            `hcl:"app,optional" doc:"The business that the site belongs to."`
	Labels             map[string]string `hcl:"labels,optional" doc:"Further tags of the target's points, such as line or region."`
	Interval           time.Duration     `hcl:"interval,optional" min:"100ms" doc:"How often it is probed; by default the interval of the plugin block."`
	Retries            int               `hcl:"retries" default:"0" min:"0" max:"10" doc:"How often a probe that failed is tried again, as far as that can end before the next one is due. Each try makes a point of its own, with its number as attempt."`
	RetryDelay         time.Duration     `hcl:"retry_delay" default:"1s" min:"0s" doc:"How long after a failure it is tried again."`
	Method             string            `hcl:"method" default:"GET" doc:"Request method."`
	Headers            map[string]string `hcl:"headers,optional" doc:"Request headers."`
	Body               string            `hcl:"body,optional" doc:"Request body."`
	Timeout            time.Duration     `hcl:"timeout" default:"10s" min:"1ms" doc:"How long a probe may take, redirects and body included."`
	MaxRedirects       int               `hcl:"max_redirects" default:"10" min:"0" doc:"How many redirects are followed; with 0 a redirect is the answer."`
	MaxBody            sdk.Size          `hcl:"max_body" default:"10MiB" min:"1B" doc:"The longest body that is read; a longer one ends the probe."`
	Family             string            `hcl:"family" default:"any" one_of:"any,ipv4,ipv6" doc:"Addresses to use; any takes both families, and the one that connects first."`
	CAFile             sdk.Path          `hcl:"ca_file,optional" doc:"Certificates to trust instead of the system's, in PEM."`
	ServerName         string            `hcl:"server_name,optional" doc:"Name to ask for and to verify in TLS instead of the address's."`
	InsecureSkipVerify bool              `hcl:"insecure_skip_verify" default:"false" doc:"Report certificates without judging them."`
	Expect             *expectConfig     `hcl:"expect,block" doc:"What makes an answer a good one."`
}

type expectConfig struct {
	Status       []string          `hcl:"status,optional" doc:"Right status codes: 200, 2xx or 200-299. By default 2xx, and 3xx where no redirect is followed."`
	Headers      map[string]string `hcl:"headers,optional" doc:"Headers that must be there and contain the value; an empty value asks only for the header."`
	BodyContains string            `hcl:"body_contains,optional" doc:"Text that must be in the body."`
	Within       time.Duration     `hcl:"within,optional" doc:"The longest that the probe may take in all."`
}

// target is what is probed, with the tags of its points.
type target struct {
	prober *probe.Prober
	tags   [][2]string
	// matches says that the target expects a text in the body.
	matches bool

	interval, timeout, retryDelay time.Duration
	retries                       int
}

var families = map[string]probe.Family{"any": probe.AnyFamily, "ipv4": probe.IPv4, "ipv6": probe.IPv6}

// Validate implements sdk.Validator. The daemon calls it before the plugin runs.
func (c *targetConfig) Validate() error {
	var found []error
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if isTaken(name) {
			found = append(found, at(fmt.Errorf("%q can not be a label, because points have something of that name already", name), "labels", name))
		}
	}
	for _, tag := range [][2]string{{"name", c.Name}, {"app", c.App}} {
		if err := sdk.CheckTag(tag[1]); err != nil {
			found = append(found, at(fmt.Errorf("%s %w", tag[0], err), tag[0]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if err := sdk.CheckTag(c.Labels[name]); err != nil {
			found = append(found, at(fmt.Errorf("the label %q %w", name, err), "labels", name))
		}
	}
	if c.Name == "" {
		found = append(found, at(errors.New("a target without a name can not be told from others"), "name"))
	}
	_, err := c.prober()
	return errors.Join(append(found, err)...)
}

// target is what is probed, of a configuration that is valid.
func (c *targetConfig) target() (*target, error) {
	prober, err := c.prober()
	if err != nil {
		return nil, err
	}
	t := &target{prober: prober, matches: c.Expect != nil && c.Expect.BodyContains != "",
		interval: c.Interval, timeout: c.Timeout, retries: c.Retries, retryDelay: c.RetryDelay}
	t.tags = [][2]string{{"target", c.Name}, {"app", c.App}, {"url", prober.URL()}, {"method", c.Method}}
	if family := families[c.Family]; family != probe.AnyFamily {
		t.tags = append(t.tags, [2]string{"family", strconv.Itoa(int(family))})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		t.tags = append(t.tags, [2]string{name, c.Labels[name]})
	}
	return t, nil
}

// prober checks all that makes a probe. Its errors name the attribute within the block.
func (c *targetConfig) prober() (*probe.Prober, error) {
	address, urlErr := url.Parse(c.URL)
	if urlErr != nil {
		// The error repeats the address, which may hold a password.
		urlErr = at(errors.New("url is no address, such as https://shop.example.com/"), "url")
	}
	pool, poolErr := c.pool()
	expect, expectErr := c.Expect.expectation()
	if err := errors.Join(urlErr, poolErr, expectErr); err != nil {
		return nil, err
	}
	prober, err := probe.New(probe.Target{
		URL:                address,
		Method:             c.Method,
		Header:             fields(c.Headers),
		UserAgent:          probe.DefaultUserAgent + "/" + version,
		Body:               []byte(c.Body),
		Timeout:            c.Timeout,
		MaxRedirects:       c.MaxRedirects,
		MaxBody:            int64(c.MaxBody),
		Family:             families[c.Family],
		RootCAs:            pool,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify,
		Expect:             expect,
	})
	if errors.Is(err, probe.ErrURL) {
		return nil, at(err, "url")
	}
	if err != nil {
		return nil, at(err, attributeOf(err)...)
	}
	return prober, nil
}

// isTaken says whether a label can not have this name. InfluxDB keeps "time" for itself and refuses the point, and where
// a tag and a field share a name, a query gets the one when it means the other.
func isTaken(name string) bool {
	return name == "time" ||
		slices.ContainsFunc(measurement.Tags, func(t sdk.TagSchema) bool { return t.Name == name }) ||
		slices.ContainsFunc(measurement.Fields, func(f sdk.FieldSchema) bool { return f.Name == name })
}

// attributeOf is the attribute that an error of the probe engine begins with. The engine knows no configuration.
func attributeOf(err error) []string {
	for _, known := range []struct {
		beginning string
		path      []string
	}{
		{"method ", []string{"method"}},
		{"header ", []string{"headers"}},
		{"value of header ", []string{"headers"}},
		{"expected header ", []string{"expect", "headers"}},
		{"answer to HEAD ", []string{"expect", "body_contains"}},
	} {
		if strings.HasPrefix(err.Error(), known.beginning) {
			return known.path
		}
	}
	return nil
}

func (c *targetConfig) pool() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(string(c.CAFile))
	if err != nil {
		return nil, at(fmt.Errorf("reading the certificates: %w", err), "ca_file")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, at(fmt.Errorf("%s has no certificate in PEM", c.CAFile), "ca_file")
	}
	return pool, nil
}

func (c *expectConfig) expectation() (probe.Expectation, error) {
	var e probe.Expectation
	if c == nil {
		return e, nil
	}
	var wrong []error
	for i, text := range c.Status {
		r, err := probe.ParseStatus(text)
		if err != nil {
			wrong = append(wrong, at(err, "expect", "status", strconv.Itoa(i)))
			continue
		}
		e.Status = append(e.Status, r)
	}
	e.Header, e.BodyContains, e.Within = fields(c.Headers), c.BodyContains, c.Within
	return e, errors.Join(wrong...)
}

func fields(headers map[string]string) []probe.Field {
	var list []probe.Field
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		list = append(list, probe.Field{Name: name, Value: headers[name]})
	}
	return list
}

// at is an error at an attribute of a target.
func at(err error, path ...string) error { return &sdk.Problem{Path: path, Err: err} }
