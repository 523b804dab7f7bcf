package console

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func TestDeadLettersAreChosenAsTheClientSays(t *testing.T) {
	s := &subject{}
	path, _ := control(t, s)
	chosen := influx.LetterFilter{Measurement: "m", Reason: "type", Lane: influx.Records, Since: time.Now().Add(-time.Hour).UTC().Truncate(time.Second)}
	retried, err := RequestRetry(limited(t), path, chosen)
	if want := (Retried{Stored: 3, Refused: 1, Problem: "InfluxDB is away"}); err != nil || retried != want {
		t.Errorf("%+v, %v", retried, err)
	}
	dropped, err := RequestDrop(limited(t), path, influx.LetterFilter{})
	if want := (Dropped{Letters: 7}); err != nil || dropped != want {
		t.Errorf("%+v, %v", dropped, err)
	}
	if len(s.filters) != 2 || s.filters[0] != chosen || !s.filters[1].IsZero() {
		t.Errorf("chosen: %+v", s.filters)
	}
}

func TestFilterThatIsNotUnderstoodChoosesNothing(t *testing.T) {
	s := &subject{}
	path, _ := control(t, s)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	for _, body := range []string{"", "{", `{"mesurement":"m"}`, `{"since":"yesterday"}`, `{"reason":"` + strings.Repeat("x", 1<<20) + `"}`} {
		resp, err := client.Post("http://vedette/v1/deadletters/drop", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.40q is answered with %s", body, resp.Status)
		}
	}
	if len(s.filters) > 0 {
		t.Errorf("chosen: %+v", s.filters)
	}
}
