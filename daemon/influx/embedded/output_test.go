package embedded

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestOutputTakesAnyLine(t *testing.T) {
	var log bytes.Buffer
	o := &output{logger: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug})}
	long := strings.Repeat("x", 3*longestLine)
	text := `{"lvl":"info","ts":"2026-01-01T00:00:00Z","msg":"Opened shard","log_id":"1","path":"data"}` + "\n" +
		`{"lvl":"error","msg":"Cannot open","error":"no space"}` + "\n" +
		"panic: \xff\xfe\n\n{\"lvl\":1}\n{]\n" + long + "\nends without a newline"
	// Pipes cut where they like.
	for _, piece := range []string{text[:10], text[10:200], text[200:]} {
		if n, err := o.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	reason := o.reason()
	for _, want := range []string{"Cannot open: no space", "panic: \uFFFD", `{"lvl":1}`, "{]", "ends without a newline"} {
		if !strings.Contains(reason, want) {
			t.Errorf("the reason lacks %q", want)
		}
	}
	if strings.Contains(reason, "Opened shard") {
		t.Error("the reason holds news that explain nothing")
	}
	if got := strings.Count(log.String(), "x"); got < 3*longestLine {
		t.Errorf("%d bytes of the long line were logged", got)
	}
	if !strings.Contains(log.String(), "[DEBUG] Opened shard: path=data") {
		t.Errorf("log: %.300s", log.String())
	}
	for i := range 3 * keptLines {
		fmt.Fprintf(o, "line %d\n", i)
	}
	if len(o.last) != keptLines {
		t.Errorf("%d lines are kept", len(o.last))
	}
}

func TestAnotherInfluxDBOnThePortIsNotTakenForOurs(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(launchHeader, "before")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer other.Close()
	if newPinger(Credentials{URL: other.URL}, "now").answers(context.Background()) {
		t.Error("it is")
	}
	if !newPinger(Credentials{URL: other.URL}, "before").answers(context.Background()) {
		t.Error("ours is not known")
	}
}
