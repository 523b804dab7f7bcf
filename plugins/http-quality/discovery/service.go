package discovery

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Service says how a web service is asked for its list.
type Service struct {
	URL       *url.URL
	UserAgent string
	// Refresh is told to the service, as Prometheus does.
	Refresh, Timeout time.Duration
	// TokenFile holds a bearer token. User is for basic authorization, with Password or what PasswordFile holds. Files are read
	// for every request.
	TokenFile                    string
	User, Password, PasswordFile string
	RootCAs                      *x509.CertPool // the system's if nil
}

// HTTP is a source that asks a web service.
type HTTP struct {
	service Service
	client  *http.Client
	key     string
}

// NewHTTP makes a source of a service.
func NewHTTP(s Service) *HTTP {
	sum := sha256.Sum256([]byte(s.URL.String())) // which may hold a secret, and the key is kept
	return &HTTP{
		service: s,
		key:     hex.EncodeToString(sum[:]),
		client: &http.Client{
			Timeout:       s.Timeout,
			CheckRedirect: keepSecrets,
			Transport: &http.Transport{
				// No proxy that an environment names: what is configured is asked.
				Proxy:             nil,
				TLSClientConfig:   &tls.Config{RootCAs: s.RootCAs},
				DisableKeepAlives: true,
			},
		},
	}
}

// keepSecrets lets a redirect be followed, as http.Client does by itself, and tells no secret to where it leads: the client gives the
// authorization to other ports of the same host, in clear text too, and the whole address to everybody as the referer.
func keepSecrets(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return errRedirects
	}
	next.Header.Del("Referer")
	if first := before[0].URL; next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		next.Header.Del("Authorization")
	}
	return nil
}

const maxRedirects = 10

var errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)

// failure says why there is no answer, in words that hold nothing of the address, the request or the answer: the errors of the client
// repeat them, with whatever secret is in them.
func failure(err error) string {
	var lookup *net.DNSError
	var system *net.OpError
	var certificate *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errRedirects):
		return errRedirects.Error()
	case errors.As(err, &lookup):
		return lookup.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.As(err, &system):
		return system.Error()
	case strings.HasSuffix(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it speaks http, and not https"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return "no proper answer of HTTP"
}

// Read implements Source.
func (h *HTTP) Read(ctx context.Context, known map[string]Part) (map[string]Part, error) {
	before, wasThere := known[h.key]
	keep := map[string]Part{}
	if wasThere {
		keep[h.key] = before
	}
	part, err := h.ask(ctx, before)
	if err != nil {
		return keep, err
	}
	return map[string]Part{h.key: part}, nil
}

func (h *HTTP) ask(ctx context.Context, before Part) (Part, error) {
	req, err := h.request(ctx, before.Stamp)
	if err != nil {
		return Part{}, err
	}
	answer, err := h.client.Do(req)
	if err != nil {
		return Part{}, fmt.Errorf("asking %s: %s", h.service.URL.Host, printable(failure(err)))
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotModified && before.Stamp != "" {
		return before, nil
	}
	if answer.StatusCode != http.StatusOK {
		return Part{}, fmt.Errorf("%s answers with status %d, and no list", h.service.URL.Host, answer.StatusCode)
	}
	text, err := readAll(answer.Body)
	if err != nil {
		return Part{}, fmt.Errorf("the answer of %s: %s", h.service.URL.Host, printable(err.Error()))
	}
	groups, err := parseJSON(text)
	if err != nil {
		return Part{}, fmt.Errorf("the answer of %s: %w", h.service.URL.Host, err)
	}
	return Part{Groups: groups, Stamp: validatorOf(answer.Header)}, nil
}

func (h *HTTP) request(ctx context.Context, stamp string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.service.URL.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s can not be asked: its address is wrong", h.service.URL.Host)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", h.service.UserAgent)
	req.Header.Set("X-Prometheus-Refresh-Interval-Seconds", strconv.FormatFloat(h.service.Refresh.Seconds(), 'f', -1, 64))
	if tag, isTag := strings.CutPrefix(stamp, "tag "); isTag {
		req.Header.Set("If-None-Match", tag)
	} else if when, isDate := strings.CutPrefix(stamp, "date "); isDate {
		req.Header.Set("If-Modified-Since", when)
	}
	if h.service.TokenFile != "" {
		token, err := secret(h.service.TokenFile)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if h.service.User != "" {
		password := h.service.Password
		if h.service.PasswordFile != "" {
			if password, err = secret(h.service.PasswordFile); err != nil {
				return nil, err
			}
		}
		req.SetBasicAuth(h.service.User, password)
	}
	return req, nil
}

// validatorOf is by what the service knows this answer again.
func validatorOf(header http.Header) string {
	if tag := header.Get("ETag"); tag != "" {
		return "tag " + tag
	}
	if when := header.Get("Last-Modified"); when != "" {
		return "date " + when
	}
	return ""
}

func secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	line := strings.TrimSpace(string(text))
	if line == "" || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("the secret in %s is not one line of text", path)
	}
	return line, nil
}
