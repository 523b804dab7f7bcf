package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// request is what one hop sends, and where to. It is immutable.
type request struct {
	url    *url.URL
	clean  string // CleanURL of it
	method string
	body   []byte

	secure     bool
	to         endpoint
	serverName string

	authority string  // host, and the port if it is not the scheme's own
	path      string  // and the query
	fields    []Field // of the header, in curl's order, Host included

	// wire is the request line and the header in HTTP/1.1, and also the body where that is short: both then leave in one
	// packet, as with curl. rest is a long body.
	wire, rest []byte
	headSize   int // bytes of wire that are not body
}

// shortBody is the length, in bytes, up to which a body is sent together with the header; with it they fit in one record
// of TLS.
const shortBody = 12 << 10

// origin is where credentials may go: curl, too, counts another scheme or port of the same host as another place.
type origin struct {
	secure bool
	host   string
	port   uint16
}

func (q *request) origin() origin { return origin{q.secure, q.to.host, q.to.port} }

// firstRequest is that of the first hop. If that can not be made it returns one that is good for the record alone.
func (r *run) firstRequest() (*request, *Error) {
	u := r.url()
	s, err := r.readSecrets()
	if err == nil {
		var q *request
		if q, err = r.request(u, r.target.Method, s.body, &s, nil); err == nil {
			r.first, r.secrets = q, s
			return q, nil
		}
	}
	secure := strings.EqualFold(u.Scheme, "https")
	return &request{clean: r.clean, method: r.target.Method, secure: secure}, newError(OutcomeSend, PhaseDNS, err, "%v", err)
}

// request makes the request of a hop to u, after the first one, which is nil if this is it.
func (p *Prober) request(u *url.URL, method string, body []byte, s *secrets, first *request) (*request, error) {
	q := &request{url: u, clean: p.clean, method: method, body: body}
	if first != nil {
		q.clean = CleanURL(u)
	}
	switch {
	case strings.EqualFold(u.Scheme, "http"):
		q.to.port = 80
	case strings.EqualFold(u.Scheme, "https"):
		q.to.port, q.secure = 443, true
	default:
		return nil, fmt.Errorf("scheme %s is neither http nor https", quote(u.Scheme))
	}
	defaultPort := q.to.port
	if err := q.to.setPort(u); err != nil {
		return nil, err
	}
	host, err := q.to.setHost(u)
	if err != nil {
		return nil, err
	}
	q.authority = host
	if q.to.port != defaultPort {
		q.authority += ":" + strconv.Itoa(int(q.to.port))
	}
	q.serverName = strings.TrimSuffix(q.to.host, ".")
	if q.to.addr.IsValid() {
		q.serverName = q.to.addr.WithZone("").String()
	}
	if q.atHome(first) {
		if p.target.ServerName != "" {
			q.serverName = p.target.ServerName
		}
		if p.target.Address.IsValid() {
			q.to.addr = p.target.Address
		}
	}
	q.setPath(u)
	p.setFields(q, s, first)
	q.wire = p.head(q, s)
	q.headSize = len(q.wire)
	if len(body) <= shortBody {
		q.wire = append(q.wire, body...)
	} else {
		q.rest = body
	}
	return q, nil
}

// atHome tells whether q goes to the target's own host, that of the first request.
func (q *request) atHome(first *request) bool { return first == nil || first.to.host == q.to.host }

func (e *endpoint) setPort(u *url.URL) error {
	if s := u.Port(); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return errors.New("port is not between 1 and 65535")
		}
		e.port = uint16(n)
	}
	return nil
}

