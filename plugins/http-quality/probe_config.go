package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

// probeConfig says how a target is probed, wherever its address comes from.
type probeConfig struct {
	App        string            `hcl:"app,optional" doc:"The business that the site belongs to."`
	Labels     map[string]string `hcl:"labels,optional" tags:"true" doc:"Further tags of the target's points, such as line or region."`
	Interval   time.Duration     `hcl:"interval,optional" min:"100ms" doc:"How often it is probed; by default the interval of the plugin block."`
	Retries    int               `hcl:"retries" default:"0" min:"0" max:"10" doc:"How often a probe that failed is tried again, as far as that can end before the next one is due. Each try makes a point of its own, with its number as attempt."`
	RetryDelay time.Duration     `hcl:"retry_delay" default:"1s" min:"0s" doc:"How long after a failure it is tried again."`
	Method     string            `hcl:"method" default:"GET" doc:"Request method."`
	Headers    map[string]string `hcl:"headers,optional" doc:"Request headers."`
	Body       string            `hcl:"body,optional" doc:"Request body."`
	BodyFile   sdk.Path          `hcl:"body_file,optional" doc:"A file that holds the request body. As all files but ca_file, it is read again when it has changed."`

	User            string   `hcl:"user,optional" doc:"User of basic authorization, with password_file."`
	PasswordFile    sdk.Path `hcl:"password_file,optional" doc:"A file whose one line is the password of user."`
	BearerTokenFile sdk.Path `hcl:"bearer_token_file,optional" doc:"A file whose one line is sent as a bearer token."`

	HTTPVersion string `hcl:"http_version" default:"1.1" one_of:"1.1,2,3,auto" doc:"Version of HTTP. 2 is agreed on in TLS, and over plain http spoken without asking; 3 is for https alone; auto takes 2 where the server does, else 1.1."`
	Compression bool   `hcl:"compression" default:"false" doc:"Ask for gzip. Sizes remain those on the wire; what is expected of the body is looked for in what is decoded."`
	Reuse       bool   `hcl:"reuse" default:"false" doc:"Keep the connection for the next probe: then dns, tcp and tls are absent and num_connects is 0. One that the server has ended meanwhile is replaced, visibly."`
	Hops        bool   `hcl:"hops" default:"false" doc:"Make a point http_hop for each request of a chain of redirects as well."`

	Timeout        time.Duration `hcl:"timeout" default:"10s" min:"1ms" doc:"How long a probe may take, redirects and body included."`
	ConnectTimeout time.Duration `hcl:"connect_timeout,optional" min:"1ms" doc:"How long it may take until a connection is ready, name and handshake included, as curl's; by default as long as timeout."`
	MaxBody        sdk.Size      `hcl:"max_body" default:"10MiB" min:"1B" doc:"The longest body that is read; a longer one ends the probe."`

	Redirects      string `hcl:"redirects" default:"follow" one_of:"follow,same_host,none" doc:"Which redirects are followed: all, those to the same host, or none; then the redirect is the answer. One that must not be followed ends the probe."`
	MaxRedirects   int    `hcl:"max_redirects" default:"10" min:"0" doc:"How many redirects are followed; with 0 a redirect is the answer."`
	AllowDowngrade bool   `hcl:"allow_downgrade" default:"true" doc:"Follow redirects from https to http."`

	Family            string   `hcl:"family" default:"any" one_of:"any,ipv4,ipv6,both" doc:"Addresses to use; any takes both families, and the one that connects first; both makes a probe and a point of each."`
	Resolve           string   `hcl:"resolve,optional" doc:"The IP address to connect to, instead of looking the host of url up."`
	DNSServer         string   `hcl:"dns_server,optional" doc:"IP address of the DNS server to ask, with or without a port, instead of the system's. /etc/hosts is read first."`
	SourceAddress     string   `hcl:"source_address,optional" doc:"Own IP address to send from, also to DNS servers. It decides on the family."`
	Interface         string   `hcl:"interface,optional" doc:"Network interface to go over, also to DNS servers (SO_BINDTODEVICE). Linux only."`
	Mark              int      `hcl:"mark" default:"0" min:"0" max:"4294967295" doc:"Mark of the packets, also to DNS servers, for the system's rules of routing (SO_MARK). Linux only, and needs CAP_NET_ADMIN."`
	Proxy             string   `hcl:"proxy,optional" sensitive:"true" doc:"Address of an http or socks5 proxy, such as http://user@proxy.example.com:3128. It looks up the host of url; dns and tcp are of the proxy."`
	ProxyPasswordFile sdk.Path `hcl:"proxy_password_file,optional" doc:"A file whose one line is the password of the user in proxy."`

	CAFile             sdk.Path `hcl:"ca_file,optional" doc:"Certificates to trust instead of the system's, in PEM."`
	CertFile           sdk.Path `hcl:"cert_file,optional" doc:"The client's certificate, in PEM, for servers that ask for one."`
	KeyFile            sdk.Path `hcl:"key_file,optional" doc:"The key of cert_file, in PEM."`
	ServerName         string   `hcl:"server_name,optional" doc:"Name to ask for and to verify in TLS instead of the address's."`
	InsecureSkipVerify bool     `hcl:"insecure_skip_verify" default:"false" doc:"Report certificates without judging them."`
	MinTLSVersion      string   `hcl:"min_tls_version" default:"1.2" one_of:"1.0,1.1,1.2,1.3" doc:"The least version of TLS."`
	PostQuantum        bool     `hcl:"post_quantum" default:"false" doc:"Offer key exchange with ML-KEM too, as browsers do. It makes a second packet of the first message and costs processor time."`

	Expect *expectConfig `hcl:"expect,block" doc:"What makes an answer a good one. All of it is judged."`
}

