package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// writeCertificates writes what a public site serves: its certificate and that of the authority in between, with the key; and
// the root that clients trust.
func writeCertificates(root, site, key string) error {
	authority := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "site"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for i := range addresses {
		leaf.IPAddresses = append(leaf.IPAddresses, net.IPv4(127, 0, 0, byte(i+1)))
	}
	var chain [][]byte // the root first
	var parent *x509.Certificate
	var signer *ecdsa.PrivateKey
	for n, template := range []*x509.Certificate{authority("root"), authority("between"), leaf} {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		template.SerialNumber = big.NewInt(int64(n + 1))
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)
		if parent == nil {
			parent, signer = template, own
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &own.PublicKey, signer)
		if err != nil {
			return err
		}
		if parent, err = x509.ParseCertificate(der); err != nil {
			return err
		}
		signer = own
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	text, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return err
	}
	for path, content := range map[string][]byte{
		root: chain[0], site: append(chain[2], chain[1]...), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
