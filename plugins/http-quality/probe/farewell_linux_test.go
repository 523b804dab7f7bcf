package probe

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestAServerHearsTheFarewellWhateverItSaysItself(t *testing.T) {
	config := serverConfig(t, newAuthority(t), nil)
	config.SessionTicketsDisabled = true
	for name, tc := range map[string]struct {
		header string
		then   func(*tls.Conn) error
		clean  bool // the connection ends without a reset as well
	}{
		"it waits":               {"", func(*tls.Conn) error { return nil }, true},
		"it ends the connection": {"Connection: close\r\n", (*tls.Conn).CloseWrite, false},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			heard := make(chan error, 1)
			at := listen(t, "127.0.0.1:0", func(raw net.Conn) {
				conn := tls.Server(raw, config)
				_, err := conn.Read(make([]byte, 4096))
				if err == nil {
					_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+tc.header+"Content-Length: 2\r\n\r\nok")
				}
				if err == nil {
					err = tc.then(conn)
				}
				if err == nil {
					var rest []byte
					rest, err = io.ReadAll(raw)
					const record = 24 // of an alert, with its header
					switch {
					case len(rest) != record:
						err = errors.Join(errors.New("the server did not hear the farewell"), err)
					case errors.Is(err, syscall.ECONNRESET) && !tc.clean:
						err = nil
					}
				}
				heard <- err
			})
			for range 20 {
				r := runTarget(t, Target{URL: parseURL(t, "https://"+at.String()+"/"), InsecureSkipVerify: true})
				if r.Outcome != OutcomeOK {
					t.Fatal(r.Err)
				}
				if err := <-heard; err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
