package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
)

// check tells what is wrong with a target, but for its URL and what is in files.
func (t *Target) check() error {
	for _, check := range []func() error{t.checkRequest, t.checkLimits, t.checkWay, t.checkTLS, t.Expect.check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) checkRequest() error {
	switch {
	case !isToken(t.Method):
		return fmt.Errorf("method %q is not a token", t.Method)
	case t.Method == "CONNECT":
		return errors.New("method CONNECT is for proxies, and asks for no answer")
	case t.Method == "HEAD" && t.Expect.ofBody():
		return errors.New("answer to HEAD has no body that anything could be expected of")
	case !isFieldValue(t.UserAgent):
		return errors.New("user agent has a control character")
	case len(t.Body) > 0 && t.BodyFile != "":
		return errors.New("body is given as well as a file that holds it")
	case t.User != "" && t.PasswordFile == "":
		return errors.New("user is given without a file that holds the password")
	case t.PasswordFile != "" && t.User == "":
		return errors.New("password file is given without a user")
	case strings.ContainsAny(t.User, ":\r\n\x00"):
		return errors.New("user has a colon or a control character")
	}
	authorizations := 0
	for _, given := range []bool{t.URL.User != nil, t.User != "", t.TokenFile != ""} {
		if given {
			authorizations++
		}
	}
	for _, f := range t.Header {
		switch {
		case !isToken(f.Name):
			return fmt.Errorf("header name %q is not a token", f.Name)
		case !isFieldValue(f.Value):
			return fmt.Errorf("value of header %s has a control character", f.Name)
		case strings.EqualFold(f.Name, "Content-Length"), strings.EqualFold(f.Name, "Transfer-Encoding"):
			return fmt.Errorf("header %s is set by the probe itself", f.Name)
		case strings.EqualFold(f.Name, "Accept-Encoding") && t.Compression:
			return errors.New("header Accept-Encoding is set by compression")
		case strings.EqualFold(f.Name, "Authorization") && (t.User != "" || t.TokenFile != ""):
			return errors.New("header Authorization is set by the user or the bearer token")
		}
	}
	if authorizations > 1 {
		return errors.New("authorization is given more than once, by the url, a user or a bearer token")
	}
	return nil
}

func (t *Target) checkLimits() error {
	switch {
	case t.Timeout < 0:
		return fmt.Errorf("timeout %v is negative", t.Timeout)
	case t.ConnectTimeout < 0 || t.ConnectTimeout > t.Timeout:
		return fmt.Errorf("connect timeout %v is negative or longer than the timeout of %v", t.ConnectTimeout, t.Timeout)
	case t.MaxBody < 0:
		return fmt.Errorf("limit of the body %d is negative", t.MaxBody)
	case t.MaxRedirects < 0:
		return fmt.Errorf("number of redirects %d is negative", t.MaxRedirects)
	}
	return nil
}

// checkWay checks how the target is reached.
func (t *Target) checkWay() error {
	switch {
	case t.Version > AnyVersion:
		return fmt.Errorf("version of HTTP %d is not known", t.Version)
	case t.Version == HTTP3 && strings.EqualFold(t.URL.Scheme, "http"):
		return errors.New("version 3 of HTTP is for https alone")
	case t.Version == HTTP3 && t.Proxy != nil:
		return errors.New("version 3 of HTTP can not go through a proxy")
	case t.Version == HTTP2 && t.Proxy != nil && strings.EqualFold(t.URL.Scheme, "http"):
		return errors.New("version 2 of HTTP can not go through a proxy without https")
	case t.Proxy == nil && t.ProxyPasswordFile != "":
		return errors.New("proxy password is given without a proxy")
	case t.Proxy != nil && t.ProxyPasswordFile != "" && t.Proxy.User.Username() == "":
		return errors.New("proxy password is given without a user in the address of the proxy")
	case t.Proxy != nil && t.Address.IsValid():
		return errors.New("address to connect to is given as well as a proxy")
	case t.Family != AnyFamily && t.Family != IPv4 && t.Family != IPv6:
		return fmt.Errorf("address family %d is neither 4 nor 6", t.Family)
	case t.Address.IsValid() && t.Family != AnyFamily && t.Address.Is4() != (t.Family == IPv4):
		return fmt.Errorf("address to connect to %s is not of the family IPv%d", t.Address, t.Family)
	}
	return t.Line.check(t.Family)
}

func (t *Target) checkTLS() error {
	switch {
	case t.MinTLS != 0 && (t.MinTLS < tls.VersionTLS10 || t.MinTLS > tls.VersionTLS13):
		return fmt.Errorf("least version of TLS %#x is not known", t.MinTLS)
	case (t.CertFile == "") != (t.KeyFile == ""):
		return errors.New("client's certificate and key are given one without the other")
	case t.Expect.CertValid > 0 && !strings.EqualFold(t.URL.Scheme, "https"):
		return errors.New("certificate is expected of a url that is not https")
	}
	return nil
}
