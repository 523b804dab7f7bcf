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
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/process"
)

// nginx is a web server that knows nothing of us: Debian's, as a process of its own with a configuration of its own.
type nginx struct {
	plain, tls, expired string // addresses: host:port
	ca                  string // file of the certificate that the TLS sites are signed with
}

// page is what the server gives at /.
const page = "<html><body>welcome to the shop</body></html>\n"

func startNginx(t *testing.T) *nginx {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("nginx is missing; `make test-packages` installs it")
		}
	}
	dir, err := os.MkdirTemp("", "vedette-e2e-nginx-")
	if err != nil {
		t.Fatal(err)
	}
	// Its workers run as another user when it is started by root.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	authority := newAuthority(t)
	n := &nginx{
		plain: reservePort(t).Address(), tls: reservePort(t).Address(),
		expired: reservePort(t).Address(), ca: filepath.Join(dir, "ca.pem"),
	}
	writeFile(t, n.ca, authority.pem)
	day := 24 * time.Hour
	authority.issue(t, filepath.Join(dir, "good"), -day, 90*day)
	authority.issue(t, filepath.Join(dir, "expired"), -30*day, -10*day)
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "root", "index.html"), []byte(page))
	conf := strings.NewReplacer("$DIR", dir, "$PLAIN", n.plain, "$TLS", n.tls, "$EXPIRED", n.expired).Replace(nginxConf)
	writeFile(t, filepath.Join(dir, "nginx.conf"), []byte(conf))

	cmd := exec.Command(program, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	// If the tests die it is asked, so that it ends its workers.
	child, err := process.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Signal(syscall.SIGKILL)
		<-child.Done()
		if t.Failed() {
			t.Logf("nginx said:\n%s", said)
		}
	})
	for _, address := range []string{n.plain, n.tls, n.expired} {
		waitUntil(t, "nginx listens on "+address, patience, func() bool {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
	return n
}

const nginxConf = `
daemon off;
pid $DIR/nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  ssl_protocols TLSv1.2 TLSv1.3;
  client_body_temp_path $DIR/body;
  proxy_temp_path $DIR/proxy;
  fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi;
  scgi_temp_path $DIR/scgi;
  root $DIR/root;
  server {
    listen $PLAIN;
    location = /old { return 301 http://$PLAIN/; }
    location = /round { return 302 http://$PLAIN/round; }
    location = /private {
      if ($http_authorization = "") { return 401; }
      return 200 "let in\n";
    }
  }
  server {
    listen $TLS ssl;
    ssl_certificate $DIR/good.pem;
    ssl_certificate_key $DIR/good.key;
  }
  server {
    listen $EXPIRED ssl;
    ssl_certificate $DIR/expired.pem;
    ssl_certificate_key $DIR/expired.key;
  }
}
`

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// authority signs certificates for shop.test and the loopback address.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Vedette's test authority"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue writes a certificate and its key, valid between two moments relative to now.
func (a *authority) issue(t *testing.T, base string, from, until time.Duration) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "shop.test"},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
		DNSNames: []string{"shop.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, base+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, base+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
