package probe

import (
	"bytes"
	"time"
)

// follow makes the next hop's request, where the answer to q is a redirect that is to be followed; otherwise it returns nil.
// A 3xx without a Location, or one that asks for no other request (300, 304), is an answer as any other.
func (r *run) follow(q *request) (*request, *Error) {
	switch r.hop.Status {
	case 301, 302, 303, 307, 308:
	default:
		return nil, nil
	}
	location := bytes.TrimSpace(r.answer.field("Location"))
	if len(location) == 0 {
		return nil, nil
	}
	// The text of a parser's error holds the address and whatever credentials are in it, so it is not passed on.
	fail := func(format string, args ...any) (*request, *Error) {
		if r.target.MaxRedirects == 0 {
			return nil, nil
		}
		return nil, newError(OutcomeRedirect, r.hop.Ended, nil, format, args...)
	}
	next, err := q.url.Parse(string(location))
	if err != nil {
		return fail("redirect %d to an address that can not be parsed (%d bytes)", r.hop.Status, len(location))
	}
	r.hop.Location = CleanURL(next)
	to := clip(r.hop.Location, maxQuoted)
	if r.hops >= r.target.MaxRedirects {
		return fail("more than %d redirects: the next leads to %s", r.target.MaxRedirects, to)
	}
	method, body := redirected(r.hop.Status, q.method, q.body)
	request, err := r.request(next, method, body, &r.secrets, r.first)
	switch {
	case err != nil:
		return fail("redirect %d to %s: %v", r.hop.Status, to, err)
	case r.target.SameHost && !request.atHome(r.first):
		return fail("redirect %d to %s: it leads to another host, which the target does not allow", r.hop.Status, to)
	case r.target.NoDowngrade && q.secure && !request.secure:
		return fail("redirect %d to %s: it leads from https to http, which the target does not allow", r.hop.Status, to)
	}
	if request.secure && !q.secure {
		// They may not have been needed before. If they can not be read, verification fails and says so.
		began := time.Now()
		_ = r.readRoots()
		r.corrected += time.Since(began)
	}
	return request, nil
}

// redirected is what becomes of a method and a body, as with curl -L: 303 asks for the answer elsewhere; 301 and 302 were
// meant to keep the method, but every browser turns a POST into a GET, and servers count on it.
func redirected(status int, method string, body []byte) (string, []byte) {
	if status == 303 && method != "HEAD" || (status == 301 || status == 302) && method == "POST" {
		return "GET", nil
	}
	return method, body
}