var (
	families    = map[string]probe.Family{"any": probe.AnyFamily, "ipv4": probe.IPv4, "ipv6": probe.IPv6}
	versions    = map[string]probe.Version{"1.1": probe.HTTP1, "2": probe.HTTP2, "3": probe.HTTP3, "auto": probe.AnyVersion}
	tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
)

// check says what is wrong with a way of probing this address.
func (c *probeConfig) check(address string, known *shared) []error {
	var found []error
	names := slices.Sorted(maps.Keys(c.Labels))
	for _, name := range names {
		if isTaken(name) {
			found = append(found, at(fmt.Errorf("%q can not be a label, because points have something of that name already", name), "labels", name))
		}
	}
	if err := sdk.CheckTag(c.App); err != nil {
		found = append(found, at(fmt.Errorf("app %w", err), "app"))
	}
	for _, name := range names {
		if err := sdk.CheckTag(c.Labels[name]); err != nil {
			found = append(found, at(fmt.Errorf("the label %q %w", name, err), "labels", name))
		}
	}
	for _, family := range c.families() {
		if _, err := c.prober(address, family, known); err != nil {
			found = append(found, err)
			break // most of it would be said again of the other family
		}
	}
	return found
}

// families are those that are probed by themselves.
func (c *probeConfig) families() []probe.Family {
	if c.Family == "both" {
		return []probe.Family{probe.IPv4, probe.IPv6}
	}
	return []probe.Family{families[c.Family]}
}

// targets are what is probed at an address, by a configuration that is valid: one, or one for each family. A target without a
// name has that of its address.
func (c *probeConfig) targets(name, address string, known *shared) ([]target, error) {
	var all []target
	for _, family := range c.families() {
		prober, err := c.prober(address, family, known)
		if err != nil {
			return nil, err
		}
		m, err := c.manner(family, known)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = prober.URL()
		}
		t := target{manner: m, prober: *prober, name: name}
		t.key = t.series()
		all = append(all, t)
	}
	return all, nil
}

func (c *probeConfig) manner(family probe.Family, known *shared) (*manner, error) {
	key, err := c.key(family)
	if err != nil {
		return nil, err
	}
	if m := known.manners[key]; m != nil {
		return m, nil
	}
	m := &manner{app: c.App, tags: [][2]string{{"method", c.Method}}, matches: c.Expect.ofBody(), hops: c.Hops,
		interval: c.Interval, timeout: c.Timeout, retries: c.Retries, retryDelay: c.RetryDelay}
	if m.interval == 0 {
		m.interval = known.interval
	}
	if family != probe.AnyFamily {
		m.tags = append(m.tags, [2]string{"family", strconv.Itoa(int(family))})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		m.tags = append(m.tags, [2]string{name, c.Labels[name]})
	}
	known.manners[key] = m
	return m, nil
}

