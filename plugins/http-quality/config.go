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
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

type config struct {
	Concurrency int            `hcl:"concurrency" default:"64" doc:"How many probes may run at the same time."`
	Targets     []targetConfig `hcl:"target,block" doc:"A site to probe."`
}

type targetConfig struct {
	Name               string            `hcl:"name,label"`
	URL                string            `hcl:"url" doc:"http or https address. A user in it is sent as basic authorization and never shown."`
	App                string            `hcl:"app,optional" doc:"The business that the site belongs to."`
	Labels             map[string]string `hcl:"labels,optional" doc:"Further tags of the target's points, such as line or region."`
	Method             string            `hcl:"method" default:"GET" doc:"Request method."`
	Headers            map[string]string `hcl:"headers,optional" doc:"Request headers."`
	Body               string            `hcl:"body,optional" doc:"Request body."`
	Timeout            time.Duration     `hcl:"timeout" default:"10s" doc:"How long a probe may take, redirects and body included."`
	MaxRedirects       int               `hcl:"max_redirects" default:"10" doc:"How many redirects are followed; with 0 a redirect is the answer."`
	MaxBody            int64             `hcl:"max_body" default:"10485760" doc:"The longest body that is read, in bytes; a longer one ends the probe."`
	Family             string            `hcl:"family" default:"any" doc:"ipv4, ipv6, or any: both, and the one that connects first."`
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
}

var families = map[string]probe.Family{"any": probe.AnyFamily, "ipv4": probe.IPv4, "ipv6": probe.IPv6}

// target checks what the schema can not say. Its errors name the attribute within the block.
func (c *targetConfig) target() (*target, error) {
	family, ok := families[c.Family]
	if !ok {
		return nil, at(fmt.Errorf("family is %q, but must be any, ipv4 or ipv6", c.Family), "family")
	}
	address, err := url.Parse(c.URL)
	if err != nil {
		// The error repeats the address, which may hold a password.
		return nil, at(errors.New("it is no URL"), "url")
	}
	pool, err := c.pool()
	if err != nil {
		return nil, at(err, "ca_file")
	}
	expect, err := c.Expect.expectation()
	if err != nil {
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
		MaxBody:            c.MaxBody,
		Family:             family,
		RootCAs:            pool,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify,
		Expect:             expect,
	})
	if errors.Is(err, probe.ErrURL) {
		return nil, at(err, "url")
	}
	if err != nil {
		return nil, err
	}
	t := &target{prober: prober, matches: expect.BodyContains != ""}
	t.tags = [][2]string{{"target", c.Name}, {"app", c.App}, {"url", prober.URL()}, {"method", c.Method}}
	if family != probe.AnyFamily {
		t.tags = append(t.tags, [2]string{"family", strconv.Itoa(int(family))})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if isTaken(name) {
			return nil, at(fmt.Errorf("%q can not be a label, because points have something of that name already", name), "labels")
		}
		t.tags = append(t.tags, [2]string{name, c.Labels[name]})
	}
	return t, nil
}

// isTaken says whether a label can not have this name. InfluxDB keeps "time" for itself and refuses the point, and where
// a tag and a field share a name, a query gets the one when it means the other.
func isTaken(name string) bool {
	return name == "time" ||
		slices.ContainsFunc(measurement.Tags, func(t sdk.TagSchema) bool { return t.Name == name }) ||
		slices.ContainsFunc(measurement.Fields, func(f sdk.FieldSchema) bool { return f.Name == name })
}

func (c *targetConfig) pool() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(string(c.CAFile))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", c.CAFile)
	}
	return pool, nil
}

func (c *expectConfig) expectation() (probe.Expectation, error) {
	var e probe.Expectation
	if c == nil {
		return e, nil
	}
	for _, text := range c.Status {
		r, err := probe.ParseStatus(text)
		if err != nil {
			return e, at(err, "expect", "status")
		}
		e.Status = append(e.Status, r)
	}
	e.Header, e.BodyContains, e.Within = fields(c.Headers), c.BodyContains, c.Within
	return e, nil
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
