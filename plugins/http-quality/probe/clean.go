package probe

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of strings that may hold text from the network, in bytes.
const (
	maxErrorText = 400  // a whole error
	maxQuoted    = 200  // one quoted text within it
	maxWord      = 32   // what the other side said in place of what it should have
	maxURLText   = 1024 // a URL, so that a long redirect can not fill the store
)

// secretWords are what makes the name of a query parameter look like that of a secret. A name that merely contains one is
// taken for one as well (apikey, X-Amz-Signature, sessionid): a harmless value hidden is the lesser evil.
var secretWords = [...]string{
	"token", "tkn", "key", "private", "secret", "pass", "pw", "psw", "sig", "hmac", "auth", "bearer", "access", "sess", "cred", "jwt",
	"assertion", "saml",
}

// secretNames are names of query parameters that are secrets by themselves, but within other names are not: the codes and
// tickets of OAuth and CAS, one-time passwords.
var secretNames = [...]string{"code", "otp", "pin", "sid", "ticket"}

// CleanURL is u without what must not be seen: without user, password and fragment, and with "xxx" for the value of each
// query parameter whose name contains, in any case, one of token, tkn, key (but keyword), private, secret, pass, pw, psw, sig, hmac,
// auth, bearer, access, sess, cred, jwt, assertion, saml, or is one of code, otp, pin, sid, ticket, or whose value looks like a query,
// a URL or JSON with such a secret in it. Of an address without a host, in which what stands before an @ is no user to net/url, only
// the scheme is left. It is cut at 1024 bytes.
func CleanURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	if u.Opaque != "" || u.Host == "" && strings.Contains(u.Path, "@") {
		return printable(u.Scheme, maxURLText) + ":xxx"
	}
	c := *u
	c.User, c.Fragment, c.RawFragment = nil, "", ""
	c.RawQuery = cleanQuery(u.RawQuery)
	return printable(c.String(), maxURLText)
}

func cleanQuery(query string) string {
	if query == "" {
		return ""
	}
	var b strings.Builder
	for query != "" {
		pair, rest := query, ""
		separator := strings.IndexAny(query, "&;")
		if separator >= 0 {
			pair, rest = query[:separator], query[separator+1:]
		}
		name, value, hasValue := strings.Cut(pair, "=")
		if !hasValue && hidesSecret(name) {
			name = "xxx"
		}
		b.WriteString(escapeUnfit(name))
		if hasValue {
			b.WriteByte('=')
			if isSecretName(name) || hidesSecret(value) {
				b.WriteString("xxx")
			} else {
				b.WriteString(escapeUnfit(value))
			}
		}
		if separator >= 0 {
			b.WriteByte(query[separator])
		}
		query = rest
	}
	return b.String()
}

func isSecretName(name string) bool {
	plain, err := url.QueryUnescape(name)
	if err != nil {
		return true
	}
	plain = strings.ReplaceAll(strings.ToLower(plain), "keyword", "")
	for _, word := range secretWords {
		if strings.Contains(plain, word) {
			return true
		}
	}
	for _, name := range secretNames {
		// Within a value there is a whole query: see hidesSecret.
		if plain == name || strings.HasPrefix(plain, name+"=") || strings.Contains(plain, "?"+name+"=") || strings.Contains(plain, "&"+name+"=") {
			return true
		}
	}
	return false
}

// hidesSecret tells whether the value of a harmless parameter carries a secret within: the address to return to after a
// login, say, with a token of its own.
func hidesSecret(value string) bool {
	plain, err := url.QueryUnescape(value)
	if err != nil {
		return true
	}
	hasUser := strings.Contains(plain, "@") && strings.ContainsAny(plain, "/:")
	return hasUser || strings.ContainsAny(plain, "=%:") && isSecretName(value)
}

// escapeUnfit makes a path or a query fit for a request line: what url.Parse lets through and HTTP does not is escaped.
func escapeUnfit(s string) string {
	const hex = "0123456789ABCDEF"
	unfit := 0
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			unfit++
		}
	}
	if unfit == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*unfit)
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// quote shows a text of unknown content within an error.
func quote(s string) string { return quoteBeginning(s, maxQuoted) }

// quoteWord shows the first word of what the other side said. The rest may be the request that it sends back, with all that is secret
// in that.
func quoteWord(said string) string {
	if end := strings.IndexAny(said, " \t\r\n"); end >= 0 {
		return quoteBeginning(said, min(end, maxWord))
	}
	return quoteBeginning(said, maxWord)
}

func quoteBeginning(s string, limit int) string {
	cut := clip(s, limit)
	quoted := strconv.Quote(cut)
	if len(cut) < len(s) {
		quoted += "…"
	}
	return quoted
}

// printable replaces what does not belong on a line of text (control and format characters, broken UTF-8) and bounds the
// length.
func printable(s string, limit int) string {
	cut := clip(s, limit)
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, cut)
	if len(cut) < len(s) {
		clean += "…"
	}
	return clean
}

// clip cuts s to at most limit bytes, not within a character.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for back := range min(utf8.UTFMax, limit) {
		if utf8.RuneStart(s[limit-back]) {
			return s[:limit-back]
		}
	}
	return s[:limit]
}
