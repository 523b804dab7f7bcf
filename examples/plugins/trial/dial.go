package trial

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Process is a plugin without a daemon: the test makes the calls.
type Process struct {
	*grpc.ClientConn
	// Lifeline is the plugin's standard input.
	Lifeline io.Closer
	// Ended gets what Wait says of the process once it has ended, and is closed then.
	Ended <-chan error
}

// Dial starts a plugin's program and shakes hands with it, for calls that the supervisor does not make, such as those to
// channels. The plugin is gone when the test ends.
func Dial(t *testing.T, program string) *Process {
	t.Helper()
	dir, err := os.MkdirTemp("", "trial")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	certificate, der := Certificate(t)
	cmd := exec.Command(program)
	cmd.Env = []string{
		wire.CookieKey + "=" + wire.CookieValue, "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR=" + dir,
		"PLUGIN_CLIENT_CERT=" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	wait := sync.OnceFunc(func() {
		ended <- cmd.Wait()
		close(ended)
	})
	kill := func() {
		select {
		case <-ended: // its number may be another's by now
		default:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
	tooLate := time.AfterFunc(Patience, kill)
	t.Cleanup(func() {
		tooLate.Stop()
		kill()
		wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	parts := strings.Split(strings.TrimSpace(line), "|")
	if err != nil || len(parts) < 6 || parts[0] != "1" || parts[1] != "1" || parts[2] != "unix" || parts[4] != "grpc" {
		t.Fatalf("the handshake of %s is %q, %v", program, line, err)
	}
	go wait()
	raw, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		t.Fatalf("the certificate of %s: %v", program, err)
	}
	theirs, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatalf("the certificate of %s: %v", program, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(theirs)
	conn, err := grpc.NewClient("unix:"+parts[3], grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, RootCAs: roots, ServerName: "localhost",
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Process{conn, lifeline, ended}
}

// Certificate makes a certificate such as a daemon makes for each plugin that it starts.
func Certificate(t *testing.T) (certificate tls.Certificate, der []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		DNSNames: []string{"localhost"}, SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	template.Subject.CommonName = "localhost"
	der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, der
}
