package influx_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// A request that ends early may still be reading its body when the buffer is wanted for the next one.
func TestBodiesOfRequestsThatWereCutAreNotMixedWithOthers(t *testing.T) {
	var mu sync.Mutex
	mixed := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				return // cut
			}
			body = z
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return // cut
		}
		first, _, _ := strings.Cut(string(text), ",")
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, first+",") || !strings.HasSuffix(line, "\n") {
				mu.Lock()
				mixed = line
				mu.Unlock()
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	for _, compression := range []influx.Compression{influx.Plain, influx.Compressed} {
		w, _ := writerTo(t, influx.WriterOptions{URL: srv.URL, Bucket: "b", Compression: compression})
		influx.SetWaits(w, time.Millisecond)
		var lanes sync.WaitGroup
		for lane := range 8 {
			lanes.Go(func() {
				var batch []string
				for i := range 2000 {
					batch = append(batch, fmt.Sprintf("lane%d,padding=%s v=1 %d", lane, strings.Repeat("x", 100), i))
				}
				for round := range 30 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(round)*200*time.Microsecond)
					_, _ = w.Write(ctx, lines(batch...))
					cancel()
				}
				if got, err := w.Write(limited(t), lines(batch...)); err != nil || got.Stored != len(batch) {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		lanes.Wait()
	}
	if mixed != "" {
		t.Errorf("another body was sent: %.200q", mixed)
	}
}
