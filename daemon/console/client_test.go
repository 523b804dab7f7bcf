package console

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFetchingTheStatusSaysThatNoDaemonRuns(t *testing.T) {
	socket := filepath.Join(socketDir(t), "control.sock")
	_, err := FetchStatus(limited(t), socket)
	if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), socket) || !strings.Contains(err.Error(), "vedette run") {
		t.Errorf("error is %v, want one that names the socket and what to do", err)
	}
}

// answering is a socket on which something answers that is no daemon of ours.
func answering(t *testing.T, answer string) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if answer == "" {
				t.Cleanup(func() { _ = conn.Close() })
				continue
			}
			go func() {
				defer conn.Close()
				request := make([]byte, 4096)
				_, _ = conn.Read(request)
				_, _ = io.WriteString(conn, answer)
			}()
		}
	}()
	return path
}

func TestFetchingTheStatusSaysWhatIsWrongWithAnAnswer(t *testing.T) {
	for name, tc := range map[string]struct{ answer, want string }{
		"another status": {"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "500"},
		"no JSON":        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<a>", "reading the answer"},
		"half of it":     {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"pid\":", "reading the answer"},
		"no HTTP":        {"hello\r\n\r\n", "asking the daemon for its status"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FetchStatus(limited(t), answering(t, tc.answer))
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, ErrNotRunning) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestFetchingTheStatusEndsWithItsContext(t *testing.T) {
	socket := answering(t, "")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := FetchStatus(ctx, socket); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}