// setHost reads the host of u and returns it as it stands in a Host field, without a port.
func (e *endpoint) setHost(u *url.URL) (string, error) {
	name := u.Hostname()
	if u.Opaque != "" || name == "" {
		return "", errors.New("url has no host")
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		e.host, e.addr = name, addr.Unmap()
		if addr.Is4() {
			return name, nil
		}
		return "[" + addr.WithZone("").String() + "]", nil // the zone has a meaning on this machine only
	}
	e.host = strings.ToLower(name)
	for i := range len(name) {
		if name[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(name)
			if err != nil {
				return "", fmt.Errorf("host name %s has no form in ASCII", quote(name))
			}
			e.host = ascii
			break
		}
	}
	for i := range len(e.host) {
		if c := e.host[i]; !isAlphanumeric(c) && !strings.ContainsRune("-._~", rune(c)) {
			return "", fmt.Errorf("host name %s has a character that no name can have", quote(name))
		}
	}
	return e.host, nil
}

func (q *request) setPath(u *url.URL) {
	q.path = escapedPath(u)
	if !strings.HasPrefix(q.path, "/") {
		q.path = "/" + q.path
	}
	if u.RawQuery != "" || u.ForceQuery {
		q.path += "?" + escapeUnfit(u.RawQuery)
	}
}

// setFields makes the fields of the header, in curl's order.
func (p *Prober) setFields(q *request, s *secrets, first *request) {
	t := &p.target
	home := first == nil || first.origin() == q.origin() // the target's own origin
	// A request that a redirect turned into a GET has lost its body, and what was said about it.
	bodyLost := len(q.body) == 0 && len(s.body) > 0
	var own []Field
	given := map[string]bool{}
	for _, f := range t.Header {
		name := strings.ToLower(f.Name)
		switch {
		case name == "host" && !q.atHome(first):
			continue
		case (name == "authorization" || name == "cookie") && !home:
			continue
		case bodyLost && strings.HasPrefix(name, "content-"):
			continue
		}
		given[name] = true
		if f.Value == "" && (name == "user-agent" || name == "accept" || name == "host") {
			continue
		}
		own = append(own, f)
	}
	add := func(name, value string) {
		if !given[strings.ToLower(name)] {
			q.fields = append(q.fields, Field{name, value})
		}
	}
	add("Host", q.authority)
	if user := q.url.User; user != nil && first != nil {
		password, _ := user.Password()
		add("Authorization", basic(user.Username(), password))
	} else if home && s.authorization != "" {
		// A redirect to the same place by its whole address needs no less authorization.
		add("Authorization", s.authorization)
	}
	add("User-Agent", t.UserAgent)
	add("Accept", "*/*")
	if t.Compression {
		add("Accept-Encoding", "gzip")
	}
	q.fields = append(q.fields, own...)
	if len(q.body) > 0 || q.method == "POST" || q.method == "PUT" || q.method == "PATCH" {
		q.fields = append(q.fields, Field{"Content-Length", strconv.Itoa(len(q.body))})
	}
}

// head is the request line and the header in HTTP/1.1.
func (p *Prober) head(q *request, s *secrets) []byte {
	b := make([]byte, 0, 512)
	b = append(append(b, q.method...), ' ')
	proxied := p.proxy != nil && !p.proxy.tunnels(q)
	if proxied {
		b = append(append(b, "http://"...), q.authority...)
	}
	b = append(append(b, q.path...), " HTTP/1.1\r\n"...)
	for i, f := range q.fields {
		b = appendField(b, f.Name, f.Value)
		if proxied && i == 0 && s.proxy != "" {
			b = appendField(b, "Proxy-Authorization", s.proxy)
		}
	}
	if proxied {
		b = appendField(b, "Proxy-Connection", "Keep-Alive")
	}
	return append(b, "\r\n"...)
}

func appendField(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

// escapedPath is the path as the URL was written, so that %2F stays what it is, with what HTTP can not carry escaped.
func escapedPath(u *url.URL) string {
	if plain, err := url.PathUnescape(u.RawPath); u.RawPath != "" && err == nil && plain == u.Path {
		return escapeUnfit(u.RawPath)
	}
	return u.EscapedPath()
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isToken tells whether s may be a method or the name of a header field (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// isFieldValue tells whether s can not end a header field early.
func isFieldValue(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }
