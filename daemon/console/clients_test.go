package console

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestSlowAndHostileClientsDoNotBlockOthers(t *testing.T) {
	path, _ := control(t, &subject{status: Status{Pid: 7}})
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for range 100 {
		if _, err := io.WriteString(dial(), "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Half"); err != nil {
			t.Fatal(err)
		}
		dial()
	}
	// The server stops reading it somewhere, so the write may fail.
	long := dial()
	_, _ = io.WriteString(long, "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(long), nil)
	if err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a header of 1 MB was answered with %s", resp.Status)
		}
	}
	if _, err := io.WriteString(dial(), "\x16\x03\x01\x00\x00 no HTTP at all \x00\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := FetchStatus(limited(t), path); err != nil || got.Pid != 7 {
		t.Errorf("status %+v, error %v", got, err)
	}
}

func TestRunEndsWithItsContextWhateverClientsDo(t *testing.T) {
	address, stop := healthServer(t, new(subject))
	for _, said := range []string{"", "GET /healthz HTT", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(said, "\r\n\r\n") {
			if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
}

// TestClientsThatKeepQuietAreHungUpOn uses connections in memory and a clock of its own, so that nobody has to wait.
func TestClientsThatKeepQuietAreHungUpOn(t *testing.T) {
	const most = time.Minute
	for name, said := range map[string]string{
		"from the start":      "",
		"within the header":   "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half",
		"after an answer":     "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"instead of the body": "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				mux := http.NewServeMux()
				mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, health{"ok"}) })
				stop := serve(t, newServer(listener, mux, hclog.NewNullLogger()))
				conn, far := net.Pipe()
				listener.conns <- far
				if err := conn.SetDeadline(time.Now().Add(most)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, said); err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Errorf("not hung up on after %v: %v", most, err)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// pipes is a listener for connections in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
		return errors.New("closed twice")
	default:
		close(p.closed)
		return nil
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }
