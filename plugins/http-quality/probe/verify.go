package probe

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

const (
	// verdictAge is for how long a chain that was found valid is not verified again.
	verdictAge = 10 * time.Minute
	// maxVerdicts bounds how many chains are remembered: those of all targets that are probed alike, and of where they redirect to.
	maxVerdicts = 20_000
)

// verdicts remembers chains that were valid for a name, under the one set of roots that probers which share them have: verification is a third of the
// processor time of a handshake, and the same chain comes each time. That the server has the certificate's key is proven in each
// handshake all the same.
type verdicts struct {
	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time // by the wall clock, which the certificates' times are of
}

// readRoots reads the certificates of the system, once, if these settings trust them. It takes tens of milliseconds, which must not be
// part of a measured handshake.
func (s *settings) readRoots() error {
	if s.target.RootCAs != nil || s.target.InsecureSkipVerify {
		return nil
	}
	return readSystemRoots()
}

var readSystemRoots = sync.OnceValue(func() error {
	if _, err := x509.SystemCertPool(); err != nil {
		return fmt.Errorf("system's root certificates: %w", err)
	}
	return nil
})

// verify checks the chain that a server has sent for name.
func (v *verdicts) verify(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	key, now := verdictKey(chain, name), time.Now().Round(0)
	v.mu.Lock()
	until, known := v.until[key]
	v.mu.Unlock()
	if known && now.Before(until) && now.After(until.Add(-verdictAge)) {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	verified, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: intermediates, CurrentTime: now})
	if err != nil {
		return &certificateError{err}
	}
	until = now.Add(verdictAge)
	for _, cert := range append(verified[0], chain...) {
		if cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.until == nil || len(v.until) >= maxVerdicts {
		v.until = map[[sha256.Size]byte]time.Time{}
	}
	v.until[key] = until
	return nil
}

// verdictKey stands for a chain and a name. Lengths keep what follows one another apart.
func verdictKey(chain []*x509.Certificate, name string) (key [sha256.Size]byte) {
	hash := sha256.New()
	var length [8]byte
	add := func(b []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		hash.Write(length[:])
		hash.Write(b)
	}
	add([]byte(name))
	for _, cert := range chain {
		add(cert.Raw)
	}
	hash.Sum(key[:0])
	return key
}
