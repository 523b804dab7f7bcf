package probe

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// request is what one hop sends, and where to. It is immutable: the first hop's is shared by all probes of a target.
type request struct {
	url    *url.URL
	clean  string // CleanURL of it
	method string
	body   []byte

	secure     bool
	host       string     // in ASCII, without brackets
	addr       netip.Addr // of a host that is a literal address
	port       uint16
	serverName string

	// wire is the request line and the header, and also the body where that is short: both then leave in one packet, as
	// with curl. rest is a long body.
	wire, rest []byte
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

func (q *request) origin() origin { return origin{q.secure, q.host, q.port} }

// request makes the request of a hop to u.
func (p *Prober) request(u *url.URL, method string, body []byte) (*request, error) {
	q := &request{url: u, clean: CleanURL(u), method: method, body: body}
	switch {
	case strings.EqualFold(u.Scheme, "http"):
		q.port = 80
	case strings.EqualFold(u.Scheme, "https"):
		q.port, q.secure = 443, true
	default:
		return nil, fmt.Errorf("scheme %s is neither http nor https", quote(u.Scheme))
	}
	defaultPort := q.port
	if s := u.Port(); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return nil, errors.New("port is not between 1 and 65535")
		}
		q.port = uint16(n)
	}
	hostHeader, err := q.setHost(u)
	if err != nil {
		return nil, err
	}
	if q.port != defaultPort {
		hostHeader += ":" + strconv.Itoa(int(q.port))
	}
	home := p.first == nil || p.first.origin() == q.origin() // the target's own
	q.serverName = strings.TrimSuffix(q.host, ".")
	if q.addr.IsValid() {
		q.serverName = q.addr.WithZone("").String()
	}
	if p.target.ServerName != "" && (p.first == nil || p.first.host == q.host) {
		q.serverName = p.target.ServerName
	}
	q.wire = p.header(q, hostHeader, home)
	if len(body) <= shortBody {
		q.wire = append(q.wire, body...)
	} else {
		q.rest = body
	}
	return q, nil
}

// setHost reads the host of u and returns it as it stands in a Host field, without a port.
func (q *request) setHost(u *url.URL) (string, error) {
	name := u.Hostname()
	if u.Opaque != "" || name == "" {
		return "", errors.New("url has no host")
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		q.host, q.addr = name, addr.Unmap()
		if addr.Is4() {
			return name, nil
		}
		return "[" + addr.WithZone("").String() + "]", nil // the zone has a meaning on this machine only
	}
	q.host = strings.ToLower(name)
	for i := range len(name) {
		if name[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(name)
			if err != nil {
				return "", fmt.Errorf("host name %s has no form in ASCII", quote(name))
			}
			q.host = ascii
			break
		}
	}
	for i := range len(q.host) {
		if c := q.host[i]; !isAlphanumeric(c) && !strings.ContainsRune("-._~", rune(c)) {
			return "", fmt.Errorf("host name %s has a character that no name can have", quote(name))
		}
	}
	return q.host, nil
}

// header is the request line and the header of q, in curl's order.
func (p *Prober) header(q *request, hostHeader string, home bool) []byte {
	t := &p.target
	// A request that a redirect turned into a GET has lost its body, and what was said about it.
	bodyLost := len(q.body) == 0 && len(t.Body) > 0
	var own []Field
	given := map[string]bool{}
	for _, f := range t.Header {
		name := strings.ToLower(f.Name)
		switch {
		case name == "host" && p.first != nil && p.first.host != q.host:
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
	b := make([]byte, 0, 512)
	b = append(append(b, q.method...), ' ')
	path := escapedPath(q.url)
	if !strings.HasPrefix(path, "/") {
		b = append(b, '/')
	}
	b = append(b, path...)
	if q.url.RawQuery != "" || q.url.ForceQuery {
		b = append(append(b, '?'), escapeUnfit(q.url.RawQuery)...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	add := func(name, value string) {
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	}
	if !given["host"] {
		add("Host", hostHeader)
	}
	user := q.url.User
	if user == nil && home {
		user = t.URL.User // a redirect to the same place by its whole address needs no less authorization
	}
	if user != nil && !given["authorization"] {
		password, _ := user.Password()
		add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if !given["user-agent"] {
		add("User-Agent", t.UserAgent)
	}
	if !given["accept"] {
		add("Accept", "*/*")
	}
	for _, f := range own {
		add(f.Name, f.Value)
	}
	if len(q.body) > 0 || q.method == "POST" || q.method == "PUT" || q.method == "PATCH" {
		add("Content-Length", strconv.Itoa(len(q.body)))
	}
	return append(b, "\r\n"...)
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