// prober checks all that makes a probe. Its errors name the attribute within the block.
func (c *probeConfig) prober(address string, family probe.Family, known *shared) (*probe.Prober, error) {
	var wrong []error
	u := parseAddress("url", address, "https://shop.example.com/", &wrong)
	key, err := c.request().key(family)
	if err != nil {
		return nil, err
	}
	if like := known.probers[key]; like != nil && u != nil {
		return attributed(like.Another(u))
	}
	t := probe.Target{
		URL:                u,
		Method:             c.Method,
		Header:             fields(c.Headers),
		UserAgent:          probe.DefaultUserAgent + "/" + version,
		Body:               []byte(c.Body),
		BodyFile:           string(c.BodyFile),
		User:               c.User,
		PasswordFile:       string(c.PasswordFile),
		TokenFile:          string(c.BearerTokenFile),
		Compression:        c.Compression,
		Version:            versions[c.HTTPVersion],
		Reuse:              c.Reuse,
		Timeout:            c.Timeout,
		ConnectTimeout:     c.ConnectTimeout,
		MaxBody:            int64(c.MaxBody),
		MaxRedirects:       c.MaxRedirects,
		SameHost:           c.Redirects == "same_host",
		NoDowngrade:        !c.AllowDowngrade,
		Family:             family,
		Address:            ip("resolve", c.Resolve, &wrong),
		Resolver:           dnsServer(c.DNSServer, &wrong),
		Line:               probe.Line{Source: ip("source_address", c.SourceAddress, &wrong), Interface: c.Interface, Mark: uint32(c.Mark)},
		ProxyPasswordFile:  string(c.ProxyPasswordFile),
		RootCAs:            known.pools.of(c.CAFile, &wrong),
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify,
		MinTLS:             tlsVersions[c.MinTLSVersion],
		PostQuantum:        c.PostQuantum,
		CertFile:           string(c.CertFile),
		KeyFile:            string(c.KeyFile),
		Expect:             c.Expect.expectation(&wrong),
	}
	if c.Redirects == "none" {
		t.MaxRedirects = 0
	}
	if c.Proxy != "" {
		t.Proxy = parseAddress("proxy", c.Proxy, "http://proxy.example.com:3128", &wrong)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	prober, err := attributed(probe.New(t))
	if err == nil {
		known.probers[key] = prober
	}
	return prober, err
}

// attributed names the attribute that the probe engine complains of.
func attributed(prober *probe.Prober, err error) (*probe.Prober, error) {
	if errors.Is(err, probe.ErrURL) {
		return nil, at(err, "url")
	}
	if err != nil {
		return nil, at(err, attributeOf(err)...)
	}
	return prober, nil
}

// parseAddress reads an address. The error does not repeat it, for it may hold a password.
func parseAddress(attribute, text, example string, wrong *[]error) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		*wrong = append(*wrong, at(fmt.Errorf("%s is no address, such as %s", attribute, example), attribute))
	}
	return u
}

func ip(attribute, text string, wrong *[]error) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		*wrong = append(*wrong, at(fmt.Errorf("%s %q is no IP address", attribute, text), attribute))
	}
	return addr
}

// dnsServer reads an IP address with or without a port.
func dnsServer(text string, wrong *[]error) netip.AddrPort {
	const attribute, port = "dns_server", 53
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at
	}
	if addr := ip(attribute, text, wrong); addr.IsValid() {
		return netip.AddrPortFrom(addr, port)
	}
	return netip.AddrPort{}
}

// isTaken says whether a label can not have this name. InfluxDB keeps "time" for itself and refuses the point, and where
// a tag and a field share a name, a query gets the one when it means the other.
func isTaken(name string) bool {
	return name == "time" || slices.ContainsFunc([]sdk.Measurement{measurement, hopMeasurement}, func(m sdk.Measurement) bool {
		return slices.ContainsFunc(m.Tags, func(t sdk.TagSchema) bool { return t.Name == name }) ||
			slices.ContainsFunc(m.Fields, func(f sdk.FieldSchema) bool { return f.Name == name })
	})
}

// attributeOf is the attribute that an error of the probe engine begins with. The engine knows no configuration.
func attributeOf(err error) []string {
	for _, known := range []struct {
		beginning string
		path      []string
	}{
		{"method ", []string{"method"}},
		{"header to match ", []string{"expect", "header_regex"}},
		{"header ", []string{"headers"}},
		{"value of header ", []string{"headers"}},
		{"body is given ", []string{"body_file"}},
		{"reading the body", []string{"body_file"}},
		{"user ", []string{"user"}},
		{"password file ", []string{"password_file"}},
		{"reading the password of the proxy", []string{"proxy_password_file"}},
		{"reading the password", []string{"password_file"}},
		{"reading the bearer token", []string{"bearer_token_file"}},
		{"authorization ", []string{"url"}},
		{"version ", []string{"http_version"}},
		{"connect timeout ", []string{"connect_timeout"}},
		{"address to connect to ", []string{"resolve"}},
		{"source address ", []string{"source_address"}},
		{"interface ", []string{"interface"}},
		{"proxy password ", []string{"proxy_password_file"}},
		{"proxy", []string{"proxy"}},
		{"reading the client's key", []string{"key_file"}},
		{"client's certificate ", []string{"cert_file"}},
		{"reading the client's certificate", []string{"cert_file"}},
		{"certificate is expected ", []string{"expect", "cert_days"}},
		{"expected header ", []string{"expect", "headers"}},
		{"expected first line ", []string{"expect", "first_line"}},
		{"answer to HEAD ", []string{"expect"}},
	} {
		if strings.HasPrefix(err.Error(), known.beginning) {
			return known.path
		}
	}
	return nil
}

// pools are the certificates of files, each read once: thousands of targets may name the same.
type pools map[sdk.Path]*x509.CertPool

// of is the pool of a file; that of the system without one.
func (p pools) of(file sdk.Path, wrong *[]error) *x509.CertPool {
	if pool, known := p[file]; known || file == "" {
		return pool
	}
	pool, err := readPool(string(file))
	if err != nil {
		*wrong = append(*wrong, at(err, "ca_file"))
		return nil
	}
	p[file] = pool
	return pool
}

func readPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", path)
	}
	return pool, nil
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
