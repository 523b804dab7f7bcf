package probe

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	// maxSecret bounds a file with a password or a token, in bytes: none is longer, and a wrong path may lead to a device.
	maxSecret = 64 << 10
	// maxBodyFile bounds a file with a body.
	maxBodyFile = 64 << 20
	// settling is the age from which a file's time of change is told from that of a later change, on every file system.
	settling = 2 * time.Second
)

// file is a file that is read again when it has changed.
type file struct {
	what  string // for errors
	path  string
	limit int64

	mu      sync.Mutex
	seen    fs.FileInfo // nil if it must be read again
	content []byte
}

// read returns the present content, which must not be changed.
func (f *file) read() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.what, err)
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		return f.content, nil
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: %s is not a regular file", f.what, f.path)
	}
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.what, err)
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, f.limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", f.what, err)
	case int64(len(content)) > f.limit:
		return nil, fmt.Errorf("reading %s: %s is longer than %d bytes", f.what, f.path, f.limit)
	}
	f.content, f.seen = content, info
	if time.Since(info.ModTime()) < settling {
		f.seen = nil
	}
	return content, nil
}

// line returns the one line that the file has, without its end. The error does not show it.
func (f *file) line() (string, error) {
	content, err := f.read()
	if err != nil {
		return "", err
	}
	line := bytes.TrimRight(content, "\r\n")
	if len(line) == 0 || bytes.ContainsAny(line, "\r\n\x00") {
		return "", fmt.Errorf("reading %s: %s does not hold exactly one line", f.what, f.path)
	}
	return string(line), nil
}

// secrets are what a probe sends that is not in its target, but in files.
type secrets struct {
	authorization string // value of the field, for the target's own origin
	proxy         string // likewise, for the proxy
	proxyPassword string
	body          []byte
}

// readSecrets returns the present ones.
func (p *Prober) readSecrets() (s secrets, err error) {
	t := &p.target
	s.body = t.Body
	if p.files.body != nil {
		if s.body, err = p.files.body.read(); err != nil {
			return s, err
		}
	}
	switch {
	case p.files.token != nil:
		token, err := p.files.token.line()
		if err != nil {
			return s, err
		}
		s.authorization = "Bearer " + token
	case p.files.password != nil:
		password, err := p.files.password.line()
		if err != nil {
			return s, err
		}
		s.authorization = basic(t.User, password)
	case p.written != nil && p.written.User != nil:
		password, _ := p.written.User.Password()
		s.authorization = basic(p.written.User.Username(), password)
	}
	if t.Proxy != nil && t.Proxy.User != nil {
		s.proxyPassword, _ = t.Proxy.User.Password()
		if p.files.proxyPassword != nil {
			if s.proxyPassword, err = p.files.proxyPassword.line(); err != nil {
				return s, err
			}
		}
		s.proxy = basic(t.Proxy.User.Username(), s.proxyPassword)
	}
	return s, nil
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// files are what a prober reads again when it changes; nil is none.
type files struct {
	body, password, token, proxyPassword *file
}

func (t *Target) files() (f files) {
	open := func(what, path string, limit int64) *file {
		if path == "" {
			return nil
		}
		return &file{what: what, path: path, limit: limit}
	}
	return files{
		body:          open("the body", t.BodyFile, maxBodyFile),
		password:      open("the password", t.PasswordFile, maxSecret),
		token:         open("the bearer token", t.TokenFile, maxSecret),
		proxyPassword: open("the password of the proxy", t.ProxyPasswordFile, maxSecret),
	}
}

// certificate is the client's certificate and key, in PEM.
type certificate struct {
	cert, key file

	mu            sync.Mutex
	fromCert      []byte // what loaded was made of
	fromKey       []byte
	loadedFromPEM *tls.Certificate
}

func newCertificate(cert, key string) *certificate {
	return &certificate{
		cert: file{what: "the client's certificate", path: cert, limit: maxSecret},
		key:  file{what: "the client's key", path: key, limit: maxSecret},
	}
}

// load returns the present certificate.
func (c *certificate) load() (*tls.Certificate, error) {
	cert, err := c.cert.read()
	if err != nil {
		return nil, err
	}
	key, err := c.key.read()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loadedFromPEM != nil && bytes.Equal(cert, c.fromCert) && bytes.Equal(key, c.fromKey) {
		return c.loadedFromPEM, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("client's certificate %s with the key %s: %w", c.cert.path, c.key.path, errors.New(printable(err.Error(), maxQuoted)))
	}
	c.fromCert, c.fromKey, c.loadedFromPEM = cert, key, &pair
	return &pair, nil
}
