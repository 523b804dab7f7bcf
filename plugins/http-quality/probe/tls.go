package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// The names of protocols in ALPN (RFC 7301).
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
	protocolHTTP3 = "h3"
)

// classicalCurves leave out the hybrids with ML-KEM, which Go offers as well unless it is told not to: their key share makes a
// second packet of the client's first message, and both sides work longer.
var classicalCurves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// secured is what is known of a connection's TLS.
type secured struct {
	protocol string // agreed on, HTTP/1.1 if none was
	version  string
	expiry   time.Time
	stapled  bool
}

func (s *secured) describe(h *Hop) {
	h.TLSVersion, h.CertExpiry, h.OCSPStapled = s.version, s.expiry, s.stapled
}

// certificateError is a certificate that failed verification, apart from all else that can fail in a handshake.
type certificateError struct{ err error }

func (e *certificateError) Error() string { return e.err.Error() }
func (e *certificateError) Unwrap() error { return e.err }

// tlsConfig is for one handshake, which tells learn what it learns of the certificates. Verification is our own, and within
// the handshake: so what is known of the chain is kept when it fails, and a server that failed it learns why and is sent
// nothing more. Sessions are never resumed.
func (r *run) tlsConfig(q *request, learn func(s secured, bad error), protocols ...string) *tls.Config {
	t := &r.target
	config := &tls.Config{
		ServerName:         q.serverName,
		NextProtos:         protocols,
		MinVersion:         t.MinTLS,
		InsecureSkipVerify: true, // verify does it
		VerifyConnection: func(state tls.ConnectionState) error {
			s := secured{
				version: tls.VersionName(state.Version), expiry: earliestExpiry(state.PeerCertificates), stapled: len(state.OCSPResponse) > 0,
			}
			var bad error
			if !t.InsecureSkipVerify {
				bad = r.verdicts.verify(state.PeerCertificates, t.RootCAs, q.serverName)
			}
			learn(s, bad)
			return bad
		},
	}
	if !t.PostQuantum {
		config.CurvePreferences = classicalCurves
	}
	if r.certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return r.certificate.load() }
	}
	return config
}

// handshake secures w.
func (r *run) handshake(q *request, w *wire) (*tls.Conn, secured, *Error) {
	var s secured
	conn := newFlights(w)
	session := tls.Client(conn, r.tlsConfig(q, func(known secured, _ error) { s = known }, r.protocols()...))
	err := session.Handshake()
	conn.end(err == nil)
	state := session.ConnectionState()
	s.protocol = state.NegotiatedProtocol
	if state.Version != 0 {
		s.version = tls.VersionName(state.Version)
	}
	s.describe(&r.hop)
	if err != nil {
		return nil, s, r.handshakeError(q, err)
	}
	if s.protocol == "" && r.target.Version == HTTP2 {
		return nil, s, r.failure(OutcomeTLS, nil, "handshake with %s: the server does not speak HTTP/2", q.serverName)
	}
	return session, s, nil
}

// protocols are those to agree on one of.
func (r *run) protocols() []string {
	switch r.target.Version {
	case HTTP2:
		return []string{protocolHTTP2}
	case AnyVersion:
		return []string{protocolHTTP2, protocolHTTP1}
	}
	return []string{protocolHTTP1}
}

func (r *run) handshakeError(q *request, err error) *Error {
	var bad *certificateError
	if errors.As(err, &bad) {
		return r.failure(OutcomeCertificate, err, "certificate of %s: %s", q.serverName, describeCertificateError(bad.err))
	}
	return r.failure(OutcomeTLS, err, "handshake with %s: %s", q.serverName, reason(err))
}

func earliestExpiry(chain []*x509.Certificate) time.Time {
	var earliest time.Time
	for _, cert := range chain {
		if earliest.IsZero() || cert.NotAfter.Before(earliest) {
			earliest = cert.NotAfter
		}
	}
	return earliest
}

// describeCertificateError leaves the present time out of the text, so that the same fault has the same text tomorrow.
func describeCertificateError(err error) string {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		return err.Error()
	}
	if time.Now().Before(invalid.Cert.NotBefore) {
		return "not valid before " + invalid.Cert.NotBefore.UTC().Format(time.RFC3339)
	}
	return "expired on " + invalid.Cert.NotAfter.UTC().Format(time.RFC3339)
}
