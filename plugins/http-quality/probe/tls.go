package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// certificateError is a certificate that failed verification, apart from all else that can fail in a handshake.
type certificateError struct{ err error }

func (e *certificateError) Error() string { return e.err.Error() }
func (e *certificateError) Unwrap() error { return e.err }

// handshake secures conn. Verification is our own, and within the handshake: so what is known of the chain is kept when it
// fails, and a server that failed it learns why and is sent nothing more. Sessions are never resumed.
func (r *run) handshake(q *request, conn net.Conn) (*tls.Conn, *Error) {
	secured := tls.Client(conn, &tls.Config{
		ServerName:         q.serverName,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true, // verify does it
		VerifyConnection: func(state tls.ConnectionState) error {
			r.hop.CertExpiry = earliestExpiry(state.PeerCertificates)
			r.hop.OCSPStapled = len(state.OCSPResponse) > 0
			if r.target.InsecureSkipVerify {
				return nil
			}
			return verify(state.PeerCertificates, r.target.RootCAs, q.serverName)
		},
	})
	err := secured.Handshake()
	state := secured.ConnectionState()
	if state.Version != 0 {
		r.hop.TLSVersion = tls.VersionName(state.Version)
	}
	if err == nil {
		return secured, nil
	}
	var bad *certificateError
	if errors.As(err, &bad) {
		return nil, r.failure(OutcomeCertificate, err, "certificate of %s: %s", q.serverName, describeCertificateError(bad.err))
	}
	return nil, r.failure(OutcomeTLS, err, "handshake with %s: %s", q.serverName, reason(err))
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: intermediates}); err != nil {
		return &certificateError{err}
	}
	return nil
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
