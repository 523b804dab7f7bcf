// Package bed is the real servers that alert-notifier is tried against, each of a test's own. It is for tests alone.
package bed

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

// Serve starts a server, and waits until it is ready. It ends with the test; if that fails, what the server says is shown, and what its
// logs say.
func Serve(t testing.TB, cmd *exec.Cmd, ready func() bool, logs ...string) {
	t.Helper()
	name := filepath.Base(cmd.Path)
	var output bytes.Buffer // read once the server has ended
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if !t.Failed() {
			return
		}
		t.Logf("%s says:\n%s", name, output.String())
		for _, log := range logs {
			text, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", filepath.Base(log), text)
		}
	})
	for deadline := time.Now().Add(patience); !ready(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("%s has ended", name)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready", name)
		}
	}
}

// Listens reports whether somebody accepts connections at an address.
func Listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// FreePort is a port of loopback that nobody listens to.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
