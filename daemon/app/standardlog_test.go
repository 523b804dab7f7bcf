package app

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// heard is a log that tests read.
type heard chan string

func (h heard) Write(line []byte) (int, error) {
	h <- string(line)
	return len(line), nil
}

func TestWhatGoLogsIsInTheDaemonsLog(t *testing.T) {
	lines := make(heard, 100)
	before := log.Writer()
	release := captureStandardLog(hclog.New(&hclog.LoggerOptions{Output: lines, Level: hclog.Debug}))
	defer release()

	log.Print("something else")
	if line := <-lines; !strings.Contains(line, "[WARN]  something else\n") {
		t.Errorf("logged: %s", line)
	}

	// An answer of 204 with a body is no answer that the standard allows, and comes of proxies all the same.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")
		}
	}()
	w, err := influx.NewWriter(influx.WriterOptions{URL: "http://" + listener.Addr().String(), Bucket: "b",
		Reject: func([][]byte, string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got, err := w.Write(t.Context(), [][]byte{[]byte("m v=1 1")}); err != nil || got.Stored != 1 {
		t.Fatalf("result %+v, %v", got, err)
	}
	select {
	case line := <-lines:
		if !strings.Contains(line, "[DEBUG] Unsolicited response") {
			t.Errorf("logged: %s", line)
		}
	case <-time.After(time.Minute):
		t.Error("nothing is logged")
	}

	release()
	if log.Writer() != before {
		t.Error("it is not given back")
	}
}
